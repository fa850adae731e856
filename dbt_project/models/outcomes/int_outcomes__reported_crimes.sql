{#- The inclusive superset: each linked crime record is a crime that its call reported; a call with
    crime evidence and no linked crime record has one more, from its strongest evidence. -#}
with linked as (
    select
        *,
        row_number() over (
            partition by call_id
            order by is_proven_by_reference desc, link_probability desc, crime_record_id asc
        ) as ordinal
    from {{ ref('int_linkage__links') }}
    where is_crime_record
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

strongest as (
    select
        call_id,
        max_by(evidence_kind, evidence_rank) as evidence_kind,
        max_by(evidence_code, evidence_rank) as evidence_code,
        max_by(offence_group, evidence_rank) as offence_group,
        max_by(is_rape, evidence_rank) as is_rape,
        bool_or(is_domestic_abuse) as is_domestic_abuse
    from {{ ref('int_reporting__call_evidence') }}
    group by call_id
),

from_links as (
    select
        linked.call_id,
        linked.crime_record_id,
        'linked_record' as evidence_kind,
        records.offence_code as evidence_code,
        -- the call's own evidence speaks for its first crime, should the link not count
        case when linked.ordinal = 1 then strongest.evidence_kind end as call_evidence_kind,
        offences.offence_group,
        offences.is_rape,
        offences.is_domestic_abuse or coalesce(strongest.is_domestic_abuse, false) as is_domestic_abuse,
        linked.link_rung,
        linked.link_probability,
        linked.is_proven_by_reference,
        linked.ordinal
    from linked
    inner join records on linked.crime_record_id = records.crime_record_id
    inner join offences on records.offence_code = offences.code
    left join strongest on linked.call_id = strongest.call_id
),

from_evidence as (
    select
        strongest.call_id,
        cast(null as varchar) as crime_record_id,
        strongest.evidence_kind,
        strongest.evidence_code,
        strongest.evidence_kind as call_evidence_kind,
        strongest.offence_group,
        strongest.is_rape,
        strongest.is_domestic_abuse,
        cast(null as varchar) as link_rung,
        cast(null as double) as link_probability,
        cast(null as boolean) as is_proven_by_reference,
        1 as ordinal
    from strongest
    anti join from_links on strongest.call_id = from_links.call_id
),

final as (
    select
        call_id || '#' || ordinal as reported_crime_id,
        *
    from (
        select * from from_links
        union all by name
        select * from from_evidence
    ) as found
)

select * from final
