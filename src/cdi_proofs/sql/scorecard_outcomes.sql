-- How many crimes have each true and each found outcome. Crimes are paired by their record where they
-- have one, and the others of an incident in their order.
with by_record as (
    select
        crimes.incident,
        crimes.crime_id,
        crimes.outcome_as_of as truth,
        found.outcome_standard as found
    from known_crimes as crimes
    inner join found_crimes as found on crimes.crime_id = found.crime_record_id
    where crimes.incident = found.incident
),

true_rest as (
    select
        incident,
        outcome_as_of as truth,
        row_number() over (partition by incident order by ordinal) as number
    from known_crimes
    where crime_id is null or crime_id not in (select by_record.crime_id from by_record)
),

found_rest as (
    select
        incident,
        outcome_standard as found,
        row_number() over (partition by incident order by reported_crime_id) as number
    from found_crimes
    where
        (
            crime_record_id is null
            or crime_record_id not in (select by_record.crime_id from by_record)
        )
        and outcome_standard is not null
),

paired as (
    select
        truth,
        found
    from by_record
    union all
    select
        true_rest.truth,
        found_rest.found
    from true_rest
    full join found_rest
        on true_rest.incident = found_rest.incident and true_rest.number = found_rest.number
)

select
    coalesce(truth, 'none') as truth,
    coalesce(found, 'none') as found,
    count(*) as n
from paired
group by all
order by all
