-- Each link of a linker's answer to a log that is compared, and whether the record came from its incident.
create or replace temp table judged_links as
select
    answer.probability,
    logs.incident,
    logs.day,
    coalesce(leftovers.incident = logs.incident, false) as is_right,
    not coalesce(leftovers.has_reference, false) as is_without_reference
from answer
inner join compared_logs as logs on answer.call_id = logs.number
left join leftovers on answer.record_id = leftovers.record_id;
