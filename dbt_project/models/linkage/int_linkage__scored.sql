{#- The call that each leftover record most probably belongs to, out of its candidates. The logs of one
    incident count as one candidate. If two candidates have equal weights, the call that was received first
    wins, and then the one with the lower number. That is a total order, so that a rerun gives the same
    links. -#}
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

-- There are some thousand patterns. Each gets its place in the order of their weights, because numbers are
-- compared faster than texts.
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
