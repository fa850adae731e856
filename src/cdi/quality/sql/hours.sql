-- sqlfluff:templater:placeholder:least:2000
-- sqlfluff:templater:placeholder:least_coarse:500
-- sqlfluff:templater:placeholder:is_calls:true
-- How the hours of the day differ from those before. An hour is an angle on a clock of 24 hours, and
-- the mean of all hours is a vector: its direction is the mean hour (23:00 and 1:00 have midnight in
-- their middle), and its length tells how sharply the hours gather there. A shift of all times turns
-- it; times that lost their hour make it longer, times that are at random make it shorter.
with
angles as (
    select
        source_file,
        2 * pi() * (hour(moment) + minute(moment) / 60) / 24 as angle
    from moments_rows
),

earlier_angles as (
    select 2 * pi() * (hour(moment) + minute(moment) / 60) / 24 as angle
    from moments_earlier
),

now as (
    select
        source_file,
        count(*) as time_count,
        avg(cos(angle)) as x,
        avg(sin(angle)) as y
    from angles
    group by source_file
    having count(*) >= $least_coarse
),

past as (
    select
        avg(cos(angle)) as x,
        avg(sin(angle)) as y
    from earlier_angles
    having count(*) >= $least
)

select
    now.source_file,
    -- without a direction, as of hours that are spread evenly, there is nothing that could turn
    case
        when
            now.time_count >= $least
            and least(sqrt(now.x ** 2 + now.y ** 2), sqrt(past.x ** 2 + past.y ** 2)) >= 0.1
            then
                abs(atan2(now.y * past.x - now.x * past.y, now.x * past.x + now.y * past.y))
                * 12 / pi()
    end as moved_hours,
    case
        when now.time_count >= $least
            then abs(sqrt(now.x ** 2 + now.y ** 2) - sqrt(past.x ** 2 + past.y ** 2))
    end as hours_sharper,
    case
        when $is_calls and sqrt(now.x ** 2 + now.y ** 2) >= 0.15
            then (atan2(now.y, now.x) * 12 / pi() + 24) % 24
    end as mean_hour
from now
left join past on true
