-- Reported crimes by all that the page "Explore" filters by, standard ruleset. The page leaves fraud out
-- unless fraud is asked for, as `recording_rate` does.
select
    coalesce(crimes.district, 'unknown') as district,
    crimes.offence_group,
    offences.offence_group_name,
    offences.sort_order,
    offences.is_headline,
    crimes.reported_month_on,
    crimes.outcome,
    crimes.is_in_frame,
    count(*) as crime_count
from main.fct_reported_crimes as crimes
inner join rules.offence_groups as offences on crimes.offence_group = offences.offence_group
where crimes.outcome is not null
group by all
order by
    district, offences.sort_order, crimes.reported_month_on, crimes.outcome, crimes.is_in_frame
