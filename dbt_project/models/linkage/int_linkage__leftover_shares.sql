{{ config(tags=['learning']) }}
{#- The share of leftover records that have a call at all, of crimes and of other records. It is a fixed
    point: the share at which the probabilities of the leftover records add up to that same share. -#}
{% set rounds = 8 %}

with incidents as (
    select * from {{ ref('int_linkage__leftover_incidents') }}
),

pairs as (
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
    select
        blocks.is_crime_record,
        blocks.found_count,
        blocks.missed_count,
        shares.share
    from blocks
    left join round_{{ rounds }} as shares on blocks.is_crime_record = shares.is_crime_record
)

select * from final
