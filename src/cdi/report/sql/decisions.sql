-- The row of the decision table that each crime of a call met: the verdict, the reason and the rule book.
select
    calls.call_id,
    decisions.crime_number,
    decisions.decision_id,
    decisions.verdict,
    decisions.reported_incident_code,
    rules.priority,
    rules.description,
    rules.rule_page,
    reasons.reason_name,
    classes.name as kept_as_name
from disclosure.int_disclosure__decisions as decisions
inner join main.fct_calls as calls on decisions.call_id = calls.call_no
inner join rules.recording_decisions as rules on decisions.decision_id = rules.decision_id
left join rules.reasons as reasons on decisions.reason_code = reasons.reason_code
left join rules.reported_incident_classes as classes
    on decisions.reported_incident_code = classes.ho_code
where calls.call_id in (select unnest($calls))
order by decisions.crime_number
