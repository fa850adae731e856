-- Records that one of two versions links to a call and the other does not, or not to the same call.
select
    case
        when o.call_id is null then 'came'
        when n.call_id is null then 'went'
        else 'to another call'
    end as change,
    count(*) as number
from older.main.links as o
full join newer.main.links as n on o.crime_record_id = n.crime_record_id
where o.call_id is distinct from n.call_id
group by all
order by all
