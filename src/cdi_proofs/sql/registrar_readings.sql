-- What the text model says of the logs of the held-out month, and how many of them truly hide a missed crime.
-- Listed logs are those that the worklist shows; the others are those without any record.
with misses as (
    select distinct call_id
    from truth_crimes
    where outcome_as_of in ('unrecorded', 'too_recent')
),

recorded as (
    select distinct call_id
    from fct_reported_crimes
    where outcome_standard = 'recorded'
),

calls as (
    select
        call_id,
        call_no,
        list_contains($listed, call_id) as is_listed
    from published.main.fct_calls
    where received_at >= $starts_at
),

logs as (
    select
        calls.is_listed,
        if(recorded.call_id is null, readings.crime_probability, readings.second_probability) as chance,
        cast(misses.call_id is not null as integer) as is_missed
    from calls
    inner join published.disclosure.int_disclosure__text_reading as readings
        on calls.call_no = readings.call_id
    left join recorded on calls.call_id = recorded.call_id
    left join misses on calls.call_id = misses.call_id
    where recorded.call_id is null or calls.is_listed
)

select
    is_listed,
    count(*) as logs,
    sum(is_missed) as missed,
    sum(chance order by chance) as expected,
    avg(pow(chance - is_missed, 2) order by chance) as brier
from logs
group by is_listed
order by is_listed desc
