-- The worklist: crimes that look unrecorded in any call, by what can still be done about them.
select
    count(*) filter (where is_likely and hours_left > 0) as listed_in_time,
    count(*) filter (where is_likely and hours_left <= 0) as listed_overdue,
    count(*) filter (where not is_likely) as listed_possible
from unrecorded_crimes
where status <> 'dismissed'
