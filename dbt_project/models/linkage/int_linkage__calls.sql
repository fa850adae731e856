{#- What calls are compared by, as numbers and hashes. The table is narrow, because every block reads it. -#}
with calls as not materialized (
    select * from {{ ref('stg_calls') }}
    where not is_withdrawn
),

call_types as (
    select * from {{ source('codes', 'call_types') }}
),

closures as (
    select * from {{ source('codes', 'closures') }}
    where reason_code = 'DUPLICATE_LOG'
),

middle as (
    select {{ link_middle() }} as latitude from calls
),

final as (
    select
        calls.call_id,
        calls.call_no,
        calls.record_no,
        calls.cross_no,
        closures.code is not null as is_duplicate,
        cast(epoch(calls.received_at) as bigint) as received_s,
        {{ link_metres('calls', 'easting', 'middle.latitude') }} as easting_m,
        {{ link_metres('calls', 'northing', 'middle.latitude') }} as northing_m,
        {{ link_hash('calls.location_line_hash') }} as address_line,
        {{ link_hash('calls.location_postcode_hash') }} as postcode,
        {{ link_hash('calls.district') }} as district,
        {{ link_hash('coalesce(calls.victim_surname_hash, calls.victim_name_hash)') }} as surname,
        {{ link_hash('calls.victim_birth_date_hash') }} as birth_date,
        calls.location_street_variants as street_variants,
        coalesce(calls.victim_surname_variants, calls.victim_name_variants) as surname_variants,
        coalesce(initial_types.offence_group, 'none') as initial_group,
        coalesce(final_types.offence_group, 'none') as final_group
    from calls
    cross join middle
    left join closures on calls.disposition_code = closures.code
    left join call_types as initial_types on calls.initial_type_code = initial_types.code
    left join call_types as final_types on calls.final_type_code = final_types.code
)

select * from final
