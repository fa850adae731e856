{{ config(tags=['learning']) }}
{#- The weights that this landing teaches: what proven records say, and how leftover records, for which alone
    they are used, differ from them. The weight of a leftover record is the share of them that have a call at
    all; it makes good as well how far the odds are too modest. -#}
with learnt as not materialized (
    select
        comparison,
        level,
        match_count,
        other_count,
        weight
    from {{ ref('int_linkage__fold_weights') }}
    where fold = 2 and match_count + other_count > 0
),

shift as (
    select shift from {{ ref('int_linkage__odds_shift') }}
    where fold = 2
),

shares as not materialized (
    select * from {{ ref('int_linkage__leftover_shares') }}
),

leftover_shifts as not materialized (
    select * from {{ ref('int_linkage__leftover_shifts') }}
),

patterns as (
    select level as pattern from learnt
    where comparison = 'pattern'
),

pattern_levels as (
    {{ link_pattern_levels('patterns', 'pattern') }}
),

-- What shifts a level shifts each pattern that has it.
shifts as (
    select
        'pattern' as comparison,
        pattern_levels.pattern as level,
        sum(leftover_shifts.shift order by leftover_shifts.comparison) as shift
    from pattern_levels
    inner join leftover_shifts
        on
            pattern_levels.comparison = leftover_shifts.comparison
            and pattern_levels.level = leftover_shifts.level
    group by pattern_levels.pattern
    union all
    select
        comparison,
        level,
        shift
    from leftover_shifts
),

final as (
    select
        learnt.comparison,
        learnt.level,
        learnt.match_count,
        learnt.other_count,
        learnt.weight + coalesce(shifts.shift, 0) as weight
    from learnt
    left join shifts on learnt.comparison = shifts.comparison and learnt.level = shifts.level
    union all
    select
        'blocks' as comparison,
        case when is_crime_record then 'crime' else 'no_crime' end as level,
        found_count as match_count,
        missed_count as other_count,
        0 as weight
    from shares
    union all
    select
        'leftover' as comparison,
        case when shares.is_crime_record then 'crime' else 'no_crime' end as level,
        null as match_count,
        null as other_count,
        log2(greatest(shares.share, 0.001)) + shift.shift as weight
    from shares
    cross join shift
    where shares.share is not null
)

select * from final
