{#- What the worklist said of a call twelve hours after it came in, and what became of it. It is replayed with
    today's rules, links and text model: a call was listed if it tells, on likely evidence, of more crimes than
    had records that were landed by then. Only likely crimes are asked. The hours must be over, and the crime
    records must have been read in them too, or nobody knows which were made. -#}
with settings as (
    select as_of from {{ source('landing', 'settings') }}
),

early as not materialized (
    select * from {{ ref('stg_early_calls') }}
),

files as (
    select * from {{ source('landing', 'batch_files') }}
),

arrivals as (
    select * from {{ ref('stg_record_arrivals') }}
),

reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

outcomes as (
    select * from {{ ref('int_outcomes__outcomes') }}
),

decisions as (
    select * from {{ ref('int_disclosure__decisions') }}
),

kinds as (
    select * from {{ ref('evidence_kinds') }}
),

standard as (
    select * from {{ ref('rulesets') }}
    where ruleset = 'standard'
),

human as (
    select * from {{ ref('int_outcomes__human_decisions') }}
),

labels as (
    select * from {{ ref('int_disclosure__audit_labels') }}
),

known as (
    select early.*
    from early
    semi join files
        on files.dataset = 'crime_records' and files.as_of between early.received_at and early.looked_at
    semi join settings on early.looked_at <= settings.as_of
),

crimes as (
    select
        reported.call_id,
        coalesce(
            reported.crime_number is not null
            and kinds.rank >= standard.min_evidence_rank
            and reported.published_shared_record_id is null
            and decisions.verdict is distinct from 'justified',
            false
        ) as is_told,
        coalesce(
            reported.crime_record_id is not null
            and outcomes.outcome not in ('unrecorded', 'too_recent', 'source_missing'),
            false
        ) as is_recorded,
        is_recorded and arrivals.first_as_of <= known.looked_at as was_recorded,
        human.decision_kind
    from reported
    inner join known on reported.call_id = known.call_id
    inner join outcomes
        on reported.reported_crime_id = outcomes.reported_crime_id and outcomes.ruleset = 'standard'
    cross join standard
    left join kinds on reported.call_evidence_kind = kinds.evidence_kind
    left join decisions
        on reported.call_id = decisions.call_id and reported.crime_number = decisions.crime_number
    left join arrivals on reported.crime_record_id = arrivals.crime_record_id
    left join human
        on reported.reported_crime_id = human.reported_crime_id and human.is_counted
),

counted as (
    select
        call_id,
        count(*) filter (where is_told) > count(*) filter (where was_recorded) as is_listed,
        bool_or(is_recorded and not was_recorded) as is_recorded_since,
        coalesce(bool_or(decision_kind = 'confirmed'), false) as is_confirmed,
        coalesce(bool_or(decision_kind = 'dismissed'), false) as is_dismissed
    from crimes
    group by call_id
),

final as (
    select
        known.call_id,
        known.received_at,
        coalesce(counted.is_listed, false) as is_listed,
        case
            when counted.is_recorded_since then 'recorded'
            when counted.is_confirmed then 'confirmed'
            when counted.is_dismissed then 'dismissed'
            when labels.crimes > labels.recorded_crimes then 'audited_missed'
            when labels.call_id is not null then 'audited_not_missed'
            else 'open'
        end as became
    from known
    left join counted on known.call_id = counted.call_id
    left join labels on known.call_id = labels.call_id
)

select * from final
