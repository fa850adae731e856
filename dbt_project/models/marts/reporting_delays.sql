{#- The reporting-delay triangle: how old reports were when their crime was recorded, by week of report. What
    a nowcast completes: in the newest weeks the later ages have not been seen yet. -#}
{% set days_by_day = 14 %}

with settings as (
    select * from {{ source('landing', 'settings') }}
),

links as (
    select
        links.crime_record_id,
        calls.received_at,
        routes.route
    from {{ ref('int_linkage__links') }} as links
    inner join {{ ref('stg_calls') }} as calls on links.call_id = calls.call_id
    left join {{ source('codes', 'routes') }} as routes on calls.source_channel = routes.code
    where links.is_crime_record
),

crimes as (
    select
        coalesce(links.received_at, records.reported_at) as reported_at,
        records.recorded_at,
        coalesce(links.route, routes.route, 'unknown') as route,
        links.crime_record_id is not null as has_call
    from {{ ref('stg_crime_records') }} as records
    inner join {{ source('codes', 'offences') }} as offences
        on records.offence_code = offences.code and offences.offence_group is not null
    left join links on records.crime_record_id = links.crime_record_id
    left join {{ source('codes', 'routes') }} as routes on records.route = routes.code
    where not records.is_withdrawn and records.recorded_at is not null
),

aged as (
    select
        cast(date_trunc('week', {{ local_date('crimes.reported_at', 'settings.timezone') }}) as date)
            as reported_week_on,
        crimes.route,
        crimes.has_call,
        -- recorded before the call came in counts as at once
        greatest(date_diff('second', crimes.reported_at, crimes.recorded_at), 0) // 86400 as age_days
    from crimes
    cross join settings
    where crimes.reported_at is not null
),

by_age as (
    select
        aged.*,
        if(aged.age_days < {{ days_by_day }}, aged.age_days, aged.age_days // 7 * 7) as age_days_from,
        if(aged.age_days < {{ days_by_day }}, 1, 7) as age_span_days
    from aged
),

final as (
    select
        by_age.reported_week_on,
        by_age.route,
        by_age.has_call,
        by_age.age_days_from,
        by_age.age_span_days,
        count(*) as recorded_count,
        -- the last report of the week was older than that at as_of
        any_value(settings.as_of)
        >= by_age.reported_week_on
        + to_days(cast(7 + by_age.age_days_from + by_age.age_span_days as integer)) as is_complete
    from by_age
    cross join settings
    group by
        by_age.reported_week_on, by_age.route, by_age.has_call, by_age.age_days_from, by_age.age_span_days
)

select * from final
