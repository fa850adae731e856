{#- Confirmed misses counted by cause, for each month, team and supervisor. -#}
with misses as (
    select * from {{ ref('confirmed_misses') }}
),

by_cause as (
    select
        reported_month_on,
        team,
        coalesce(supervisor_code, 'unknown') as supervisor_code,
        unnest([miss_cause, 'all']) as miss_cause,
        is_recorded_since
    from misses
),

final as (
    select
        reported_month_on,
        team,
        supervisor_code,
        miss_cause,
        count(*) as confirmed_count,
        count(*) filter (where is_recorded_since) as recorded_since_count
    from by_cause
    group by reported_month_on, team, supervisor_code, miss_cause
)

select * from final
order by reported_month_on, team, supervisor_code, miss_cause
