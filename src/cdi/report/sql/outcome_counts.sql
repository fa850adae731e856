-- Calls and reported crimes by outcome, by the standard ruleset, in all calls; the outcomes add up to those
-- reported. Fraud is left out, as on the report.
select
    (select count(*) from fct_calls) as calls,
    count(crimes.outcome) as reported,
    count(*) filter (where crimes.outcome = 'recorded') as recorded,
    count(*) filter (where crimes.outcome = 'unrecorded') as suspected,
    count(*) filter (where crimes.outcome = 'justified') as justified,
    count(*) filter (where crimes.outcome = 'wrongly_cancelled') as wrongly_cancelled,
    count(*) filter (where crimes.outcome = 'too_recent') as too_recent,
    count(*) filter (where crimes.outcome = 'source_missing') as source_missing
from fct_reported_crimes as crimes
inner join rules.offence_groups as offence_groups
    on crimes.offence_group = offence_groups.offence_group and offence_groups.is_headline
