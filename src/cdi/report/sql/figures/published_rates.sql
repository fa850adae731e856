-- Rates that inspectors published of other forces, the total of each year first.
select
    rates.*,
    coalesce(offence_groups.offence_group_name, 'All crime') as label
from rules.published_rates as rates
left join rules.offence_groups as offence_groups
    on rates.offence_group = offence_groups.offence_group
order by rates.year, offence_groups.sort_order nulls first
