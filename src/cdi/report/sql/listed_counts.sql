-- How many rows the worklist has: likely ones that are in time and overdue, and possible ones.
select
    count(*) filter (where is_likely and hours_left > 0) as in_time,
    count(*) filter (where is_likely and hours_left <= 0) as overdue,
    count(*) filter (where not is_likely) as possible
from unrecorded_crimes
where status <> 'dismissed'
