-- the worklist of the published version, with what a message may count and what decisions refer to
select
    reported_crime_id,
    call_id,
    cast(split_part(reported_crime_id, '#', -1) as integer) as crime_number,
    status,
    is_likely,
    is_rape,
    due_at,
    district,
    severity
from main.unrecorded_crimes
order by list_place
