{#- The registrar's worklist in the order of `list_place`. Crimes that are suspected on good evidence come
    first and those with a small probability after them. Within each part the gravest come first, and then
    the likeliest. People read logs, and as many as they can in a month are to be read now: those first whose
    crime can still be recorded in time. -#}
with listed as not materialized (
    select *
    from {{ ref('fct_reported_crimes') }}
    where status is not null
),

calls as not materialized (
    select
        call_id,
        published_call_id,
        received_at,
        coalesce(victim_name_hash, victim_surname_hash || victim_forename_hash) as victim_name,
        victim_birth_date_hash
    from {{ ref('stg_calls') }}
    where not is_withdrawn and victim_birth_date_hash is not null
),

decisions as (
    select
        decision_id,
        verdict,
        description
    from {{ ref('recording_decisions') }}
),

words as (
    select * from {{ ref('likelihood_words') }}
),

kinds as (
    select * from {{ ref('evidence_kinds') }}
),

evidence_qualifiers as (
    select * from {{ ref('int_disclosure__evidence_qualifiers') }}
),

links as (
    select * from {{ ref('links') }}
),

severities as (
    select * from {{ ref('severities') }}
),

closing_teams as (
    select * from {{ ref('int_outcomes__closing_teams') }}
),

capacity as (
    select * from {{ ref('int_outcomes__reading_capacity') }}
),

victims as (
    select distinct
        calls.call_id,
        calls.received_at,
        calls.victim_name,
        calls.victim_birth_date_hash
    from listed
    inner join calls on listed.call_no = calls.call_id
    where calls.victim_name is not null
),

repeats as (
    select
        victims.call_id,
        count(*) as earlier_log_count,
        list(calls.published_call_id order by calls.received_at desc, calls.published_call_id asc)[:10]
            as earlier_call_ids
    from victims
    inner join calls
        on
            victims.victim_birth_date_hash = calls.victim_birth_date_hash
            and victims.victim_name = calls.victim_name
            and victims.received_at > calls.received_at
    group by victims.call_id
),

dangers as (
    {{ dangers_by_call('evidence_qualifiers') }}
),

candidates as (
    select
        call_id,
        min(crime_record_id) as non_crime_record_id
    from links
    where not is_crime_record
    group by call_id
),

reasoned as (
    select
        listed.*,
        {{ severity_of('listed', 'dangers') }} as severity,
        coalesce(listed.outcome in ('unrecorded', 'too_recent'), false) and listed.crime_record_id is null
            as is_likely,
        case
            when listed.crime_record_id is not null then 'doubtful_link'
            when listed.outcome = 'justified' and listed.status <> 'dismissed' then 'contested_reason'
            else listed.evidence_kind
        end as suspicion_code,
        case when victims.call_id is not null then coalesce(repeats.earlier_log_count, 0) end
            as earlier_log_count,
        repeats.earlier_call_ids,
        coalesce(closing_teams.team, listed.district, 'unknown') as team,
        candidates.non_crime_record_id,
        decisions.description as rule_description,
        -- A decision must not change the word that it is counted under.
        if(
            listed.status = 'suspected',
            is_likely,
            listed.crime_record_id is null
            and listed.evidence_strength is distinct from 'possible'
            and decisions.verdict is distinct from 'justified'
        ) as was_likely
    from listed
    left join dangers on listed.call_no = dangers.call_id
    left join victims on listed.call_no = victims.call_id
    left join repeats on listed.call_no = repeats.call_id
    left join closing_teams on listed.call_no = closing_teams.call_id
    left join candidates on listed.call_id = candidates.call_id
    left join decisions on listed.decision_id = decisions.decision_id
),

worded as (
    select
        reasoned.reported_crime_id,
        min_by(words.likelihood, words.word_order) as likelihood
    from reasoned
    inner join words
        on
            reasoned.was_likely = words.is_likely
            and coalesce(reasoned.miss_probability, 0) >= words.min_miss_probability
    group by reasoned.reported_crime_id
),

listed_in_order as (
    select
        row_number() over (
            order by
                reasoned.status = 'dismissed' asc,
                reasoned.is_likely desc,
                severities.severity_rank asc,
                reasoned.miss_probability desc nulls last,
                kinds.rank desc,
                reasoned.hours_left < 0 asc,
                abs(reasoned.hours_left) asc,
                reasoned.reported_crime_id asc
        ) as list_place,
        reasoned.reported_crime_id,
        reasoned.call_id,
        reasoned.status,
        reasoned.is_likely,
        worded.likelihood,
        reasoned.hours_left,
        reasoned.reported_at,
        reasoned.due_at,
        reasoned.severity,
        reasoned.offence_group,
        reasoned.is_rape,
        reasoned.is_domestic_abuse,
        reasoned.is_in_frame,
        reasoned.suspicion_code,
        kinds.description || coalesce('. ' || reasoned.rule_description, '') as suspicion,
        reasoned.evidence_kind,
        reasoned.evidence_strength,
        reasoned.evidence_code,
        reasoned.crime_probability,
        reasoned.miss_probability,
        reasoned.is_linked_to_non_crime,
        reasoned.non_crime_record_id,
        reasoned.earlier_log_count,
        reasoned.earlier_call_ids,
        reasoned.earlier_log_count > 0 as is_repeat_victim,
        reasoned.district,
        reasoned.team,
        reasoned.route,
        reasoned.final_type_name,
        reasoned.disposition_code,
        reasoned.outcome,
        reasoned.decision_id,
        reasoned.reason_code,
        reasoned.decided_by,
        reasoned.second_person,
        reasoned.decided_at
    from reasoned
    inner join severities on reasoned.severity = severities.severity
    inner join kinds on reasoned.suspicion_code = kinds.evidence_kind
    inner join worded on reasoned.reported_crime_id = worded.reported_crime_id
),

-- A log is read once, with all that is suspected in it.
logs as (
    select
        call_id,
        bool_or(is_likely) as has_likely,
        row_number() over (
            order by bool_or(is_likely and hours_left > 0) desc, min(list_place) asc
        ) as reading_place
    from listed_in_order
    where status = 'suspected'
    group by call_id
),

final as (
    select
        listed_in_order.*,
        case when listed_in_order.status = 'suspected' then logs.reading_place end as reading_place,
        case
            when listed_in_order.status <> 'suspected' then null
            when logs.reading_place <= capacity.logs_a_month then 'now'
            when logs.has_likely then 'likely'
            else 'possible'
        end as reading_part
    from listed_in_order
    left join logs on listed_in_order.call_id = logs.call_id
    cross join capacity
)

select * from final
order by list_place
