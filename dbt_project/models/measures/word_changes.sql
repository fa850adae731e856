{#- Whether the words of logs change: of the pairs of neighbouring words in the accounts of each month, the
    share that the text model learnt. If people begin to write otherwise, or others begin to write, it falls,
    and what an audit taught says less and less. -#}
{% set fewest_logs, least_part = 500, 0.9 %}

with calls as (
    select * from {{ ref('fct_calls') }}
),

readings as (
    select * from {{ ref('int_disclosure__text_model') }}
    where pair_count > 0
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

monthly as (
    select
        cast(date_trunc('month', {{ local_date('calls.received_at', 'settings.timezone') }}) as date)
            as received_month_on,
        count(*) as log_count,
        sum(readings.pair_count) as pair_count,
        sum(readings.known_pair_count) as known_pair_count,
        case when log_count >= {{ fewest_logs }} then sum(known_pair_count) / sum(pair_count) end
            as known_share
    from calls
    inner join readings on calls.call_no = readings.call_id
    cross join settings
    group by all
),

compared as (
    select
        *,
        max(known_share) over earlier as best_earlier_share
    from monthly
    window earlier as (order by received_month_on rows between unbounded preceding and 1 preceding)
),

final as (
    select
        received_month_on,
        log_count,
        cast(pair_count as bigint) as pair_count,
        known_share,
        best_earlier_share,
        coalesce(known_share < {{ least_part }} * best_earlier_share, false) as is_changed
    from compared
)

select * from final
order by received_month_on
