-- Calls and reported crimes by outcome, by the standard ruleset, in all calls.
select
    (select count(*) from fct_calls) as calls,
    count(outcome) as reported,
    count(*) filter (where outcome = 'recorded') as recorded,
    count(*) filter (where outcome = 'unrecorded') as suspected,
    count(*) filter (where outcome = 'justified') as justified,
    count(*) filter (where outcome = 'too_recent') as too_recent
from fct_reported_crimes
