-- how many rows each of the 24 hours of a day has, and whether all of them are at midnight
select
    hours.hour,
    count(moments.moment) as row_count,
    coalesce(bool_and(cast(moments.moment as time) = time '00:00'), true) as is_midnight
from range(24) as hours (hour)
left join moments on hours.hour = hour(moments.moment)
group by hours.hour
order by hours.hour
