-- The ranges in which the recording rates of the frame lie as far as software can tell, all crime first.
select
    ranges.low_rate,
    ranges.high_rate,
    ranges.withheld_reason,
    case ranges.breakdown when 'total' then 'force' else ranges.offence_group end as domain,
    case ranges.breakdown
        when 'total' then 'All crime'
        else coalesce(known.offence_group_name, replace(ranges.offence_group, '_', ' '))
    end as label
from recording_range as ranges
left join rules.offence_groups as known on ranges.offence_group = known.offence_group
where ranges.universe = 'frame'
order by ranges.breakdown <> 'total', known.sort_order nulls last, ranges.offence_group
