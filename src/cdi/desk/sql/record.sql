-- A record of the version, with what tells whether it is the one that somebody looks for.
select
    records.published_record_id as crime_record_id,
    records.recorded_at,
    coalesce(offences.name, records.offence_name, records.offence_code) as offence,
    offences.offence_group is not null as is_crime,
    links.call_id as linked_call_id,
    cancellations.crime_record_id is not null as is_cancelled
from staging.stg_crime_records as records
left join codes.offences as offences on records.offence_code = offences.code
left join main.links as links on records.published_record_id = links.crime_record_id
left join main.cancellations as cancellations
    on records.published_record_id = cancellations.crime_record_id
where records.published_record_id in (select unnest($records)) and not records.is_withdrawn
