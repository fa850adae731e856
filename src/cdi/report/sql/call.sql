-- One row per call: what its page says at the top, codes with their names.
select
    calls.*,
    logs.qualifiers,
    closing_teams.team as closing_team,
    concat_ws(' ', calls.initial_type_code, coalesce(calls.initial_type_name, started.name))
        as opened_as,
    concat_ws(' ', calls.final_type_code, coalesce(calls.final_type_name, ended.name))
        as closed_as,
    concat_ws(' ', calls.disposition_code, coalesce(calls.disposition_name, closures.name))
        as result
from main.fct_calls as calls
inner join disclosure.int_disclosure__logs as logs on calls.call_no = logs.call_id
left join outcomes.int_outcomes__closing_teams as closing_teams on calls.call_no = closing_teams.call_id
left join codes.call_types as started on calls.initial_type_code = started.code
left join codes.call_types as ended on calls.final_type_code = ended.code
left join codes.closures as closures on calls.disposition_code = closures.code
where calls.call_id in (select unnest($calls))
