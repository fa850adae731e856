-- How soon crime is recorded: the cumulative share by hours after the report, for each time limit that
-- applied.
select
    limit_hours,
    hours_from,
    hours_to,
    band_count,
    cumulative_share,
    timed_count
from recording_timeliness
where breakdown = 'total' and offence_group = 'all' and timed_count > 0
order by limit_hours, hours_from
