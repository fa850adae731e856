-- sqlfluff:templater:placeholder:least_before:50
-- sqlfluff:templater:placeholder:least_now:20
-- The share of positions that are far from where those of their district were. The area of a
-- district reaches from the 1st to the 99th percentile of its positions before; far is what lies
-- outside it by more than half its size, on either axis.
with
placed as (
    select
        source_file,
        coalesce(district, '') as district,
        nullif(coalesce(easting, longitude), 0) as x,
        nullif(coalesce(northing, latitude), 0) as y
    from rows
),

placed_before as (
    select
        coalesce(district, '') as district,
        nullif(coalesce(easting, longitude), 0) as x,
        nullif(coalesce(northing, latitude), 0) as y
    from earlier
),

area as (
    select
        district,
        quantile_cont(x, [0.01, 0.99]) as xs,
        quantile_cont(y, [0.01, 0.99]) as ys
    from placed_before
    group by district
    having count(x) >= $least_before
)

select
    placed.source_file,
    avg(cast(
        placed.x not between 1.5 * area.xs[1] - 0.5 * area.xs[2] and 1.5 * area.xs[2] - 0.5 * area.xs[1]
        or placed.y not between 1.5 * area.ys[1] - 0.5 * area.ys[2] and 1.5 * area.ys[2] - 0.5 * area.ys[1]
        as integer
    )) as far_share
from placed
inner join area on placed.district = area.district
group by placed.source_file
having count(placed.x) >= $least_now
