-- Crime records that are linked to no call, by the route on which the crime was reported.
select
    route,
    cast(sum(crime_count) as bigint) as crimes,
    cast(sum(without_call_count) as bigint) as without_call,
    sum(without_call_count) / sum(crime_count) as share
from crimes_without_call
group by route
order by crimes desc, route asc
