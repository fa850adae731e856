-- Whether the data are good enough to give a rate.
select
    description as label,
    share,
    min_share,
    is_met,
    is_switched_off,
    reason
from auditability
order by auditability_check
