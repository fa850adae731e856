-- All crime of the base of the page: calls with a crime code, standard reading. The rates are left out until
-- an audit has taught the software, as they are far too low before.
with standard as (
    from recording_rate
    where
        universe = 'frame' and breakdown = 'total' and offence_group = 'all' and ruleset = 'standard'
),

rates as (
    select
        any_value(rates.recording_rate) filter (where rates.ruleset = 'standard') as rate_software,
        any_value(rates.recording_rate) filter (where rates.ruleset = 'strict') as rate_strict,
        any_value(rates.recording_rate) filter (where rates.ruleset = 'inclusive') as rate_inclusive
    from recording_rate as rates
    cross join release
    where
        rates.universe = 'frame'
        and rates.breakdown = 'total'
        and rates.offence_group = 'all'
        and release.text_model_version is not null
)

select
    coalesce(standard.rate_base_count, 0) as crimes_due,
    coalesce(standard.recorded_count, 0) as crimes_recorded,
    coalesce(standard.unrecorded_count, 0) as crimes_unrecorded,
    coalesce(standard.wrongly_cancelled_count, 0) as crimes_wrongly_cancelled,
    coalesce(standard.justified_count, 0) as crimes_justified,
    coalesce(standard.too_recent_count, 0) as crimes_too_recent,
    coalesce(standard.source_missing_count, 0) as crimes_source_missing,
    coalesce(
        standard.rate_base_count
        + standard.justified_count
        + standard.too_recent_count
        + standard.source_missing_count,
        0
    ) as crimes_reported,
    rates.rate_software,
    rates.rate_strict,
    rates.rate_inclusive,
    standard.withheld_reason
from rates
left join standard on true
