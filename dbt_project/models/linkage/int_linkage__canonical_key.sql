{% set max_metres = 500 %}
{% set max_minutes = 15 %}

with calls as (
    select
        call_id,
        call_key,
        received_at,
        location_hash,
        easting,
        northing
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

-- a log closed as a duplicate, and the log that it names
duplicates as (
    select
        calls.call_id,
        first_calls.call_id as first_call_id
    from {{ ref('stg_calls') }} as calls
    inner join {{ source('codes', 'closures') }} as closures
        on calls.disposition_code = closures.code and closures.reason_code = 'DUPLICATE_LOG'
    inner join {{ ref('stg_calls') }} as first_calls on calls.cross_key = first_calls.call_key
    where not calls.is_withdrawn and not first_calls.is_withdrawn and calls.call_id <> first_calls.call_id
),

records as (
    select
        crime_record_id,
        call_key,
        reported_at,
        offence_code,
        location_hash,
        easting,
        northing
    from {{ ref('stg_crime_records') }}
    where not is_withdrawn
),

final as (
    select
        records.crime_record_id,
        coalesce(duplicates.first_call_id, calls.call_id) as call_id
    from records
    inner join calls on records.call_key = calls.call_key
    left join duplicates on calls.call_id = duplicates.call_id
    where not coalesce(
        records.location_hash <> calls.location_hash
        and case
            when records.easting is not null and calls.easting is not null
                then
                    sqrt(pow(records.easting - calls.easting, 2) + pow(records.northing - calls.northing, 2))
                    > {{ max_metres }}
            else abs(date_diff('second', records.reported_at, calls.received_at)) > {{ max_minutes }} * 60
        end,
        false
    )
)

select * from final
