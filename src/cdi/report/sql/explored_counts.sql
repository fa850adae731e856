-- Reported crimes by all that the page "Explore" filters by, standard ruleset. The page leaves fraud out
-- unless fraud is asked for, as `recording_rate` does.
select
    coalesce(crimes.district, 'unknown') as district,
    crimes.offence_group,
    groups.offence_group_name,
    groups.sort_order,
    groups.is_headline,
    crimes.reported_month_on,
    crimes.outcome,
    crimes.is_in_frame,
    count(*) as crime_count
from main.fct_reported_crimes as crimes
inner join rules.offence_groups as groups on crimes.offence_group = groups.offence_group
where crimes.outcome is not null
group by all
order by
    district, groups.sort_order, crimes.reported_month_on, crimes.outcome, crimes.is_in_frame
