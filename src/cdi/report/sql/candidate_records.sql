-- Records that a missed crime of a call could have: leftover records (no reference proves which call they
-- belong to) that were compared with the call's incident, and records that are linked to the call already.
-- The probability is worked out as in linkage.int_linkage__scored, which keeps only the best incident of a
-- record: the incidents near a record share the probability with the chance that none of them is the right
-- one. The base weight says how often leftover records have a call at all; crime records differ in that from
-- other occurrences.
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
