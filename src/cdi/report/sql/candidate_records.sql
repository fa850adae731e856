-- Records that a call's missed crime could be. These are the leftover records (linked to no call by a
-- reference) that lie near the call's incident, with the probability that they belong to it, and the
-- records that are linked to the call already. The probability is that of linkage.int_linkage__scored: a
-- record's incidents share it with the chance that none of them is right. The constant for that chance
-- differs between crime records and others, hence the base weight.
with wanted as (
    select
        calls.call_id,
        coalesce(logs.first_call_id, calls.call_id) as incident_call_id
    from (select unnest($calls) as call_id) as calls
    left join linkage.int_linkage__first_logs as logs on calls.call_id = logs.call_id
),

base as (
    select
        level = 'crime' as is_crime_record,
        weight
    from linkage.int_linkage__weights
    where comparison = 'leftover'
),

near as (
    select distinct pairs.crime_record_id
    from linkage.int_linkage__comparisons as pairs
    inner join wanted on pairs.incident_call_id = wanted.incident_call_id
    where pairs.is_match is null
),

incidents as (
    select
        pairs.crime_record_id,
        pairs.incident_call_id,
        max(patterns.weight + coalesce(base.weight, -1)) as weight
    from linkage.int_linkage__comparisons as pairs
    inner join near on pairs.crime_record_id = near.crime_record_id
    inner join linkage.int_linkage__pattern_weights as patterns
        on pairs.pattern = patterns.pattern
    left join base on pairs.is_crime_record = base.is_crime_record
    where pairs.is_match is null
    group by pairs.crime_record_id, pairs.incident_call_id
),

scored as (
    select
        crime_record_id,
        incident_call_id,
        pow(2, weight) / (1 + sum(pow(2, weight)) over (partition by crime_record_id))
            as probability
    from incidents
),

found as (
    select
        wanted.call_id,
        scored.crime_record_id,
        scored.probability
    from scored
    inner join wanted on scored.incident_call_id = wanted.incident_call_id
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
    any_value(records.status_code) as status_code,
    any_value(links.call_id) as linked_call_id,
    any_value(links.link_rung) as link_rung
from found
inner join staging.stg_crime_records as records
    on found.crime_record_id = records.crime_record_id and not records.is_withdrawn
left join codes.offences as offences on records.offence_code = offences.code
left join links on found.crime_record_id = links.crime_record_id
group by found.call_id, found.crime_record_id
order by found.call_id asc, probability desc, found.crime_record_id asc
