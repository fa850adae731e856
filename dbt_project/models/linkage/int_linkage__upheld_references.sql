{#- The references that are believed. A mistyped reference usually names another valid log. A reference is
    therefore refused if the place contradicts it and no person supports it, unless log and record name each
    other or share one number. -#}
with parted as (
    select * from {{ ref('int_linkage__overrides') }}
    where not is_link
),

named as (
    select * from {{ ref('int_linkage__references') }}
),

records as (
    select * from {{ ref('int_linkage__records') }}
),

calls as (
    select * from {{ ref('int_linkage__calls') }}
),

record_variants as (
    select * from {{ ref('stg_record_variants') }}
),

compared as (
    select
        named.*,
        -- Calls and records share one series of numbers, so that nobody typed a reference.
        coalesce(r.call_no = r.crime_record_id, false) as is_shared_number,
        c.received_s,
        {{ link_levels('r', 'c', 'record_variants') }},
        case when named.is_typed then 'typed' else 'unknown' end as reference_level,
        'unknown' as taken_level
    from named
    inner join records as r on named.crime_record_id = r.crime_record_id
    inner join calls as c on named.call_id = c.call_id
    left join record_variants on named.crime_record_id = record_variants.crime_record_id
    anti join parted on named.crime_record_id = parted.crime_record_id and named.call_id = parted.call_id
),

judged as (
    select
        *,
        is_typed and is_written_back as is_mutual,
        -- A surname that many bear is no support if the birth dates differ.
        birth_date_level = 'same'
        or (name_level in ('same', 'alike') and birth_date_level <> 'differs') as has_same_person,
        address_level = 'differs' and time_level not in ('minute', 'quarter', 'unknown')
            as is_elsewhere_and_later,
        -- There is a High Street in each town. So the name of a street is no support if the places are far
        -- apart. It is none at another time either, unless the places are known to be near.
        address_level = 'street'
        and time_level in ('before', 'six_hours', 'day', 'fortnight', 'later') as is_in_street_at_other_time,
        case distance_level
            when 'far' then address_level <> 'same'
            when 'vicinity' then address_level in ('differs', 'unknown') or is_in_street_at_other_time
            when 'other_district' then address_level in ('differs', 'street') and time_level <> 'unknown'
            when 'same_district' then is_elsewhere_and_later or is_in_street_at_other_time
            when 'unknown' then is_elsewhere_and_later or is_in_street_at_other_time
            else false
        end as is_contradicted
    from compared
),

-- It is kept in memory, because DuckDB would otherwise work out each level again for the condition below,
-- once for each time that the condition names it.
weighed as materialized (
    select
        crime_record_id,
        call_id,
        case when is_typed then 'canonical_key' else 'written_back' end as link_rung,
        is_mutual,
        cast(has_same_person as integer)
        + cast(address_level in ('same', 'postcode') or distance_level in ('here', 'near') as integer)
        + cast(time_level in ('minute', 'quarter') as integer)
        + cast(offence_level in ('same', 'no_crime') as integer) as agreement_count,
        received_s,
        {{ link_pattern() }} as pattern,
        is_mutual or is_shared_number or has_same_person or not is_contradicted as is_upheld
    from judged
),

final as (
    select * exclude (is_upheld)
    from weighed
    where is_upheld
)

select * from final
