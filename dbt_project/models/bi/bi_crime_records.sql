{#- Crime records and non-crime occurrences for tools that draw charts, whether a call is linked to them or
    not: local time, and names instead of codes. -#}
with records as (
    select *
    from {{ ref('stg_crime_records').include(database=false) }}
    where not is_withdrawn
),

offences as (
    select * from {{ source('codes', 'offences').include(database=false) }}
),

groups as (
    select * from {{ ref('offence_groups').include(database=false) }}
),

route_codes as (
    select * from {{ source('codes', 'routes').include(database=false) }}
),

routes as (
    select * from {{ ref('routes').include(database=false) }}
),

links as (
    select * from {{ ref('links').include(database=false) }}
),

cancellations as (
    select * from {{ ref('cancellations').include(database=false) }}
),

version as (
    select * from {{ ref('release').include(database=false) }}
),

final as (
    select
        records.published_record_id as crime_record_id,
        records.record_reference,
        links.call_id as linked_log_id,
        {{ in_words('links.link_rung') }} as link_rung_name,
        links.link_probability,
        offences.offence_group is not null as is_crime_record,
        coalesce(records.offence_name, offences.name, records.offence_code) as offence_name,
        groups.offence_group_name as recorded_group_name,
        {{ local_date('records.recorded_at', 'version.timezone') }} as recorded_on,
        {{ local_time('records.recorded_at', 'version.timezone') }} as recorded_local_time,
        {{ local_date('records.occurred_at', 'version.timezone') }} as occurred_on,
        {{ local_date('records.cancelled_at', 'version.timezone') }} as cancelled_on,
        cancellations.check_meaning as cancellation_name,
        cancellations.is_wrongly_cancelled,
        coalesce(records.district, 'unknown') as record_district,
        coalesce(routes.route_name, 'Unknown') as record_route_name
    from records
    cross join version
    left join offences on records.offence_code = offences.code
    left join groups on offences.offence_group = groups.offence_group
    left join route_codes on records.route = route_codes.code
    left join routes on route_codes.route = routes.route
    left join links on records.published_record_id = links.crime_record_id
    left join cancellations on records.published_record_id = cancellations.crime_record_id
)

select * from final
