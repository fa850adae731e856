-- what the published version says of the calls, crimes and records that decisions are about
with
decided as (
    select
        *,
        cast(split_part(row_id, ':', -1) as bigint) as ordinal,
        coalesce(call_key, upper(call_reference)) as call_id,
        coalesce(record_key, upper(record_reference)) as crime_record_id
    from read_parquet($rows)
),

-- without a number, a decision is about every crime that the call reports
crimes as (
    select
        decided.ordinal,
        bool_or(reported.is_rape) as is_rape
    from outcomes.int_outcomes__reported_crimes as reported
    inner join main.fct_calls as calls on reported.call_id = calls.call_no
    inner join decided on calls.call_id = decided.call_id
    where decided.crime_number is null or reported.crime_number = decided.crime_number
    group by decided.ordinal
)

select
    decided.ordinal,
    decided.call_id,
    decided.crime_record_id,
    decided.decision_kind,
    decided.second_person,
    decided.call_id is null or decided.call_id in (
        select calls.call_id from main.fct_calls as calls
    ) as has_call,
    decided.crime_record_id is null or decided.crime_record_id in (
        select records.published_record_id
        from staging.stg_crime_records as records
        where not records.is_withdrawn
    ) as has_record,
    -- a link, and what takes one back, is about a record and not about a crime
    decided.call_id is null
    or decided.decision_kind not in ('confirmed', 'dismissed', 'proposed', 'passed', 'undone')
    or (decided.decision_kind = 'undone' and decided.crime_record_id is not null)
    or crimes.ordinal is not null as has_crime,
    coalesce(crimes.is_rape, false) as is_rape
from decided
left join crimes on decided.ordinal = crimes.ordinal
order by decided.ordinal
