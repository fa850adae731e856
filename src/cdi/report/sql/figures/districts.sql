-- Districts with a rate in the frame, if there are several, the largest first, with the estimate that
-- borrows from the others.
select *
from district_rates
where universe = 'frame' and recording_rate is not null and estimated_low is not null
qualify count(*) over () > 1
order by due_count desc, district asc
