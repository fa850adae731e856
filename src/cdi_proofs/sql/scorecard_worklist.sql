-- The crimes that were never recorded, and the rows of the list in their published order. A row is right
-- while its incident has misses left.
create temp table misses as
select
    incident,
    is_rape,
    is_domestic_abuse,
    row_number() over (partition by incident order by ordinal) as number
from known_crimes
where outcome_as_of = 'unrecorded';

create temp table listed as
select
    worklist.*,
    logs.primary_call_id as incident,
    date_trunc('month', worklist.reported_at) as month
from unrecorded_crimes as worklist
inner join known_logs as logs on worklist.call_id = logs.call_id and logs.is_compared
where worklist.status <> 'dismissed';

create temp table judged as
with counts as (
    select
        incident,
        count(*) as n
    from misses
    group by all
)

select
    listed.*,
    row_number() over (partition by listed.incident order by listed.list_place)
    <= coalesce(counts.n, 0) as is_right,
    row_number() over (partition by listed.month order by listed.list_place) as rank_in_month
from listed
left join counts on listed.incident = counts.incident;
