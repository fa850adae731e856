{#- The inclusive superset: what the calls disclose, put against the records linked to them. A record
    accounts for a disclosed crime of its own offence group first, then for any left; a record beyond
    what is disclosed is a reported crime of its own, as a link is evidence that its call reported it. Last, a
    log may have told of one crime more than are accounted for. -#}
{#- how many of the calls that report two crimes report a third; no figure is published, the simulated
    years have one in eleven -#}
{% set third_share = 0.1 %}

with readings as not materialized (
    select * from {{ ref('int_reporting__text_reading') }}
),

linked as (
    select
        links.*,
        records.offence_code,
        offences.offence_group,
        offences.is_rape,
        offences.is_domestic_abuse,
        row_number() over (
            partition by links.call_id, offences.offence_group
            order by
                links.is_proven_by_reference desc, links.link_probability desc, links.crime_record_id asc
        ) as number_in_group
    from {{ ref('int_linkage__links') }} as links
    inner join {{ ref('stg_crime_records') }} as records on links.crime_record_id = records.crime_record_id
    inner join {{ source('codes', 'offences') }} as offences on records.offence_code = offences.code
    where links.is_crime_record
),

disclosed as (
    select
        *,
        row_number() over (partition by call_id, offence_group order by crime_number) as number_in_group
    from {{ ref('int_reporting__disclosed_crimes') }}
),

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
),

records_left as (
    select
        linked.crime_record_id,
        linked.call_id,
        row_number() over (
            partition by linked.call_id
            order by
                linked.is_proven_by_reference desc, linked.link_probability desc, linked.crime_record_id asc
        ) as number_left
    from linked
    anti join same_group on linked.crime_record_id = same_group.crime_record_id
),

disclosed_left as (
    select
        disclosed.call_id,
        disclosed.crime_number,
        row_number() over (partition by disclosed.call_id order by disclosed.crime_number) as number_left
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

-- a qualifier marks the log, not each of its crimes; a code or the account says what was done by whom
domestic as (
    select
        call_id,
        bool_or(is_domestic_abuse) as is_marked,
        bool_or(is_domestic_abuse and evidence_kind <> 'qualifier') as is_told
    from {{ ref('int_reporting__call_evidence') }}
    group by call_id
),

found as (
    select
        pairs.call_id,
        pairs.crime_number,
        pairs.crime_record_id,
        case when linked.crime_record_id is not null then 'linked_record' else disclosed.evidence_kind end
            as evidence_kind,
        coalesce(linked.offence_code, disclosed.evidence_code) as evidence_code,
        -- the call's own evidence speaks, should the link not count
        disclosed.evidence_kind as call_evidence_kind,
        coalesce(linked.offence_group, disclosed.offence_group) as offence_group,
        coalesce(linked.is_rape, disclosed.is_rape) as is_rape,
        coalesce(linked.is_domestic_abuse, false)
        or coalesce(domestic.is_told or (domestic.is_marked and groups.takes_domestic_mark), false)
            as is_domestic_abuse,
        disclosed.offence_group as disclosed_offence_group,
        disclosed.is_rape as is_disclosed_rape,
        linked.link_rung,
        linked.link_probability,
        linked.is_proven_by_reference,
        linked.crime_record_id is not null
        or (disclosed.evidence_rank > 1 and decisions.verdict is distinct from 'justified')
            as is_accounted_for
    from pairs
    left join linked on pairs.crime_record_id = linked.crime_record_id
    left join disclosed on pairs.call_id = disclosed.call_id and pairs.crime_number = disclosed.crime_number
    left join domestic on pairs.call_id = domestic.call_id
    left join {{ ref('offence_groups') }} as groups
        on coalesce(linked.offence_group, disclosed.offence_group) = groups.offence_group
    left join {{ ref('int_reporting__decisions') }} as decisions
        on pairs.call_id = decisions.call_id and pairs.crime_number = decisions.crime_number
),

by_call as (
    select
        call_id,
        coalesce(max(crime_number), 0) as crime_count,
        count(*) filter (where is_accounted_for) as accounted_for_count,
        min_by(offence_group, (coalesce(crime_number, 99), coalesce(crime_record_id, '')))
        filter (where is_accounted_for) as offence_group,
        bool_or(is_rape or is_domestic_abuse) as is_vulnerable,
        bool_or(is_domestic_abuse) as is_domestic_abuse
    from found
    group by call_id
),

further as (
    select
        by_call.call_id,
        by_call.crime_count + 1 as crime_number,
        suspicions.evidence_kind,
        suspicions.evidence_kind as call_evidence_kind,
        by_call.offence_group,
        false as is_rape,
        by_call.is_domestic_abuse
    from by_call
    inner join readings on by_call.call_id = readings.call_id
    inner join {{ ref('suspicions') }} as suspicions
        on
            suspicions.evidence_kind = 'further_crime_hint'
            and by_call.accounted_for_count = suspicions.accounted_for_count
            and readings.second_probability
            >= if(by_call.is_vulnerable, suspicions.min_probability_vulnerable, suspicions.min_probability)
),

all_found as (
    select * from found
    union all by name
    select * from further
),

-- how likely the call reports as many crimes as there are up to this one, what is recorded coming first
placed as (
    select
        all_found.*,
        kinds.rank as evidence_rank,
        row_number() over (
            partition by all_found.call_id
            order by
                all_found.crime_record_id is null,
                kinds.rank desc,
                all_found.crime_number asc nulls last,
                all_found.crime_record_id asc
        ) as place,
        bool_or(all_found.crime_record_id is not null) over (partition by all_found.call_id)
            as is_any_recorded
    from all_found
    inner join {{ ref('evidence_kinds') }} as kinds on all_found.evidence_kind = kinds.evidence_kind
),

final as (
    select
        placed.call_id || '#' || row_number() over (
            partition by placed.call_id
            order by placed.crime_number asc nulls last, placed.crime_record_id asc
        ) as reported_crime_id,
        placed.call_id,
        placed.crime_record_id,
        placed.crime_number,
        placed.evidence_kind,
        placed.evidence_code,
        placed.call_evidence_kind,
        placed.offence_group,
        placed.is_rape,
        placed.is_domestic_abuse,
        placed.disclosed_offence_group,
        placed.is_disclosed_rape,
        placed.link_rung,
        placed.link_probability,
        placed.is_proven_by_reference,
        readings.crime_probability,
        case
            when placed.crime_record_id is not null then null
            when placed.place = 1 then readings.crime_probability
            else
                readings.second_probability
                -- the second is a probability among calls that report any
                * if(placed.is_any_recorded, 1, readings.crime_probability)
                * if(placed.place = 2, 1, {{ third_share }})
        end as miss_probability
    from placed
    left join readings on placed.call_id = readings.call_id
)

select * from final
