{#- How probable each incident is that a leftover record was compared with. The logs of one incident count as
    one candidate: the one that agrees best stands for it. The incidents of a record share the probability with
    the chance that none of them is the right one. -#}
with weights as (
    select * from {{ ref('int_linkage__weights') }}
),

pattern_weights as (
    select * from {{ ref('int_linkage__pattern_weights') }}
),

pairs as (
    select * from {{ ref('int_linkage__comparisons') }}
    where is_match is null
),

-- How often leftover records have a call at all; crime records differ in that from other occurrences.
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
    group by pairs.crime_record_id, pairs.incident_call_id
),

incidents as (
    select
        strongest.crime_record_id,
        strongest.incident_call_id,
        patterns.pattern,
        patterns.weight + coalesce(base.weight, -1) as weight
    from strongest
    inner join patterns on strongest.pattern_place = patterns.pattern_place
    left join base on strongest.is_crime_record = base.is_crime_record
),

final as (
    select
        *,
        pow(2, weight) / (1 + sum(pow(2, weight)) over by_weight) as probability
    from incidents
    window
        by_weight as (
            partition by crime_record_id order by weight asc
            rows between unbounded preceding and unbounded following
        )
)

select * from final
