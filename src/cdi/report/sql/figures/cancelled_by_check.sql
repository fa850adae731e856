-- Which check the wrongly cancelled records break, the most frequent first.
select
    any_value(check_meaning) as meaning,
    any_value(check_source) as source,
    count(*) as n
from cancellations
where is_wrongly_cancelled
group by cancellation_check
order by n desc, meaning asc
