-- How much of recorded crime was recorded within its limit, and by which hour. All is null if the source
-- gives no time, or one time for both the report and the record.
with total as (
    select
        cast(sum(band_count) as bigint) as timed,
        cast(sum(band_count) filter (where is_within_limit) as bigint) as in_time,
        sum(band_count) filter (where hours_from = 0) as at_once,
        sum(band_count) filter (where hours_to <= 24) / sum(band_count) as within_24,
        sum(band_count) filter (where hours_to <= 72) / sum(band_count) as within_72,
        sum(band_count) filter (where hours_to <= 720) / sum(band_count) as within_720,
        max(limit_hours) as limit_hours
    from recording_timeliness
    where breakdown = 'total'
)

select
    max(timed) as timed_records,
    max(in_time) as timed_in_limit,
    max(in_time / timed) as timed_in_limit_share,
    max(within_24) as timed_within_24_hours,
    max(within_72) as timed_within_72_hours,
    max(within_720) as timed_within_30_days,
    max(limit_hours) as limit_hours
from total
where timed > 0 and at_once is distinct from timed
