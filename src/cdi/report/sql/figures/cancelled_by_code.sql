-- Cancelled records by their cancellation code: how many were cancelled against the rules. Rape is counted
-- apart, as the inspectors do.
select
    record_kind,
    cancellation_code,
    any_value(cancellation_name) as cancellation_name,
    count(*) as cancelled,
    count(*) filter (where is_wrongly_cancelled) as wrong,
    count(*) filter (where is_wrongly_cancelled is null) as unknown,
    count(*) filter (where is_rape) as rape,
    count(*) filter (where is_rape and is_wrongly_cancelled) as rape_wrong
from cancellations
group by record_kind, cancellation_code
order by record_kind, cancellation_code nulls last
