{{ config(tags=['learning']) }}
{#- The weights that this landing teaches, and the share of leftover records that have a call at all. The
    share is a fixed point: the share at which the probabilities of the leftover records add up to that
    same share. It is worked out for crimes and for other records separately. The weight that stands for it
    makes good as well how far the odds are too modest. -#}
{% set rounds = 8 %}

with learnt as not materialized (
    select
        comparison,
        level,
        match_count,
        other_count,
        weight
    from {{ ref('int_linkage__fold_weights') }}
    where fold = 2
),

shift as not materialized (
    select shift from {{ ref('int_linkage__odds_shift') }}
    where fold = 2
),

pairs as not materialized (
    select * from {{ ref('int_linkage__comparisons') }}
),

subjects as not materialized (
    select * from {{ ref('int_linkage__subjects') }}
),

found as (
    select distinct crime_record_id
    from pairs
    where is_match
),

-- How many of the proven records have their call among their candidates.
blocks as (
    select
        subjects.is_crime_record,
        count(*) filter (where found.crime_record_id is not null) as found_count,
        count(*) filter (where found.crime_record_id is null) as missed_count
    from subjects
    left join found on subjects.crime_record_id = found.crime_record_id
    where subjects.proven_call_id is not null
    group by subjects.is_crime_record
),

incidents as (
    select
        pairs.crime_record_id,
        pairs.is_crime_record,
        max(pow(2, learnt.weight + shift.shift)) as odds
    from pairs
    inner join learnt on learnt.comparison = 'pattern' and pairs.pattern = learnt.level
    cross join shift
    where pairs.is_match is null
    group by pairs.crime_record_id, pairs.is_crime_record, pairs.incident_call_id
),

leftovers as (
    select
        subjects.is_crime_record,
        subjects.crime_record_id,
        coalesce(sum(incidents.odds order by incidents.odds), 0) as odds
    from subjects
    left join incidents on subjects.crime_record_id = incidents.crime_record_id
    where subjects.proven_call_id is null
    group by subjects.is_crime_record, subjects.crime_record_id
),

round_0 as (
    select
        is_crime_record,
        cast(0.5 as double) as share
    from blocks
),

{% for round in range(1, rounds + 1) %}
    round_{{ round }} as (
        select
            leftovers.is_crime_record,
            least(
                avg(
                    before.share * leftovers.odds / (1 + before.share * leftovers.odds)
                    order by leftovers.odds
                )
                * any_value((blocks.found_count + blocks.missed_count + 1) / (blocks.found_count + 1)),
                1
            ) as share
        from leftovers
        inner join round_{{ round - 1 }} as before on leftovers.is_crime_record = before.is_crime_record
        inner join blocks on leftovers.is_crime_record = blocks.is_crime_record
        group by leftovers.is_crime_record
    ),

{% endfor %}
final as (
    select * from learnt
    where match_count + other_count > 0
    union all
    select
        'blocks' as comparison,
        case when is_crime_record then 'crime' else 'no_crime' end as level,
        found_count as match_count,
        missed_count as other_count,
        0 as weight
    from blocks
    union all
    select
        'leftover' as comparison,
        case when shares.is_crime_record then 'crime' else 'no_crime' end as level,
        null as match_count,
        null as other_count,
        log2(greatest(shares.share, 0.001)) + shift.shift as weight
    from round_{{ rounds }} as shares
    cross join shift
)

select * from final
