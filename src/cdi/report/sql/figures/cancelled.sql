-- Cancelled records, how many were cancelled against the rules, and how many cannot be checked; rape apart,
-- as the inspectors count it.
select
    count(*) filter (where record_kind = 'crime') as cancelled_crimes,
    count(*) filter (where record_kind = 'crime' and is_wrongly_cancelled) as cancelled_crimes_wrongly,
    count(*) filter (where record_kind = 'crime' and is_wrongly_cancelled is null)
        as cancelled_crimes_unchecked,
    count(*) filter (where record_kind = 'crime' and is_rape) as cancelled_rapes,
    count(*) filter (where record_kind = 'crime' and is_rape and is_wrongly_cancelled)
        as cancelled_rapes_wrongly,
    count(*) filter (where record_kind = 'crime' and is_rape and is_wrongly_cancelled is null)
        as cancelled_rapes_unchecked,
    count(*) filter (where record_kind <> 'crime') as cancelled_n100,
    count(*) filter (where record_kind <> 'crime' and is_wrongly_cancelled) as cancelled_n100_wrongly,
    count(*) filter (where record_kind <> 'crime' and is_wrongly_cancelled is null)
        as cancelled_n100_unchecked
from cancellations
