-- How many missed crimes each part of the worklist really holds at as_of, beside what was expected. A row is
-- right while its incident has misses left, in the order of reading.
with misses as (
    select
        logs.primary_call_id as incident,
        count(*) as miss_count
    from truth_crimes as crimes
    inner join truth_logs as logs on crimes.call_id = logs.call_id
    where crimes.outcome_as_of in ('unrecorded', 'too_recent') and crimes.is_readable
    group by logs.primary_call_id
),

judged as (
    select
        worklist.reading_part,
        row_number() over (
            partition by logs.primary_call_id order by worklist.reading_place, worklist.list_place
        ) <= coalesce(misses.miss_count, 0) as is_right
    from unrecorded_crimes as worklist
    inner join truth_logs as logs on worklist.call_id = logs.call_id
    left join misses on logs.primary_call_id = misses.incident
    where worklist.reading_part is not null
)

select
    yields.reading_part,
    yields.log_count,
    yields.row_count,
    yields.expected_count,
    yields.lower_limit,
    yields.upper_limit,
    count(judged.reading_part) filter (where judged.is_right) as true_count
from worklist_yield as yields
left join judged on yields.reading_part = judged.reading_part
group by all
order by min(yields.part_place)
