-- What says that a crime was reported in a call, the strongest first. What the code of an evidence means
-- depends on its kind: a closure, a qualifier or a type of call.
select
    evidence.* replace (calls.call_id as call_id),
    groups.offence_group_name,
    readings.crime_probability,
    case evidence.evidence_kind
        when 'closure' then closures.name
        when 'qualifier' then qualifiers.qualifier_name
        else call_types.name
    end as code_name
from disclosure.int_disclosure__call_evidence as evidence
inner join main.fct_calls as calls on evidence.call_id = calls.call_no
left join rules.offence_groups as groups on evidence.offence_group = groups.offence_group
left join disclosure.int_disclosure__text_reading as readings
    on evidence.call_id = readings.call_id
left join codes.call_types as call_types on evidence.evidence_code = call_types.code
left join codes.closures as closures on evidence.evidence_code = closures.code
left join rules.qualifiers as qualifiers on evidence.evidence_code = qualifiers.qualifier
where calls.call_id in (select unnest($calls))
order by evidence.evidence_rank desc, evidence.evidence_kind asc, evidence.evidence_code asc
