select
    readings.draw_id,
    readings.published_call_id as call_id,
    readings.auditor_code,
    readings.crime_number,
    readings.audited_at,
    readings.is_recorded,
    readings.due_count,
    readings.recorded_count,
    offences.offence_group,
    offences.is_rape,
    coalesce(readings.is_domestic_abuse, offences.is_domestic_abuse) as is_domestic_abuse,
    coalesce(groups.is_headline, false) as is_headline
from staging.stg_audit_readings as readings
left join codes.offences as offences on readings.offence_code = offences.code
left join rules.offence_groups as groups on offences.offence_group = groups.offence_group
where not readings.is_withdrawn
order by readings.audit_reading_id
