{#- The ladder, strict to loose. `canonical_key`: the record names the call, and both references read to
    the same canonical key. A mistyped reference mostly hits another valid call, so a hit is refused where the
    addresses differ and the positions do too, or without positions the times of the report. A record that names a log closed as a duplicate belongs
    to the log that this one repeats. `place_and_time`: a record that no key links, of the same address as a
    call and reported within minutes of it; how often that is right is learnt from the records whose key
    says so. -#}
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

offences as (
    select * from {{ source('codes', 'offences') }}
),

by_key as (
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
),

-- for every record, the call of its address that was received nearest to its report
nearest as (
    select
        records.crime_record_id,
        coalesce(duplicates.first_call_id, calls.call_id) as call_id
    from records
    inner join calls
        on
            records.location_hash = calls.location_hash
            and abs(date_diff('second', records.reported_at, calls.received_at)) <= {{ max_minutes }} * 60
    left join duplicates on calls.call_id = duplicates.call_id
    qualify row_number() over (
        partition by records.crime_record_id
        order by abs(date_diff('second', records.reported_at, calls.received_at)), calls.call_id
    ) = 1
),

learnt as (
    select (count(*) filter (where nearest.call_id = by_key.call_id) + 1) / (count(*) + 2) as probability
    from nearest
    inner join by_key on nearest.crime_record_id = by_key.crime_record_id
),

linked as (
    select
        crime_record_id,
        call_id,
        'canonical_key' as link_rung,
        true as is_proven_by_reference,
        cast(1 as double) as link_probability
    from by_key

    union all

    select
        nearest.crime_record_id,
        nearest.call_id,
        'place_and_time' as link_rung,
        false as is_proven_by_reference,
        learnt.probability as link_probability
    from nearest
    anti join by_key on nearest.crime_record_id = by_key.crime_record_id
    cross join learnt
),

final as (
    select
        linked.*,
        offences.offence_group is not null as is_crime_record
    from linked
    inner join records on linked.crime_record_id = records.crime_record_id
    left join offences on records.offence_code = offences.code
)

select * from final
