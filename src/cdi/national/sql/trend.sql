-- All agencies of a kind together, by quarter; only those that withhold neither count and show the
-- quarter's rate, which was withheld or shown on the day it was counted.
select
    release.is_simulated,
    crimes.quarter,
    count(*) as agency_count,
    cast(sum(crimes.due_count) as bigint) as due_count,
    cast(sum(crimes.recorded_count) as bigint) as recorded_count,
    sum(crimes.recorded_count) / sum(crimes.due_count) as rate
from crimes
inner join release on crimes.agency = release.agency
inner join rates
    on
        crimes.agency = rates.agency
        and crimes.quarter = rates.quarter
        and rates.district = 'all'
        and rates.offence_group = 'all'
        and rates.standard_rate is not null
where
    crimes.month = 'all'
    and crimes.district = 'all'
    and crimes.offence_group = 'all'
    and crimes.due_count is not null
    and crimes.recorded_count is not null
group by release.is_simulated, crimes.quarter
having sum(crimes.due_count) > 0
order by release.is_simulated, crimes.quarter
