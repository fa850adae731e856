{#- The disclosed crimes of each call matched with the records that are linked to it; this is the inclusive
    superset. A record is matched with a disclosed crime of its own offence group first, and then with any
    crime that is left, a rape after the others. A record for which no disclosed crime is left is a reported
    crime of its own, because a link is evidence that the call reported it. A crime that is still left may be
    that of a shared record, which belongs to another call: it is already recorded there. -#}
with claims as (
    select
        call_id,
        crime_record_id,
        link_rung,
        link_probability,
        is_proven_by_reference,
        false as is_shared
    from {{ ref('int_linkage__links') }}
    where is_crime_record

    union all by name

    select
        call_id,
        crime_record_id,
        true as is_shared
    from {{ ref('int_linkage__shared_records') }}
    where is_crime_record
),

linked as (
    select
        claims.*,
        records.published_record_id,
        records.offence_code,
        offences.offence_group,
        offences.is_rape,
        offences.is_domestic_abuse,
        row_number() over (
            partition by claims.call_id, offences.offence_group
            order by
                claims.is_shared asc,
                claims.is_proven_by_reference desc,
                claims.link_probability desc,
                records.published_record_id asc
        ) as number_in_group,
        count(*) over (partition by claims.call_id) as record_count
    from claims
    inner join {{ ref('stg_crime_records') }} as records on claims.crime_record_id = records.crime_record_id
    inner join {{ source('codes', 'offences') }} as offences on records.offence_code = offences.code
),

decided as (
    select
        crimes.*,
        decisions.verdict,
        coalesce(decisions.reason_code = 'ALREADY_RECORDED', false) as is_counted_elsewhere,
        -- A rape is kept as a rape or as an N100, so that no lesser record is its own (CRR 2026/27 p63).
        not crimes.is_rape and coalesce(decisions.verdict <> 'justified', true) as is_any_record_due
    from {{ ref('int_disclosure__disclosed_crimes') }} as crimes
    left join {{ ref('int_disclosure__decisions') }} as decisions
        on crimes.call_id = decisions.call_id and crimes.crime_number = decisions.crime_number
),

-- Of the crimes of one offence group, one that is counted under another takes a record last: by the rules it
-- has none of its own.
disclosed as (
    select
        *,
        row_number() over (
            partition by call_id, offence_group
            order by is_counted_elsewhere asc, crime_number asc
        ) as number_in_group,
        count(*) filter (where is_any_record_due) over (partition by call_id) as due_count
    from decided
),

-- A crime that is counted under another has a record only if the call has more records than its other crimes
-- need or have. Otherwise that record is of the other crime, which was recorded under a lesser class:
-- misclassified and not missing.
same_group as (
    select
        linked.crime_record_id,
        disclosed.call_id,
        disclosed.crime_number
    from linked
    inner join disclosed
        on
            linked.call_id = disclosed.call_id
            and linked.offence_group = disclosed.offence_group
            and linked.number_in_group = disclosed.number_in_group
    qualify
        not disclosed.is_counted_elsewhere
        or row_number() over (
            partition by disclosed.call_id, disclosed.is_counted_elsewhere
            order by disclosed.crime_number
        ) <= linked.record_count
        - disclosed.due_count
        - count(*) filter (where not disclosed.is_any_record_due and not disclosed.is_counted_elsewhere)
            over (partition by disclosed.call_id)
),

records_left as (
    select
        linked.crime_record_id,
        linked.call_id,
        row_number() over (
            partition by linked.call_id
            order by
                linked.is_shared asc,
                linked.is_proven_by_reference desc,
                linked.link_probability desc,
                linked.published_record_id asc
        ) as number_left
    from linked
    anti join same_group
        on linked.call_id = same_group.call_id and linked.crime_record_id = same_group.crime_record_id
),

disclosed_left as (
    select
        disclosed.call_id,
        disclosed.crime_number,
        row_number() over (
            partition by disclosed.call_id
            order by disclosed.is_counted_elsewhere asc, disclosed.is_rape asc, disclosed.crime_number asc
        ) as number_left
    from disclosed
    anti join same_group
        on disclosed.call_id = same_group.call_id and disclosed.crime_number = same_group.crime_number
),

pairs as (
    select * from same_group
    union all
    select
        records_left.crime_record_id,
        coalesce(records_left.call_id, disclosed_left.call_id) as call_id,
        disclosed_left.crime_number
    from records_left
    full join disclosed_left
        on
            records_left.call_id = disclosed_left.call_id
            and records_left.number_left = disclosed_left.number_left
),

-- A qualifier, or a code that names no crime, marks the log as a whole and not each of its crimes. A crime
-- code or the account says what was done and by whom.
domestic as (
    select
        call_id,
        bool_or(is_domestic_abuse) as is_marked,
        bool_or(is_domestic_abuse and evidence_kind not in ('qualifier', 'domestic_incident')) as is_told
    from {{ ref('int_disclosure__call_evidence') }}
    group by call_id
),

final as (
    select
        pairs.call_id,
        pairs.crime_number,
        own.crime_record_id,
        own.published_record_id,
        shared.published_record_id as published_shared_record_id,
        case when own.crime_record_id is not null then 'linked_record' else disclosed.evidence_kind end
            as evidence_kind,
        coalesce(own.offence_code, disclosed.evidence_code) as evidence_code,
        -- If the link does not count, the evidence of the call itself decides.
        disclosed.evidence_kind as call_evidence_kind,
        coalesce(own.offence_group, disclosed.offence_group) as offence_group,
        coalesce(own.is_rape, disclosed.is_rape) as is_rape,
        coalesce(own.is_domestic_abuse, false)
        or coalesce(domestic.is_told or (domestic.is_marked and groups.takes_domestic_mark), false)
            as is_domestic_abuse,
        disclosed.offence_group as disclosed_offence_group,
        disclosed.is_rape as is_disclosed_rape,
        own.link_rung,
        own.link_probability,
        own.is_proven_by_reference,
        own.crime_record_id is not null
        or shared.crime_record_id is not null
        or (disclosed.evidence_rank > 1 and disclosed.verdict is distinct from 'justified')
            as is_accounted_for
    from pairs
    left join linked as own
        on pairs.call_id = own.call_id and pairs.crime_record_id = own.crime_record_id and not own.is_shared
    left join linked as shared
        on
            pairs.call_id = shared.call_id
            and pairs.crime_record_id = shared.crime_record_id
            and shared.is_shared
    left join disclosed on pairs.call_id = disclosed.call_id and pairs.crime_number = disclosed.crime_number
    left join domestic on pairs.call_id = domestic.call_id
    left join {{ ref('offence_groups') }} as groups
        on coalesce(own.offence_group, disclosed.offence_group) = groups.offence_group
    where shared.crime_record_id is null or pairs.crime_number is not null
)

select * from final
