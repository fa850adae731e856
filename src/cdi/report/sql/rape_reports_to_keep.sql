-- Reports of rape for which an N100 is missing or has another sub-code than the reason asks for. A report
-- that may be a missed crime is on the worklist itself, and one that became a crime needs no sub-code. What
-- another record has already is no row of rape_reports, and a test of the system needs no N100. Without
-- crime records nobody knows what is missing.
select
    rapes.rape_report_id,
    rapes.call_id,
    rapes.reported_at,
    reasons.reason_name,
    rapes.reported_incident_id,
    rapes.reported_incident_code,
    rapes.expected_incident_code
from rape_reports as rapes
left join rules.reasons as reasons on rapes.reason_code = reasons.reason_code
where
    rapes.is_n100_in_force
    and (
        (
            rapes.kept_as = 'neither'
            and rapes.outcome = 'justified'
            and rapes.reason_code is distinct from 'ADMIN'
            and (select release.crime_records_as_of from release) is not null
        )
        or (
            rapes.kept_as = 'reported_incident'
            and rapes.reported_incident_code <> rapes.expected_incident_code
        )
    )
order by
    rapes.reported_at,
    rapes.rape_report_id
