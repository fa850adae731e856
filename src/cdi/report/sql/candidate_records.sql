-- Records that a missed crime of a call could have: leftover records (no reference proves which call they
-- belong to) that were compared with the call's incident, and records that are linked to the call already.
with wanted as (
    select
        calls.call_id,
        coalesce(logs.first_call_id, calls.call_no) as incident_call_id
    from main.fct_calls as calls
    left join linkage.int_linkage__first_logs as logs on calls.call_no = logs.call_id
    where calls.call_id in (select unnest($calls))
),

found as (
    select
        wanted.call_id,
        records.published_record_id as crime_record_id,
        probabilities.probability
    from linkage.int_linkage__probabilities as probabilities
    inner join wanted on probabilities.incident_call_id = wanted.incident_call_id
    inner join staging.stg_crime_records as records
        on probabilities.crime_record_id = records.crime_record_id
    union
    select
        links.call_id,
        links.crime_record_id,
        links.link_probability
    from links
    inner join wanted on links.call_id = wanted.call_id
)

select
    found.call_id,
    found.crime_record_id,
    max(found.probability) as probability,
    any_value(records.recorded_at) as recorded_at,
    any_value(coalesce(offences.name, records.offence_name, records.offence_code)) as offence,
    any_value(offences.offence_group is not null) as is_crime,
    any_value(cancellations.crime_record_id is not null) as is_cancelled,
    any_value(links.call_id) as linked_call_id,
    any_value(links.link_rung) as link_rung
from found
inner join staging.stg_crime_records as records
    on found.crime_record_id = records.published_record_id and not records.is_withdrawn
left join codes.offences as offences on records.offence_code = offences.code
left join main.cancellations as cancellations
    on records.published_record_id = cancellations.crime_record_id
left join links on found.crime_record_id = links.crime_record_id
group by found.call_id, found.crime_record_id
order by found.call_id asc, probability desc, found.crime_record_id asc
