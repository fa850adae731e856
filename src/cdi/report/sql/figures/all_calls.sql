-- Another way of counting: all calls, also those without a crime code, whose crimes are found by words
-- alone. Fraud is left out, as in the rate.
select
    (select count(*) from fct_calls) as calls,
    count(crimes.outcome) as all_reported,
    count(*) filter (where crimes.outcome = 'recorded') as all_recorded,
    count(*) filter (where crimes.outcome = 'unrecorded') as all_unrecorded,
    count(*) filter (where crimes.outcome = 'wrongly_cancelled') as all_wrongly_cancelled,
    count(*) filter (where crimes.outcome = 'justified') as all_justified,
    count(*) filter (where crimes.outcome = 'too_recent') as all_too_recent,
    count(*) filter (where crimes.outcome = 'source_missing') as all_source_missing,
    (
        select any_value(rates.recording_rate)
        from recording_rate as rates
        cross join release
        where
            rates.universe = 'all' and rates.ruleset = 'standard' and rates.breakdown = 'total'
            and rates.offence_group = 'all' and release.text_model_version is not null
    ) as all_rate
from fct_reported_crimes as crimes
inner join rules.offence_groups as offence_groups
    on crimes.offence_group = offence_groups.offence_group and offence_groups.is_headline
