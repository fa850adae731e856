-- What became of reports of rape: a crime record, a reported incident (N100) or neither. How many are
-- late is null where the source says of none when its record was made.
select
    count(*) as rape_reports,
    count(*) filter (where kept_as = 'crime') as rape_crimes,
    count(*) filter (where kept_as = 'crime' and outcome <> 'recorded') as rape_crimes_cancelled,
    count(*) filter (where kept_as = 'reported_incident') as rape_incidents,
    count(*) filter (where kept_as = 'neither') as rape_neither,
    case when count(is_late) > 0 then count(*) filter (where is_late) end as rape_late,
    count(*) filter (
        where kept_as = 'reported_incident'
        and reported_incident_code <> expected_incident_code
    ) as rape_another_code
from rape_reports
