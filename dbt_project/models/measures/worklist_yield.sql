{#- How many missed crimes the rows of the worklist are expected to hold: the sum of their probabilities, with
    odds corrected as far as is known. The limits allow for what is not known of the correction, for parts of
    the list that need another one (a shift by e bits moves the sum by e ln 2 times the variance of chance),
    and for chance: a row holds a crime or none. Before an audit there are no probabilities, and nothing is
    said. -#}
{% set normal_quantile = 1.96 %}

with worklist as not materialized (
    select * from {{ ref('unrecorded_crimes') }}
    where reading_part is not null
),

capacity as (
    select * from {{ ref('int_outcomes__reading_capacity') }}
),

shifts as (
    select * from {{ ref('int_outcomes__miss_shifts') }}
),

known as (
    select * from {{ ref('miss_shifts') }}
),

parts as (
    select
        unnest(['now', 'likely', 'possible']) as reading_part,
        unnest([1, 2, 3]) as part_place
),

counted as (
    select
        reading_part,
        count(distinct call_id) as log_count,
        count(*) as row_count,
        count(miss_probability) as told_count
    from worklist
    group by reading_part
),

shifted as (
    select
        worklist.reading_part,
        worklist.is_likely,
        shifts.shift,
        any_value(shifts.weight) as weight,
        sum(
            worklist.miss_probability
            / (worklist.miss_probability + (1 - worklist.miss_probability) * pow(2, -shifts.shift))
            order by worklist.miss_probability
        ) as expected_count,
        sum(
            worklist.miss_probability * (1 - worklist.miss_probability) * pow(2, -shifts.shift)
            / pow(worklist.miss_probability + (1 - worklist.miss_probability) * pow(2, -shifts.shift), 2)
            order by worklist.miss_probability
        ) as variance_of_chance
    from worklist
    inner join shifts on worklist.is_likely = shifts.is_likely
    where worklist.miss_probability > 0
    group by worklist.reading_part, worklist.is_likely, shifts.shift
),

means as (
    select
        shifted.reading_part,
        shifted.is_likely,
        any_value(known.part_error) as part_error,
        sum(shifted.weight * shifted.expected_count order by shifted.shift) as expected_count,
        sum(shifted.weight * pow(shifted.expected_count, 2) order by shifted.shift) as mean_square,
        sum(shifted.weight * shifted.variance_of_chance order by shifted.shift) as variance_of_chance
    from shifted
    inner join known on shifted.is_likely = known.is_likely
    group by shifted.reading_part, shifted.is_likely
),

expected as (
    select
        reading_part,
        sum(expected_count order by is_likely) as expected_count,
        sqrt(
            sum(
                mean_square - pow(expected_count, 2)
                + pow(part_error * ln(2) * variance_of_chance, 2)
                + variance_of_chance
                order by is_likely
            )
        ) as error
    from means
    group by reading_part
),

limited as (
    select
        expected.reading_part,
        expected.expected_count,
        greatest(0, expected.expected_count - {{ normal_quantile }} * expected.error) as lower_limit,
        least(counted.row_count, expected.expected_count + {{ normal_quantile }} * expected.error)
            as upper_limit
    from expected
    inner join counted on expected.reading_part = counted.reading_part
),

final as (
    select
        parts.reading_part,
        parts.part_place,
        capacity.logs_a_month,
        coalesce(counted.log_count, 0) as log_count,
        coalesce(counted.row_count, 0) as row_count,
        coalesce(counted.row_count - counted.told_count, 0) as untold_count,
        round(expected.expected_count, 1) as expected_count,
        round(expected.lower_limit, 1) as lower_limit,
        round(expected.upper_limit, 1) as upper_limit
    from parts
    left join counted on parts.reading_part = counted.reading_part
    left join limited as expected on parts.reading_part = expected.reading_part
    cross join capacity
)

select * from final
order by part_place
