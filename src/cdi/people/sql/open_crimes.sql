-- the worklist of the published version, with what a message may count and what decisions refer to
select
    reported_crime_id,
    call_id,
    cast(split_part(reported_crime_id, '#', -1) as integer) as crime_number,
    status,
    -- What was dismissed may be taken back before the next build; its likelihood is that from before.
    if(status = 'dismissed', likelihood <> 'possible', is_likely) as is_likely,
    is_rape,
    due_at,
    district,
    severity
from main.unrecorded_crimes
order by list_place
