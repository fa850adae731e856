{#- For each leftover record the log that it belongs to most probably: one of its candidates, or none. The
    logs of one incident speak for one candidate. Of equal ones the first received wins, then the first
    by number: a total order, so that a rerun equals the run. -#}
with weights as (
    select * from {{ ref('int_linkage__weights') }}
),

pattern_weights as (
    select * from {{ ref('int_linkage__pattern_weights') }}
),

pairs as (
    select * from {{ ref('int_linkage__comparisons') }}
),

calls as (
    select * from {{ ref('int_linkage__calls') }}
),

base as (
    select
        level = 'crime' as is_crime_record,
        weight
    from weights
    where comparison = 'leftover'
),

-- some thousand patterns in the order of their weights: a number stands for each
patterns as (
    select
        pattern,
        weight,
        row_number() over (order by weight asc, pattern asc) as pattern_place
    from pattern_weights
),

strongest as (
    select
        pairs.crime_record_id,
        pairs.incident_call_id,
        any_value(pairs.is_crime_record) as is_crime_record,
        max(patterns.pattern_place) as pattern_place
    from pairs
    inner join patterns on pairs.pattern = patterns.pattern
    where pairs.is_match is null
    group by pairs.crime_record_id, pairs.incident_call_id
),

incidents as (
    select
        strongest.crime_record_id,
        strongest.incident_call_id,
        patterns.weight + coalesce(base.weight, -1) as weight,
        patterns.pattern,
        calls.received_s
    from strongest
    inner join patterns on strongest.pattern_place = patterns.pattern_place
    left join base on strongest.is_crime_record = base.is_crime_record
    inner join calls on strongest.incident_call_id = calls.call_id
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
        case when {{ link_level('pattern', 'reference') }} = 'near' then 'repaired_key' else 'scored' end
            as link_rung
    from best
)

select * from final
