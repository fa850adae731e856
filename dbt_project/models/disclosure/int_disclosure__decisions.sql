{#- The rows of recording_decisions.csv are tried in the order of their priority, and the first that matches
    decides. A blank fact in the table matches any value. -#}
{% set facts = [
    'has_crime_evidence', 'closure_reason_code', 'is_reason_contradicted', 'is_repeat_log',
    'is_counted_elsewhere', 'is_rape', 'has_code_evidence', 'text_reading', 'is_record_promised'
] %}

with facts as not materialized (
    select * from {{ ref('int_disclosure__facts') }}
),

decisions as (
    select * from {{ ref('recording_decisions') }}
),

-- All calls together have only some hundred different sets of facts, so each set is looked up once for each
-- day.
fact_sets as (
    select distinct
        received_on,
        {{ facts | join(', ') }}
    from facts
),

first_match as (
    select
        facts.*,
        min_by(decisions.decision_id, decisions.priority) as decision_id
    from fact_sets as facts
    inner join decisions
        on
            facts.received_on between decisions.valid_from and decisions.valid_to
            {%- for fact in facts %}
                and (decisions.{{ fact }} is null or facts.{{ fact }} = decisions.{{ fact }})
            {%- endfor %}
    group by all
),

final as (
    select
        facts.call_id,
        facts.crime_number,
        first_match.decision_id,
        decisions.verdict,
        decisions.reason_code,
        decisions.reported_incident_code
    from facts
    inner join first_match
        on
            facts.received_on = first_match.received_on
            {%- for fact in facts %}
                and facts.{{ fact }} is not distinct from first_match.{{ fact }}
            {%- endfor %}
    inner join decisions on first_match.decision_id = decisions.decision_id
)

select * from final
