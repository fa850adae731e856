-- How many rows the worklist has, by what can still be done about them.
select
    count(*) filter (where is_likely and hours_left > 0 and status <> 'dismissed') as in_time,
    count(*) filter (where is_likely and hours_left <= 0 and status <> 'dismissed') as overdue,
    count(*) filter (where not is_likely and status <> 'dismissed') as possible,
    count(*) filter (where status = 'confirmed') as confirmed,
    count(*) filter (where is_likely and hours_left > 0 and status = 'confirmed') as in_time_confirmed,
    count(*) filter (where status = 'dismissed') as dismissed,
    count(*) as listed
from unrecorded_crimes
