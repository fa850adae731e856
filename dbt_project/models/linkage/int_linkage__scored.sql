{#- For each leftover record the log that it belongs to most probably: one of its candidates, or none. The
    logs of one incident speak for one candidate. Of equal ones the first received wins, then the first
    by number: a total order, so that a rerun equals the run. -#}
with weights as (
    select * from {{ ref('int_linkage__weights') }}
),

base as (
    select
        level = 'crime' as is_crime_record,
        weight
    from weights
    where comparison = 'leftover'
),

pairs as (
    select
        pairs.crime_record_id,
        pairs.incident_call_id,
        pairs.pattern,
        patterns.weight + coalesce(base.weight, -1) as weight
    from {{ ref('int_linkage__comparisons') }} as pairs
    inner join {{ ref('int_linkage__pattern_weights') }} as patterns on pairs.pattern = patterns.pattern
    left join base on pairs.is_crime_record = base.is_crime_record
    where pairs.is_match is null
),

incidents as (
    select
        pairs.crime_record_id,
        pairs.incident_call_id,
        max(pairs.weight) as weight,
        max_by(pairs.pattern, (pairs.weight, pairs.pattern)) as pattern,
        any_value(calls.received_s) as received_s
    from pairs
    inner join {{ ref('int_linkage__calls') }} as calls on pairs.incident_call_id = calls.call_id
    group by pairs.crime_record_id, pairs.incident_call_id
),

best as (
    select
        *,
        pow(2, weight) / (1 + sum(pow(2, weight)) over of_record) as probability
    from incidents
    window of_record as (partition by crime_record_id)
    qualify row_number() over (
        partition by crime_record_id
        order by weight desc, received_s asc, incident_call_id asc
    ) = 1
),

final as (
    select
        crime_record_id,
        incident_call_id as call_id,
        pattern,
        weight,
        probability,
        case when string_split(pattern, '/')[7] = 'near' then 'repaired_key' else 'scored' end as link_rung
    from best
)

select * from final
