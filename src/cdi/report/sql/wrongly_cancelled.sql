-- Records that were cancelled against the rules, and the first check that each fails.
select
    crime_record_id,
    call_id,
    is_rape,
    cancelled_at,
    cancellation_name,
    check_meaning
from cancellations
where is_wrongly_cancelled
order by
    is_rape desc,
    cancelled_at asc,
    crime_record_id asc
