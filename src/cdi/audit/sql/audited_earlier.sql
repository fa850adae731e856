-- Logs that were audited earlier. A log of this published version also has what the version
-- suspects in it; of a log of another year only the text is known.
with headline_groups as (
    select offence_group from rules.offence_groups
    where is_headline
),

crimes as (
    select
        call_id,
        list_contains($due, outcome_standard) as is_due,
        outcome_standard = 'recorded' as is_recorded
    from fct_reported_crimes
    where offence_group in (from headline_groups)
),

suspected as (
    select
        calls.call_no,
        count(*) filter (where crimes.is_due) - count(*) filter (where crimes.is_recorded) as suspected
    from fct_calls as calls
    inner join disclosure.int_disclosure__audit_labels as audited on calls.call_no = audited.call_id
    left join crimes on calls.call_id = crimes.call_id
    group by calls.call_no
),

codes as (
    select code from codes.call_types
    where offence_group is not null
)

select
    suspected.call_no is not null as is_in_calls,
    coalesce(audited.initial_type_code in (from codes), false)
    or coalesce(audited.final_type_code in (from codes), false) as is_in_frame,
    coalesce(suspected.suspected, 0) as suspected,
    audited.crimes as due,
    audited.recorded_crimes as recorded,
    coalesce(readings.crime_probability, 0) as crime_probability,
    coalesce(readings.second_probability, 0) as second_probability
from disclosure.int_disclosure__audit_labels as audited
left join suspected on audited.call_id = suspected.call_no
left join disclosure.int_disclosure__text_reading as readings on audited.call_id = readings.call_id
order by audited.published_call_id
