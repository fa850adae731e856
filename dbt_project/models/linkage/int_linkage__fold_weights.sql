{{ config(tags=['learning']) }}
{#- Fellegi-Sunter weights. They need no expectation maximisation, because the references say which pairs
    are matches. The weight of a level is the base-2 logarithm of the likelihood ratio: how much more often
    matches show the level than other pairs do. The weight of a whole pattern comes from its counted odds,
    shrunk with the weight of one pair towards what independent comparisons would give. Fold 2 learns from
    all pairs; folds 0 and 1 leave out one half each, so that each half can be tested with weights that
    have not seen it. -#}
{% set pseudo_pairs = 1 %}

with pairs as (
    select
        comparisons.pattern,
        comparisons.is_match,
        md5_number_upper(records.published_record_id) % 2 as half
    from {{ ref('int_linkage__comparisons') }} as comparisons
    inner join {{ ref('stg_crime_records') }} as records
        on comparisons.crime_record_id = records.crime_record_id
),

patterns as (
    select
        folds.fold,
        pairs.pattern,
        count(*) filter (where pairs.is_match and pairs.half <> folds.fold) as match_count,
        count(*) filter (where not pairs.is_match and pairs.half <> folds.fold) as other_count
    from pairs
    cross join (select unnest([0, 1, 2]) as fold) as folds
    group by folds.fold, pairs.pattern
),

priors as (
    select
        fold,
        sum(match_count) as match_count,
        sum(other_count) as other_count,
        log2((sum(match_count) + 0.5) / (sum(other_count) + 0.5)) as weight
    from patterns
    group by fold
),

pattern_levels as (
    {{ link_pattern_levels('patterns', 'fold, pattern, match_count, other_count') }}
),

levels as (
    select
        fold,
        comparison,
        level,
        sum(match_count) as match_count,
        sum(other_count) as other_count
    from pattern_levels
    where level <> 'unknown'
    group by fold, comparison, level
),

level_weights as (
    select
        *,
        log2((match_count + 0.5) / (sum(match_count) over of_comparison + 1))
        - log2((other_count + 0.5) / (sum(other_count) over of_comparison + 1)) as weight
    from levels
    window of_comparison as (partition by fold, comparison)
),

independent as (
    select
        pattern_levels.fold,
        pattern_levels.pattern,
        any_value(pattern_levels.match_count) as match_count,
        any_value(pattern_levels.other_count) as other_count,
        pow(
            2,
            any_value(priors.weight)
            + coalesce(sum(level_weights.weight order by pattern_levels.comparison), 0)
        ) as odds
    from pattern_levels
    inner join priors on pattern_levels.fold = priors.fold
    left join level_weights
        on
            pattern_levels.fold = level_weights.fold
            and pattern_levels.comparison = level_weights.comparison
            and pattern_levels.level = level_weights.level
    group by pattern_levels.fold, pattern_levels.pattern
),

final as (
    select
        fold,
        comparison,
        level,
        match_count,
        other_count,
        weight
    from level_weights
    union all
    select
        fold,
        'prior' as comparison,
        'pair' as level,
        match_count,
        other_count,
        weight
    from priors
    union all
    select
        fold,
        'pattern' as comparison,
        pattern as level,
        match_count,
        other_count,
        log2(match_count + {{ pseudo_pairs }} * odds / (1 + odds))
        - log2(other_count + {{ pseudo_pairs }} / (1 + odds)) as weight
    from independent
)

select * from final
