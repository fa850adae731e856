{#- Every crime that a call may have reported, numbered within its call: the crimes that are disclosed or
    recorded, and one more where the log may have told of one crime more than those. -#}
with accounted as not materialized (
    select * from {{ ref('int_outcomes__accounted_crimes') }}
),

readings as not materialized (
    select * from {{ ref('int_disclosure__text_reading') }}
),

suspicions as (
    select * from {{ ref('suspicions') }}
),

kinds as (
    select * from {{ ref('evidence_kinds') }}
),

by_call as (
    select
        call_id,
        coalesce(max(crime_number), 0) as crime_count,
        count(*) filter (where is_accounted_for) as accounted_for_count,
        min_by(offence_group, (coalesce(crime_number, 99), coalesce(published_record_id, '')))
        filter (where is_accounted_for) as offence_group,
        bool_or(is_rape or is_domestic_abuse) as is_vulnerable,
        bool_or(is_domestic_abuse) as is_domestic_abuse
    from accounted
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
    inner join suspicions
        on
            suspicions.evidence_kind = 'further_crime_hint'
            and by_call.accounted_for_count = suspicions.accounted_for_count
            and readings.second_probability
            >= if(by_call.is_vulnerable, suspicions.min_probability_vulnerable, suspicions.min_probability)
),

all_found as (
    select * from accounted
    union all by name
    select * from further
),

-- The place of each crime in its call, recorded crimes first. The probability of a crime is that of the call
-- reporting at least so many.
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
                all_found.published_record_id asc
        ) as place,
        bool_or(all_found.crime_record_id is not null) over (partition by all_found.call_id)
            as is_any_recorded,
        row_number() over (
            partition by all_found.call_id
            order by all_found.crime_number asc nulls last, all_found.published_record_id asc
        ) as place_in_call
    from all_found
    inner join kinds on all_found.evidence_kind = kinds.evidence_kind
),

final as (
    select
        hash(placed.call_id, placed.place_in_call) as reported_crime_id,
        placed.call_id,
        placed.place_in_call,
        placed.crime_record_id,
        placed.published_record_id,
        placed.published_shared_record_id,
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
            when placed.crime_record_id is null
                then {{ miss_probability('placed.place', 'placed.is_any_recorded', 'readings') }}
        end as miss_probability
    from placed
    left join readings on placed.call_id = readings.call_id
)

select * from final
