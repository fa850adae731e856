-- The newest eight weeks together, and how many of the weeks that are complete chance does not explain.
select
    any_value(rate_so_far) filter (where week_count > 1) as newest_so_far,
    any_value(nowcast_rate) filter (where week_count > 1) as newest_expected,
    any_value(nowcast_low) filter (where week_count > 1) as newest_expected_low,
    any_value(nowcast_high) filter (where week_count > 1) as newest_expected_high,
    count(*) filter (where week_count = 1 and is_signal) as unusual_weeks
from weekly_rates
where universe = 'frame' and rate_so_far is not null
