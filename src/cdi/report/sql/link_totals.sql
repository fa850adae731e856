-- How many records there are and how many of them are linked, crimes apart from other occurrences.
with records as (
    select
        links.*,
        coalesce(offences.offence_group is not null, false) as is_crime
    from staging.stg_crime_records as records
    left join codes.offences as offences on records.offence_code = offences.code
    left join links on records.published_record_id = links.crime_record_id
    where not records.is_withdrawn
)

select
    count(*) as records,
    count(*) filter (where is_crime) as crimes,
    count(*) filter (where is_crime and link_rung is not null) as linked_crimes,
    count(*) filter (where is_crime and is_proven_by_reference) as proven_crimes,
    count(*) filter (where not is_crime and link_rung is not null) as linked_others,
    (select any_value(links.weights_version) from links) as weights_version
from records
