-- All crime of the base of the page: calls with a crime code, standard reading. The rates are left out until an
-- audit has taught the software, as they are far too low before.
select
    coalesce(any_value(rates.rate_base_count) filter (where rates.ruleset = 'standard'), 0) as crimes_due,
    coalesce(any_value(rates.recorded_count) filter (where rates.ruleset = 'standard'), 0) as crimes_recorded,
    coalesce(any_value(rates.unrecorded_count) filter (where rates.ruleset = 'standard'), 0) as crimes_unrecorded,
    coalesce(any_value(rates.wrongly_cancelled_count) filter (where rates.ruleset = 'standard'), 0)
        as crimes_wrongly_cancelled,
    coalesce(any_value(rates.justified_count) filter (where rates.ruleset = 'standard'), 0) as crimes_justified,
    coalesce(any_value(rates.too_recent_count) filter (where rates.ruleset = 'standard'), 0) as crimes_too_recent,
    coalesce(
        any_value(
            rates.rate_base_count + rates.justified_count + rates.too_recent_count + rates.source_missing_count
        ) filter (where rates.ruleset = 'standard'),
        0
    ) as crimes_reported,
    any_value(rates.recording_rate) filter (where rates.ruleset = 'standard' and taught.is_taught)
        as rate_software,
    any_value(rates.recording_rate) filter (where rates.ruleset = 'strict' and taught.is_taught)
        as rate_strict,
    any_value(rates.recording_rate) filter (where rates.ruleset = 'inclusive' and taught.is_taught)
        as rate_inclusive,
    any_value(rates.withheld_reason) as withheld_reason
from (select text_model_version is not null as is_taught from release) as taught
left join recording_rate as rates
    on
        rates.universe = 'frame'
        and rates.breakdown = 'total'
        and rates.offence_group = 'all'
