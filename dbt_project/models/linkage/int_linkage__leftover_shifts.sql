{{ config(tags=['learning']) }}
{#- How leftover records differ from the proven ones that teach the weights. Which records name their call is
    no chance: the further crime of a log has a victim of its own, its call has a record already, and it names
    the call seldom; and what names its call rightly is proven, so that the references left over are mistyped. So
    the likely calls of the leftover records say anew how often a match has each level of name, birth date,
    reference and earlier record: expectation and maximisation, begun from what is proven, with the weight of some
    proven pairs. Time, place and offence stay as proven, or any neighbour would do. -#}
{% set comparisons = ['name', 'birth_date', 'reference', 'taken'] %}
{% set rounds = 3 %}
{% set proven_pairs = 20 %}

with fold_weights as (
    select * from {{ ref('int_linkage__fold_weights') }}
),

shares as (
    select * from {{ ref('int_linkage__leftover_shares') }}
),

all_incidents as (
    select * from {{ ref('int_linkage__leftover_incidents') }}
),

learnt as (
    select
        comparison,
        level,
        (match_count + 0.5) / (sum(match_count) over (partition by comparison) + 1) as share
    from fold_weights
    where fold = 2 and comparison in ({{ "'" ~ comparisons | join("', '") ~ "'" }})
),

incidents as (
    select
        incidents.crime_record_id,
        {% for comparison in comparisons %}
            {{ link_level('incidents.pattern', comparison) }} as {{ comparison }}_level,
        {% endfor %}
        incidents.odds * shares.share as odds
    from all_incidents as incidents
    inner join shares on incidents.is_crime_record = shares.is_crime_record
),

round_0 as (
    select
        comparison,
        level,
        share,
        cast(0 as double) as shift
    from learnt
),

{% for round in range(1, rounds + 1) %}
    shifted_{{ round }} as (
        select
            incidents.*,
            incidents.odds
            {% for comparison in comparisons %}
                * pow(2, coalesce({{ comparison }}.shift, 0))
            {% endfor %}
                as new_odds
        from incidents
        {% for comparison in comparisons %}
            left join round_{{ round - 1 }} as {{ comparison }}
                on
                    {{ comparison }}.comparison = '{{ comparison }}'
                    and incidents.{{ comparison }}_level = {{ comparison }}.level
        {% endfor %}
    ),

    expected_{{ round }} as (
        select
            *,
            new_odds / (1 + sum(new_odds) over by_odds) as probability
        from shifted_{{ round }}
        window
            by_odds as (
                partition by crime_record_id order by new_odds asc
                rows between unbounded preceding and unbounded following
            )
    ),

    counted_{{ round }} as (
        {% for comparison in comparisons %}
            select
                '{{ comparison }}' as comparison,
                {{ comparison }}_level as level,
                sum(probability order by probability) as match_count
            from expected_{{ round }}
            where {{ comparison }}_level <> 'unknown'
            group by level
            {{ 'union all' if not loop.last }}
        {% endfor %}
    ),

    round_{{ round }} as (
        select
            learnt.comparison,
            learnt.level,
            learnt.share,
            log2(
                (coalesce(counted.match_count, 0) + {{ proven_pairs }} * learnt.share)
                / (
                    sum(coalesce(counted.match_count, 0))
                        over (
                            partition by learnt.comparison order by learnt.level asc
                            rows between unbounded preceding and unbounded following
                        )
                    + {{ proven_pairs }}
                )
                / learnt.share
            ) as shift
        from learnt
        left join counted_{{ round }} as counted
            on learnt.comparison = counted.comparison and learnt.level = counted.level
    ),

{% endfor %}
final as (
    select
        comparison,
        level,
        shift
    from round_{{ rounds }}
)

select * from final
