{#- The probabilities of the worklist beside what auditors found in rows of it, and the correction that
    follows. -#}
with audited as (
    select * from {{ ref('int_outcomes__audited_rows') }}
),

shifts as (
    select * from {{ ref('int_outcomes__miss_shifts') }}
),

counted as (
    select
        is_likely,
        count(*) as audited_count,
        sum(miss_probability order by miss_probability) as expected_count,
        count(*) filter (where is_missed) as missed_count
    from audited
    group by is_likely
),

means as (
    select
        is_likely,
        sum(weight * shift order by shift) as shift,
        sum(weight * pow(shift, 2) order by shift) as mean_square
    from shifts
    group by is_likely
),

final as (
    select
        means.is_likely,
        coalesce(counted.audited_count, 0) as audited_count,
        coalesce(counted.expected_count, 0) as expected_count,
        coalesce(counted.missed_count, 0) as missed_count,
        means.shift as odds_shift,
        sqrt(means.mean_square - pow(means.shift, 2)) as odds_shift_error
    from means
    left join counted on means.is_likely = counted.is_likely
)

select * from final
order by is_likely desc
