-- Why crimes were missed: confirmed misses by cause, the most frequent first.
select
    causes.miss_cause_name as label,
    causes.meaning,
    cast(sum(counts.confirmed_count) as bigint) as crimes,
    cast(sum(counts.recorded_since_count) as bigint) as recorded_since
from miss_causes_by_team as counts
inner join rules.miss_causes as causes on counts.miss_cause = causes.miss_cause
group by all
order by crimes desc, label asc
