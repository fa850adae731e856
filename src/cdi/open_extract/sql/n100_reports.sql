-- sqlfluff:templater:placeholder:months:['2017-01']
-- Reports of rape that were kept as a reported incident, in the months of a quarter. No row comes back
-- from an agency that keeps none at all, so that it is not said to have 0 of them.
select
    count(*) filter (where reports.kept_as = 'reported_incident' and list_contains(
        $months,
        strftime(timezone(release.timezone, timezone('UTC', reports.reported_at)), '%Y-%m')
    )) as reports
from rape_reports as reports
cross join release
having count(*) filter (where reports.kept_as = 'reported_incident') > 0
