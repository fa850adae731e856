-- Links that count in the standard ruleset, and the true pairs of record and log known at as_of.
create temp table found_links as
select
    links.crime_record_id,
    links.link_rung,
    logs.primary_call_id as incident,
    crimes.call_id is not null and crimes.call_id = logs.primary_call_id as is_right,
    coalesce(crimes.has_reference, false) as has_reference
from links
inner join known_logs as logs on links.call_id = logs.call_id and logs.is_compared
left join truth_crimes as crimes on links.crime_record_id = crimes.crime_id
where links.is_crime_record and links.link_probability >= (
    select rulesets.min_link_probability from rulesets
    where rulesets.ruleset = 'standard'
);

create temp table true_links as
select
    crimes.*,
    found_links.crime_record_id is not null and found_links.is_right as is_found
from known_crimes as crimes
left join found_links on crimes.crime_id = found_links.crime_record_id
where crimes.crime_id is not null and crimes.recorded_at < (select release.as_of from release);
