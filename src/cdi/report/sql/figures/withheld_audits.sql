-- Audits that give no rate, and what to do about it.
select
    draw_id,
    withheld_rule_id,
    withheld_reason,
    next_step
from audits
where withheld_reason is not null
order by period_end, drawn_at
