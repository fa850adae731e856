-- The rows of the worklist that are to be read, and which of them truly are missed crimes at as_of. A row is
-- right while its incident has misses left, in the order of reading.
create or replace temp view judged_rows as
with misses as (
    select
        logs.primary_call_id as incident,
        count(*) as miss_count
    from truth_crimes as crimes
    inner join truth_logs as logs on crimes.call_id = logs.call_id
    where crimes.outcome_as_of in ('unrecorded', 'too_recent') and crimes.is_readable
    group by logs.primary_call_id
)

select
    worklist.reported_crime_id,
    worklist.reading_part,
    row_number() over (
        partition by logs.primary_call_id order by worklist.reading_place, worklist.list_place
    ) <= coalesce(misses.miss_count, 0) as is_right
from unrecorded_crimes as worklist
inner join truth_logs as logs on worklist.call_id = logs.call_id
left join misses on logs.primary_call_id = misses.incident
where worklist.reading_part is not null;
