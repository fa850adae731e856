-- The first month that the file holds whole (null if it has no call), and the day on which everything in
-- it was known. A month whose first day has no call is not whole, as for an audit: then the next month is
-- the first.
with days as (
    select
        min(timezone(release.timezone, timezone('UTC', calls.received_at))) as first_at,
        least(
            any_value(release.as_of),
            any_value(release.calls_as_of),
            any_value(release.crime_records_as_of)
        ) as known_at,
        any_value(release.timezone) as zone
    from release
    left join fct_calls as calls on true
)

select
    cast(date_trunc('month', first_at - interval 1 day) + interval 1 month as date) as first_on,
    cast(timezone(zone, timezone('UTC', known_at)) as date) as known_on
from days
