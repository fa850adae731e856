{{ config(materialized='view') }}
select
    crimes.reported_crime_id,
    crimes.call_id,
    crimes.status,
    crimes.hours_left,
    crimes.reported_at,
    crimes.due_at,
    crimes.offence_group,
    crimes.is_rape,
    crimes.is_domestic_abuse,
    crimes.is_in_frame,
    crimes.evidence_kind,
    crimes.evidence_strength,
    crimes.evidence_code,
    crimes.crime_probability,
    crimes.is_linked_to_non_crime,
    crimes.district,
    crimes.final_type_name,
    crimes.disposition_code,
    crimes.outcome,
    crimes.decision_id
from {{ ref('fct_reported_crimes') }} as crimes
where crimes.status is not null
order by
    crimes.is_rape desc,
    crimes.is_domestic_abuse desc,
    crimes.hours_left < 0 asc,
    abs(crimes.hours_left) asc,
    crimes.reported_crime_id asc
