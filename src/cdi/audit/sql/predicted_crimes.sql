with calls as (
    select call_id from fct_calls
    where
        received_at >= $starts_at
        and received_at < $ends_at
        and (is_in_frame or $universe = 'all')
),

due as (
    select * from fct_reported_crimes
    where list_contains($due, outcome_standard)
)

select
    calls.call_id,
    due.offence_group,
    due.is_rape,
    due.is_domestic_abuse,
    due.outcome_standard = 'recorded' as is_recorded
from due
inner join calls on due.call_id = calls.call_id
inner join rules.offence_groups as groups on due.offence_group = groups.offence_group
where groups.is_headline
order by due.reported_crime_id
