-- sqlfluff:templater:placeholder:months:['2017-01']
-- Crimes due and recorded under each ruleset: of the agency, by district and by offence group. None if
-- the agency's data cannot carry a rate.
with crimes as (
    select
        unnest(['strict', 'standard', 'inclusive']) as ruleset,
        unnest([
            crimes.outcome_strict, crimes.outcome_standard, crimes.outcome_inclusive
        ]) as outcome,
        coalesce(crimes.district, 'unknown') as district,
        crimes.offence_group
    from fct_reported_crimes as crimes
    inner join rules.offence_groups as groups
        on crimes.offence_group = groups.offence_group and groups.is_headline
    where
        crimes.is_in_frame
        and list_contains($months, strftime(crimes.reported_month_on, '%Y-%m'))
)

select
    ruleset,
    coalesce(district, 'all') as district,
    coalesce(offence_group, 'all') as offence_group,
    count(*) as due,
    count(*) filter (where outcome = 'recorded') as recorded
from crimes
where
    outcome in ('recorded', 'wrongly_cancelled', 'unrecorded')
    and (select bool_and(auditability.is_met) from auditability)
group by grouping sets ((ruleset), (ruleset, district), (ruleset, offence_group))
order by all
