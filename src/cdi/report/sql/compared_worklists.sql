-- Rows of the worklist that one of two versions lacks, or that changed, in the order of the newer list.
select
    coalesce(o.reported_crime_id, n.reported_crime_id) as reported_crime_id,
    o.status as older_status,
    n.status as newer_status,
    case
        when o.reported_crime_id is null then 'came'
        when n.reported_crime_id is null then 'went'
        when o.status <> n.status then 'decided'
        else 'moved between likely and possible'
    end as change
from older.main.unrecorded_crimes as o
full join newer.main.unrecorded_crimes as n on o.reported_crime_id = n.reported_crime_id
where (o.status, o.is_likely) is distinct from (n.status, n.is_likely)
order by n.list_place, o.list_place
