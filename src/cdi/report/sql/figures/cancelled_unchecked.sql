-- Why cancelled records cannot be checked, the most frequent reason first.
select
    check_meaning as meaning,
    count(*) as n
from cancellations
where is_wrongly_cancelled is null
group by check_meaning
order by n desc, meaning asc
