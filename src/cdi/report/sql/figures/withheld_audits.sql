-- Audits that give no rate of the whole force, and what to do about it: those that are not complete,
-- and those that are too small, unless the audit that the report leads with is of later days.
with led as (
    select max(period_end) as period_end from audits
    where is_headline
),

withheld as (
    select
        draw_id,
        withheld_rule_id,
        withheld_reason,
        next_step,
        period_end,
        drawn_at
    from audits
    where withheld_reason is not null
    union all
    select
        rates.draw_id,
        null as withheld_rule_id,
        rates.withheld_reason,
        'draw a larger audit; .venv/bin/cdi audit plan says how many logs it takes' as next_step,
        audits.period_end,
        audits.drawn_at
    from audited_rates as rates
    inner join audits on rates.draw_id = audits.draw_id
    cross join led
    where
        rates.domain = 'force'
        and rates.withheld_reason is not null
        and coalesce(audits.period_end >= led.period_end, true)
)

select
    draw_id,
    withheld_rule_id,
    withheld_reason,
    next_step
from withheld
order by period_end, drawn_at
