-- sqlfluff:templater:placeholder:least:50
-- the share of what the snapshot before had that is of days which this one has as well
with
days_before as (
    select
        cast(moment as date) as day,
        count(distinct thing) as n
    from moments_earlier
    group by day
),

days_now as (
    select
        cast(moment as date) as day,
        count(distinct thing) as n
    from moments_rows
    group by day
),

overall as (
    select sum(least(days_before.n, coalesce(days_now.n, 0))) / sum(days_before.n) as share
    from days_before
    left join days_now on days_before.day = days_now.day
    having sum(days_before.n) >= $least
)

select
    profiles.source_file,
    overall.share as kept_days_share
from profiles
left join overall on true
