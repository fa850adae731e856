{#- How far each record and each of its candidate calls agree. Candidates are the calls that the blocks
    found, the call of a reference that was refused, and calls whose number is one slip away from the
    reference and that share a person, an address or the surroundings with the record. -#}
with subjects as not materialized (
    select * from {{ ref('int_linkage__subjects') }}
),

calls as not materialized (
    select * from {{ ref('int_linkage__calls') }}
),

record_variants as (
    select * from {{ ref('stg_record_variants') }}
),

near_references as (
    select * from {{ ref('int_linkage__near_references') }}
),

told_groups as (
    select * from {{ ref('int_disclosure__told_groups') }}
),

with_words as (
    select * from {{ ref('int_disclosure__text_contents') }}
),

first_logs as not materialized (
    select * from {{ ref('int_linkage__first_logs') }}
),

parted as (
    select * from {{ ref('int_linkage__overrides') }}
    where not is_link
),

all_references as (
    select * from {{ ref('int_linkage__references') }}
),

candidates as (
    select * from {{ ref('int_linkage__candidates') }}
),

proven as (
    select * from {{ ref('int_linkage__proven') }}
),

typed as (
    select
        named.crime_record_id,
        named.call_id
    from all_references as named
    inner join subjects on named.crime_record_id = subjects.crime_record_id
    where named.is_typed and subjects.is_reference_seen
),

near_and_alike as (
    select near_references.*
    from near_references
    inner join subjects as r on near_references.crime_record_id = r.crime_record_id
    inner join calls as c on near_references.call_id = c.call_id
    where
        r.birth_date = c.birth_date
        or r.surname = c.surname
        or r.address_line = c.address_line
        or r.postcode = c.postcode
        or power(r.easting_m - c.easting_m, 2) + power(r.northing_m - c.northing_m, 2) < 4000000
),

pairs as (
    select
        crime_record_id,
        call_id
    from candidates
    union
    select * from typed
    union
    select * from near_and_alike
),

named as (
    select
        *,
        'typed' as reference_level
    from typed
    union all
    select
        near_and_alike.*,
        'near' as reference_level
    from near_and_alike
    anti join typed
        on near_and_alike.crime_record_id = typed.crime_record_id and near_and_alike.call_id = typed.call_id
),

taken as (
    select
        call_id,
        count(*) as record_count
    from proven
    group by call_id
),

compared as (
    select
        pairs.crime_record_id,
        pairs.call_id,
        coalesce(first_logs.first_call_id, pairs.call_id) as incident_call_id,
        case when with_words.call_id is not null then told_groups.call_id is not null end as is_told,
        r.is_crime_record,
        coalesce(proven_first.first_call_id, r.proven_call_id) as proven_call_id,
        {{ link_levels('r', 'c', 'record_variants', 'is_told') }},
        case
            when not r.is_reference_seen then 'unknown'
            else coalesce(named.reference_level, 'differs')
        end as reference_level,
        case
            when
                coalesce(taken.record_count, 0)
                > cast(coalesce(r.proven_call_id = c.call_id, false) as integer)
                then 'taken'
            else 'free'
        end as taken_level
    from pairs
    inner join subjects as r on pairs.crime_record_id = r.crime_record_id
    inner join calls as c on pairs.call_id = c.call_id
    left join record_variants on pairs.crime_record_id = record_variants.crime_record_id
    left join with_words on pairs.call_id = with_words.call_id
    left join told_groups
        on pairs.call_id = told_groups.call_id and r.offence_group = told_groups.offence_group
    left join named
        on pairs.crime_record_id = named.crime_record_id and pairs.call_id = named.call_id
    left join taken on pairs.call_id = taken.call_id
    left join first_logs on pairs.call_id = first_logs.call_id
    left join first_logs as proven_first on r.proven_call_id = proven_first.call_id
),

-- A pair that a person has separated is no candidate.
allowed as (
    select compared.*
    from compared
    anti join parted
        on
            compared.crime_record_id = parted.crime_record_id
            and parted.call_id in (compared.call_id, compared.incident_call_id)
),

final as (
    select
        crime_record_id,
        call_id,
        incident_call_id,
        is_crime_record,
        -- Null if no reference proves the record's call, so that the answer is not known.
        incident_call_id = proven_call_id as is_match,
        {{ link_pattern() }} as pattern
    from allowed
)

select * from final
