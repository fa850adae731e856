-- What became of reports of rape: a crime record, a reported incident (N100) or neither.
select
    count(*) as reports,
    count(*) filter (where kept_as = 'crime') as crimes,
    count(*) filter (where kept_as = 'reported_incident') as incidents,
    count(*) filter (where kept_as = 'neither') as neither,
    count(*) filter (where is_late) as late,
    count(*) filter (
        where kept_as = 'reported_incident'
        and reported_incident_code <> expected_incident_code
    ) as another_code
from rape_reports
