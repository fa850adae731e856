{#- First match wins: the rows of recording_decisions.csv in order of priority; a blank fact in the
    table means "any". -#}
{% set facts = [
    'has_crime_evidence', 'closure_reason_code', 'is_reason_contradicted', 'is_repeat_log',
    'is_counted_elsewhere', 'is_rape', 'has_code_evidence', 'text_reading', 'is_record_promised'
] %}

with facts as (
    select * from {{ ref('int_reporting__facts') }}
),

decisions as (
    select * from {{ ref('recording_decisions') }}
),

first_match as (
    select
        facts.call_id,
        facts.crime_number,
        min_by(decisions.decision_id, decisions.priority) as decision_id
    from facts
    inner join decisions
        on
            facts.received_on between decisions.valid_from and decisions.valid_to
            {%- for fact in facts %}
                and (decisions.{{ fact }} is null or facts.{{ fact }} = decisions.{{ fact }})
            {%- endfor %}
    group by facts.call_id, facts.crime_number
),

final as (
    select
        first_match.call_id,
        first_match.crime_number,
        first_match.decision_id,
        decisions.verdict,
        decisions.reason_code,
        decisions.reported_incident_code
    from first_match
    inner join decisions on first_match.decision_id = decisions.decision_id
)

select * from final
