-- sqlfluff:templater:placeholder:daily_files:['f']
-- sqlfluff:templater:placeholder:days_before:14
-- sqlfluff:templater:placeholder:is_recent:true
-- sqlfluff:templater:placeholder:least:20
-- The share of the times of a day's file that are not of this day or of the days before it, and the
-- share of those that are of it, or of the three days before it, with day and month exchanged.
with
days as (
    select
        source_file,
        cast(moment as date) as day,
        cast(as_of as date) - 1 as file_day
    from moments_rows
    where list_contains($daily_files, source_file)
),

exchanged as (
    select
        source_file,
        day,
        file_day,
        day not between file_day - cast($days_before as integer) and file_day + 1 as is_outside,
        case when day(day) <= 12 then make_date(year(day), day(day), month(day)) end as other_day
    from days
)

select
    source_file,
    case when $is_recent then avg(cast(is_outside as integer)) end as outside_share,
    avg(cast(
        is_outside and coalesce(other_day between file_day - 3 and file_day + 1, false) as integer
    )) as swapped_share
from exchanged
group by source_file
having count(*) >= $least
