{#- One outcome per reported crime and ruleset (design 2). The order of the cases is the rule: a
    record that counts settles it; then a legitimate reason; then whether it can be known yet. -#}
with reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

calls as (
    select * from {{ ref('stg_calls') }}
),

decisions as (
    select * from {{ ref('int_reporting__decisions') }}
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
        decisions.verdict,
        cancellations.cancellation_check,
        calls.received_at + to_hours(limits.limit_hours) as due_at,
        settings.as_of,
        settings.crime_records_as_of
    from reported
    inner join calls on reported.call_id = calls.call_id
    -- a record beyond what is disclosed has no decision of its own
    left join decisions
        on reported.call_id = decisions.call_id and reported.crime_number = decisions.crime_number
    left join {{ ref('int_outcomes__cancellations') }} as cancellations
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
            when not is_link_counted and not is_evidence_counted then null
            when is_link_counted and cancellation_check = 'met' then 'justified'
            when is_link_counted and cancellation_check <> 'not_assessable' then 'wrongly_cancelled'
            when is_link_counted then 'recorded'
            when verdict = 'justified' then 'justified'
            when due_at > as_of then 'too_recent'
            when crime_records_as_of is null or due_at > crime_records_as_of then 'source_missing'
            else 'unrecorded'
        end as outcome
    from judged
)

select * from final
