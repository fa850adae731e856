{#- The ladder, strict to loose. `canonical_key`: the record names the call, and both references read to
    the same canonical key. A mistyped reference mostly hits another valid call, so a hit is refused where the
    addresses differ and the positions do too, or without positions the times of the report. A record that names a log closed as a duplicate belongs
    to the log that this one repeats. `place_and_time`: a record that no key links, of the same address as a
    call and reported within minutes of it; how often that is right is learnt from the records whose key
    says so. -#}
with by_key as (
    select * from {{ ref('int_linkage__canonical_key') }}
),

nearest as (
    select * from {{ ref('int_linkage__nearest') }}
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

-- nothing learnt: as likely wrong as right
learnt as (
    select
        coalesce(any_value(pow(2, weight) / (1 + pow(2, weight))), 0.5) as probability,
        any_value(weights_version) as weights_version
    from {{ source('landing', 'link_weights') }}
    where comparison = 'prior'
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
