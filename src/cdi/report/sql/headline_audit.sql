-- The audit that the report leads with. Its period ends at midnight, so its last day is the one before.
select
    audits.*,
    strftime(timezone(release.timezone, timezone('UTC', audits.period_start)), '%-d %B %Y')
        as period_start_on,
    strftime(
        timezone(release.timezone, timezone('UTC', audits.period_end)) - interval 1 day, '%-d %B %Y'
    ) as period_end_on
from audits
cross join release
where audits.is_headline
