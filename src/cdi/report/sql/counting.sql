-- How each crime that a call discloses is counted: by itself, or under another crime of the call, and by
-- which rule. The principal crime rule is the most specific one, so its text is taken first.
select
    calls.call_id,
    crimes.crime_number,
    crimes.evidence_kind,
    groups.offence_group_name,
    counting.counted_under,
    own.effect,
    coalesce(
        principal.description || ' (' || principal.source || ')',
        other.description || ' (' || other.source || ')',
        own.description || ' (' || own.source || ')'
    ) as rule
from disclosure.int_disclosure__disclosed_crimes as crimes
inner join main.fct_calls as calls on crimes.call_id = calls.call_no
inner join disclosure.int_disclosure__facts as facts
    on crimes.call_id = facts.call_id and crimes.crime_number = facts.crime_number
left join disclosure.int_disclosure__counting as counting
    on crimes.call_id = counting.call_id and crimes.crime_number = counting.crime_number
left join rules.offence_groups as groups on crimes.offence_group = groups.offence_group
left join rules.counting_rules as own
    on
        crimes.counting_class = own.counting_class
        and facts.received_on between own.valid_from and own.valid_to
left join rules.counting_rules as other on counting.counted_under = other.counting_rule_id
left join rules.principal_crimes as principal
    on
        counting.counted_under = 'P:' || principal.principal_group
        and crimes.offence_group = principal.included_group
where calls.call_id in (select unnest($calls))
order by crimes.crime_number
