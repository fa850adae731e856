-- sqlfluff:templater:placeholder:listed:null
-- sqlfluff:templater:placeholder:is_snapshot:true
-- sqlfluff:templater:placeholder:start:'2017-01-01'
-- sqlfluff:templater:placeholder:end:'2017-02-01'
-- sqlfluff:templater:placeholder:least:20
-- the days that a batch should speak of, with how many things came on each and how many usually do
create or replace temp table days as
with
now as (
    select
        cast(moment as date) as day,
        count(distinct thing) as thing_count
    from moments_rows
    group by cast(moment as date)
),

past as (
    select
        cast(moment as date) as day,
        count(distinct thing) as thing_count
    from moments_earlier
    group by cast(moment as date)
),

-- what is usual is told by the batches before, or by the batch itself if these have few days
past_days as (
    select count(*) as day_count from past
),

compared as (
    select past.thing_count
    from past
    cross join past_days
    where past_days.day_count >= 7
    union all
    select now.thing_count
    from now
    cross join past_days
    where past_days.day_count < 7
),

usual as (
    select median(thing_count) as thing_count from compared
),

-- a snapshot goes back as far as it goes, save a few stray old dates; changes begin where they say;
-- of a live source the days are listed that were read and are not as they were landed
span as (
    select unnest(coalesce(
        cast($listed as date[]),
        cast(generate_series(
            case
                when $is_snapshot
                    then (select quantile_disc(cast(moment as date), 0.01) from moments_rows)
                else cast($start as date)
            end,
            cast($end as date) - 1,
            interval 1 day
        ) as date[])
    )) as day
),

-- the last day is compared with the last days of the deliveries before, where these have fewer
last_days as (
    select median(last_count) as thing_count from ends
),

expected as (
    select
        span.day,
        coalesce(now.thing_count, 0) as n,
        case
            when span.day = cast($end as date) - 1
                then least(usual.thing_count, last_days.thing_count)
            else usual.thing_count
        end as usual
    from span
    left join now on span.day = now.day
    cross join usual
    cross join last_days
)

select
    day,
    n,
    usual
from expected
where usual >= $least
