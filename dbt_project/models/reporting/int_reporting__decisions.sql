{#- First match wins: the rows of recording_decisions.csv in order of priority; a blank fact in the
    table means "any". -#}
with facts as (
    select * from {{ ref('int_reporting__facts') }}
),

decisions as (
    select * from {{ ref('recording_decisions') }}
),

first_match as (
    select
        facts.call_id,
        min_by(decisions.decision_id, decisions.priority) as decision_id
    from facts
    inner join decisions
        on
            coalesce(facts.has_crime_evidence = decisions.has_crime_evidence, true)
            and coalesce(facts.has_closure_reason = decisions.has_closure_reason, true)
            and (
                decisions.closure_reason_code is null
                or facts.closure_reason_code = decisions.closure_reason_code
            )
            and facts.received_on between decisions.valid_from and decisions.valid_to
    group by facts.call_id
),

final as (
    select
        first_match.call_id,
        first_match.decision_id,
        decisions.verdict,
        decisions.reason_code
    from first_match
    inner join decisions on first_match.decision_id = decisions.decision_id
)

select * from final
