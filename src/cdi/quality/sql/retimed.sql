-- sqlfluff:templater:placeholder:confirmed:null
-- the share of things known before that have another time now
with
known as (
    select
        thing,
        min(moment) as first_moment,
        max(moment) as last_moment
    from moments_earlier
    group by thing
),

compared as (
    select
        moments_rows.source_file,
        cast(
            moments_rows.moment not between known.first_moment - interval 1 minute
            and known.last_moment + interval 1 minute as integer
        ) as is_retimed
    from moments_rows
    inner join known on moments_rows.thing = known.thing
),

-- what a live source confirmed keeps its time as well
overall as (
    select sum(is_retimed) / (count(*) + coalesce($confirmed, 0)) as share
    from compared
    having count(*) + coalesce($confirmed, 0) >= 10
)

-- If a file has few things that were known before, the batch speaks for it; so it does for the days of
-- a live source, as only those are in the batch on which something changed.
select
    compared.source_file,
    case
        when count(*) >= 10 and $confirmed is null then avg(compared.is_retimed)
        else any_value(overall.share)
    end as retimed_share
from compared
left join overall on true
group by compared.source_file
