-- The recording rate by week of report, with what chance alone explains and what is still to be expected.
select
    reported_week_on,
    due_count,
    recorded_count,
    rate_so_far,
    nowcast_rate,
    nowcast_low,
    nowcast_high,
    chart_centre,
    chart_low,
    chart_high,
    is_mature,
    is_signal,
    has_changed_delays,
    withheld_reason
from weekly_rates
where universe = 'frame' and rate_so_far is not null and week_count = 1
order by reported_week_on
