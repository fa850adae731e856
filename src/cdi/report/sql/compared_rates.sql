-- The rates of two versions that differ, or whose base differs: the total, and by offence group and theme. A
-- full join by names of columns merges these, so that a rate that only one version has keeps its names.
select
    universe,
    ruleset,
    breakdown,
    offence_group,
    o.recording_rate as older_rate,
    n.recording_rate as newer_rate,
    o.rate_base_count as older_base_count,
    n.rate_base_count as newer_base_count
from older.main.recording_rate as o
full join newer.main.recording_rate as n
    using ( -- noqa: ST07
        universe, ruleset, breakdown, offence_group, district, reported_month,
        disposition_code, route
    )
where
    breakdown in ('total', 'offence_group', 'theme')
    and (older_rate, older_base_count) is distinct from (newer_rate, newer_base_count)
order by breakdown desc, universe asc, ruleset asc, offence_group asc
