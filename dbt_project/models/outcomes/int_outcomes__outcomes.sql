{#- One outcome per reported crime and ruleset. The order of the cases is the rule: a record that counts
    decides first, also one that belongs to another call; then what people decided; then a legitimate reason,
    unless the text contradicts it and the ruleset accepts possible evidence; and at last whether the outcome
    can be known yet. -#}
with reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

calls as (
    select * from {{ ref('stg_calls') }}
),

decisions as (
    select * from {{ ref('int_disclosure__decisions') }}
),

kinds as (
    select * from {{ ref('evidence_kinds') }}
),

rulesets as (
    select * from {{ ref('rulesets') }}
),

limits as (
    select * from {{ ref('time_limits') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

suspicions as (
    select * from {{ ref('suspicions') }}
),

human as (
    select * from {{ ref('int_outcomes__human_decisions') }}
),

cancellations as (
    select * from {{ ref('int_outcomes__cancellations') }}
),

-- These reasons are contested where the text model still gives a crime a sufficient probability.
contested as (
    select
        kinds.rank,
        string_split(suspicions.reason_codes, ' ') as reason_codes,
        suspicions.min_probability,
        suspicions.min_probability_vulnerable
    from suspicions
    inner join kinds on suspicions.evidence_kind = kinds.evidence_kind
    where suspicions.evidence_kind = 'contested_reason'
),

judged as (
    select
        reported.reported_crime_id,
        rulesets.ruleset,
        coalesce(
            reported.link_probability >= rulesets.min_link_probability
            or (rulesets.accepts_proven_reference and reported.is_proven_by_reference),
            false
        ) as is_link_counted,
        coalesce(kinds.rank >= rulesets.min_evidence_rank, false) as is_evidence_counted,
        rulesets.accepts_proven_reference
        and reported.published_shared_record_id is not null as is_recorded_elsewhere,
        decisions.verdict,
        coalesce(contested.rank >= rulesets.min_evidence_rank, false) as is_reason_contested,
        coalesce(human.decision_kind, 'none') as decision_kind,
        cancellations.cancellation_check,
        calls.received_at + to_hours(limits.limit_hours) as due_at,
        settings.as_of,
        settings.crime_records_as_of
    from reported
    inner join calls on reported.call_id = calls.call_id
    -- A record for which no disclosed crime was left has no decision of its own.
    left join decisions
        on reported.call_id = decisions.call_id and reported.crime_number = decisions.crime_number
    left join contested
        on
            list_contains(contested.reason_codes, decisions.reason_code)
            and reported.crime_probability
            >= if(
                reported.is_rape or reported.is_domestic_abuse,
                contested.min_probability_vulnerable, contested.min_probability
            )
    left join human
        on reported.reported_crime_id = human.reported_crime_id and human.is_counted
    left join cancellations
        on reported.crime_record_id = cancellations.crime_record_id
    left join kinds on reported.call_evidence_kind = kinds.evidence_kind
    cross join rulesets
    cross join settings
    inner join limits
        on
            {{ local_date('calls.received_at', 'settings.timezone') }}
            between limits.valid_from and limits.valid_to
),

final as (
    select
        reported_crime_id,
        ruleset,
        due_at,
        case
            when
                not is_link_counted and not is_evidence_counted
                and decision_kind <> 'confirmed' then null
            when is_link_counted and cancellation_check = 'met' then 'justified'
            when is_link_counted and cancellation_check <> 'not_assessable' then 'wrongly_cancelled'
            when is_link_counted then 'recorded'
            when is_recorded_elsewhere then 'justified'
            when decision_kind = 'dismissed' then 'justified'
            when
                verdict = 'justified' and not is_reason_contested
                and decision_kind <> 'confirmed' then 'justified'
            when due_at > as_of then 'too_recent'
            when crime_records_as_of is null or due_at > crime_records_as_of then 'source_missing'
            else 'unrecorded'
        end as outcome,
        is_link_counted and coalesce(cancellation_check = 'met', false) as is_rightly_cancelled
    from judged
)

select * from final
