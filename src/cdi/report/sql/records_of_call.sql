-- The records that calls are linked to now, the one that was made first before the others.
select
    links.call_id,
    links.crime_record_id,
    records.recorded_at,
    coalesce(offences.name, records.offence_name, records.offence_code) as offence,
    offences.offence_group is not null as is_crime,
    offences.offence_group is null and coalesce(records.offence_code like '100/%', false) as is_n100
from main.links as links
inner join staging.stg_crime_records as records
    on links.crime_record_id = records.published_record_id and not records.is_withdrawn
left join codes.offences as offences on records.offence_code = offences.code
where links.call_id in (select unnest($calls))
order by links.call_id, records.recorded_at, links.crime_record_id
