{#- How far the clock of the records system is fast beside that of the calls. Whoever types up a report
    usually copies the time of the call from the log, so among records that name their call one lag stands
    out: none, if the clocks agree. Only what cannot be chance or habit is taken for an error of the clock.
    References are not yet checked here, as that needs the time; a mistyped one gives no lag that stands
    out. -#}
{% set within_minutes, least_minutes, least_pairs, least_share = 720, 5, 100, 0.2 %}

with calls as (
    select * from {{ ref('stg_calls') }}
    where not is_withdrawn
),

records as (
    select * from {{ ref('stg_crime_records') }}
    where not is_withdrawn
),

lags as (
    select cast(round(epoch(records.reported_at - calls.received_at) / 60) as bigint) as minutes
    from records
    inner join calls on records.call_no = calls.call_no
    where records.reported_at is not null
),

counted as (
    select
        minutes,
        count(*) as pair_count,
        sum(pair_count) over () as all_count
    from lags
    where abs(minutes) <= {{ within_minutes }}
    group by minutes
),

commonest as (
    select * from counted
    order by pair_count desc, abs(minutes) asc, minutes asc
    limit 1
),

final as (
    select
        coalesce(any_value(minutes), 0) as common_minutes,
        coalesce(any_value(pair_count), 0) as pair_count,
        any_value(pair_count / all_count) as share,
        case
            when
                abs(common_minutes) >= {{ least_minutes }}
                and any_value(all_count) >= {{ least_pairs }}
                and any_value(pair_count / all_count) >= {{ least_share }}
                then common_minutes
            else 0
        end as fast_minutes
    from commonest
)

select * from final
