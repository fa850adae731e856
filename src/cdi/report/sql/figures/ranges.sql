-- The range in which the rate lies as far as software alone can tell; null once an audit has taught it.
select
    any_value(ranges.low_rate) as range_low,
    any_value(ranges.high_rate) as range_high,
    count(ranges.universe) as range_rows
from release
left join recording_range as ranges
    on
        ranges.universe = 'frame'
        and ranges.breakdown = 'total'
        and release.text_model_version is null
