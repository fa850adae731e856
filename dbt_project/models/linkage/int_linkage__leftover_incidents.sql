{{ config(tags=['learning']) }}
{#- What the candidates of the leftover records are worth by what proven records teach: the odds of each
    incident, by the log of it that agrees best. -#}
with learnt as (
    select
        level as pattern,
        weight
    from {{ ref('int_linkage__fold_weights') }}
    where fold = 2 and comparison = 'pattern'
),

shift as (
    select shift from {{ ref('int_linkage__odds_shift') }}
    where fold = 2
),

pairs as (
    select * from {{ ref('int_linkage__comparisons') }}
    where is_match is null
),

final as (
    select
        pairs.crime_record_id,
        pairs.incident_call_id,
        any_value(pairs.is_crime_record) as is_crime_record,
        arg_max(pairs.pattern, (learnt.weight, pairs.pattern)) as pattern,
        pow(2, max(learnt.weight) + any_value(shift.shift)) as odds
    from pairs
    inner join learnt on pairs.pattern = learnt.pattern
    cross join shift
    group by pairs.crime_record_id, pairs.incident_call_id
)

select * from final
