{#- The weight of each pattern of levels: the base-2 logarithm of the odds of a match. It is the learnt weight
    where learning saw the pattern, and otherwise the prior plus the weights of the levels, as if the
    comparisons were independent. A level that is unknown, or that learning never saw, adds nothing. -#}
with weights as not materialized (
    select * from {{ ref('int_linkage__weights') }}
),

comparisons as (
    select * from {{ ref('int_linkage__comparisons') }}
),

base as (
    select weight from weights
    where comparison = 'prior'
),

patterns as (
    select distinct pattern from comparisons
),

pattern_levels as (
    {{ link_pattern_levels('patterns', 'pattern') }}
),

independent as (
    select
        pattern_levels.pattern,
        any_value(base.weight) + coalesce(sum(weights.weight order by pattern_levels.comparison), 0) as weight
    from pattern_levels
    cross join base
    left join weights
        on pattern_levels.comparison = weights.comparison and pattern_levels.level = weights.level
    group by pattern_levels.pattern
),

final as (
    select
        patterns.pattern,
        coalesce(seen.weight, independent.weight) as weight
    from patterns
    inner join independent on patterns.pattern = independent.pattern
    left join weights as seen on seen.comparison = 'pattern' and patterns.pattern = seen.level
)

select * from final
