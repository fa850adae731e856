-- The rates of an audit by part, in the order of the offence groups, with the change since the audit before.
select
    rates.*,
    changes.change_points,
    changes.lower_limit as change_lower,
    changes.upper_limit as change_upper,
    coalesce(offence_groups.offence_group_name, replace(rates.domain, '_', ' ')) as label
from audited_rates as rates
left join audited_changes as changes
    on rates.draw_id = changes.draw_id and rates.domain = changes.domain
left join rules.offence_groups as offence_groups on rates.domain = offence_groups.offence_group
where rates.draw_id in (select $draw)
order by offence_groups.sort_order asc nulls last, rates.domain asc
