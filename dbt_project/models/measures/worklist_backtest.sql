{#- What the worklist said twelve hours after the calls, and what became true. A month in which few calls were
    landed so early says little, and says how few. -#}
{% set outcomes = ['recorded', 'confirmed', 'dismissed', 'audited_missed', 'audited_not_missed', 'open'] %}
with calls as (
    select received_at
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

early as (
    select * from {{ ref('int_outcomes__early_calls') }}
),

settings as not materialized (
    select * from {{ source('landing', 'settings') }}
),

received as (
    select
        cast(date_trunc('month', {{ local_date('calls.received_at', 'settings.timezone') }}) as date)
            as received_month_on,
        count(*) as log_count
    from calls
    cross join settings
    group by all
),

looked_at as (
    select
        cast(date_trunc('month', {{ local_date('early.received_at', 'settings.timezone') }}) as date)
            as received_month_on,
        count(*) as known_count,
        count(*) filter (where early.is_listed) as listed_count,
        {% for outcome in outcomes %}
            count(*) filter (where early.is_listed and early.became = '{{ outcome }}')
                as listed_{{ outcome }}_count,
        {% endfor %}
        count(*) filter (where not early.is_listed and early.became = 'recorded') as unlisted_recorded_count,
        count(*) filter (where not early.is_listed and early.became in ('confirmed', 'audited_missed'))
            as unlisted_missed_count
    from early
    cross join settings
    group by all
),

final as (
    select
        received.received_month_on,
        received.log_count,
        coalesce(looked_at.known_count, 0) as known_count,
        looked_at.listed_count,
        {% for outcome in outcomes %}
            looked_at.listed_{{ outcome }}_count,
        {% endfor %}
        looked_at.unlisted_recorded_count,
        looked_at.unlisted_missed_count
    from received
    left join looked_at on received.received_month_on = looked_at.received_month_on
)

select * from final
order by received_month_on
