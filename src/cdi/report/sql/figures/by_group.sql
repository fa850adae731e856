-- The base of the page by offence group: what became of the crimes, and the rate, which is left out until
-- an audit has taught the software, and on fewer than 30 crimes, as in extremes.sql.
select
    offence_groups.offence_group_name as label,
    rates.recorded_count,
    rates.unrecorded_count,
    rates.wrongly_cancelled_count,
    rates.justified_count,
    case
        when release.text_model_version is not null and rates.rate_base_count >= 30 then rates.recording_rate
    end as recording_rate,
    rates.is_mature
from recording_rate as rates
cross join release
left join rules.offence_groups as offence_groups on rates.offence_group = offence_groups.offence_group
where
    rates.universe = 'frame'
    and rates.ruleset = 'standard'
    and rates.breakdown = 'offence_group'
order by offence_groups.sort_order
