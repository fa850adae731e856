-- The audited rates of parts of the crime, in the order of the offence groups. The yearly number is rounded
-- to hundreds from a thousand on, as that of all crime is.
select
    rates.domain,
    coalesce(
        offence_groups.offence_group_name,
        upper(left(rates.domain, 1)) || replace(rates.domain[2:], '_', ' ')
    ) as label,
    rates.recording_rate as rate,
    rates.lower_limit as low,
    rates.upper_limit as high,
    rates.audited_crimes,
    cast(
        if(
            rates.unrecorded_year_count >= 1000,
            round(rates.unrecorded_year_count, -2),
            rates.unrecorded_year_count
        ) as bigint
    ) as unrecorded_year_count,
    rates.is_flagged,
    rates.withheld_reason
from audited_rates as rates
inner join audits on rates.draw_id = audits.draw_id
left join rules.offence_groups as offence_groups on rates.domain = offence_groups.offence_group
where
    audits.is_headline
    and rates.domain <> 'force'
    and rates.draw_id in (
        select force.draw_id from audited_rates as force
        where force.domain = 'force' and force.recording_rate is not null
    )
order by offence_groups.sort_order asc nulls last, rates.domain asc
