{#- First rung of the ladder: the record names the call, and both references read to the same
    canonical key. -#}
with calls as (
    select
        call_id,
        call_key
    from {{ ref('stg_calls') }}
    where not is_withdrawn and call_key is not null
),

records as (
    select
        crime_record_id,
        call_key,
        offence_code
    from {{ ref('stg_crime_records') }}
    where not is_withdrawn and call_key is not null
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

final as (
    select
        records.crime_record_id,
        calls.call_id,
        'canonical_key' as link_rung,
        true as is_proven_by_reference,
        cast(1 as double) as link_probability,
        offences.offence_group is not null as is_crime_record
    from records
    inner join calls on records.call_key = calls.call_key
    left join offences on records.offence_code = offences.code
)

select * from final
