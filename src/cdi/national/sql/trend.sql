-- All agencies of a kind together, by quarter; only those that withhold neither count and show rates.
select
    release.is_simulated,
    crimes.quarter,
    count(*) as agency_count,
    cast(sum(crimes.due_count) as bigint) as due_count,
    cast(sum(crimes.recorded_count) as bigint) as recorded_count,
    sum(crimes.recorded_count) / sum(crimes.due_count) as rate
from crimes
inner join release on crimes.agency = release.agency
where
    crimes.month = 'all'
    and crimes.district = 'all'
    and crimes.offence_group = 'all'
    and crimes.due_count is not null
    and crimes.recorded_count is not null
    and release.withheld_reason is null
group by release.is_simulated, crimes.quarter
having sum(crimes.due_count) > 0
order by release.is_simulated, crimes.quarter
