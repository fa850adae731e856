select
    auditability_check,
    description,
    base_count,
    fit_count,
    share,
    min_share,
    is_switched_off,
    is_met,
    reason
from {{ ref('int_outcomes__auditability') }}
