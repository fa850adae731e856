with headline_groups as (
    select offence_group from rules.offence_groups
    where is_headline
),

calls as (
    select * from fct_calls
    where
        received_at >= $starts_at
        and received_at < $ends_at
        and (is_in_frame or $universe = 'all')
),

crimes as (
    select
        call_id,
        count(*) filter (where outcome_standard = 'recorded') as recorded,
        count(*) filter (where list_contains($due, outcome_standard)) as due
    from fct_reported_crimes
    where offence_group in (from headline_groups)
    group by call_id
)

select
    calls.call_id,
    calls.row_hash,
    calls.is_in_frame,
    calls.initial_type_code,
    coalesce(calls.district, 'unknown') as district,
    coalesce(crimes.recorded, 0) as recorded,
    coalesce(crimes.due, 0) as due,
    coalesce(readings.crime_probability, 0) as crime_probability,
    coalesce(readings.second_probability, 0) as second_probability
from calls
left join crimes on calls.call_id = crimes.call_id
left join disclosure.int_disclosure__text_reading as readings on calls.call_no = readings.call_id
order by calls.call_id
