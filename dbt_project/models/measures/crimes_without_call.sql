{#- Crimes that were reported without a call. The estimate of unrecorded crime includes them; the worklist
    cannot. -#}
with linked as (
    select distinct crime_record_id
    from {{ ref('int_linkage__links') }}
    where is_crime_record
),

crimes as (
    select
        coalesce(routes.route, 'unknown') as route,
        offences.offence_group,
        cast(
            date_trunc(
                'month',
                {{ local_date('coalesce(records.reported_at, records.recorded_at)', 'settings.timezone') }}
            ) as date
        ) as reported_month_on,
        linked.crime_record_id is not null as has_call
    from {{ ref('stg_crime_records') }} as records
    inner join {{ source('codes', 'offences') }} as offences
        on records.offence_code = offences.code and offences.offence_group is not null
    left join {{ source('codes', 'routes') }} as routes on records.route = routes.code
    left join linked on records.crime_record_id = linked.crime_record_id
    cross join {{ source('landing', 'settings') }} as settings
    where not records.is_withdrawn
),

final as (
    select
        route,
        offence_group,
        reported_month_on,
        count(*) as crime_count,
        count(*) filter (where not has_call) as without_call_count,
        without_call_count / crime_count as without_call_share
    from crimes
    group by route, offence_group, reported_month_on
)

select * from final
