{#- By how many bits the odds of the list's probabilities are too low, as far as is known. The text model
    learns from all audited logs, and the list holds only those without a record, so the model is too modest of
    likely rows and too sure of possible ones. What is known before the agency's own audits is in
    miss_shifts.csv; what auditors found in rows of the list is added to it by Bayes' rule, on a grid of an
    eighth of a bit. -#}
{% set lowest, highest, steps = -8, 8, 8 %}
{% set least_chance = 1e-6 %}

with known as (
    select * from {{ ref('miss_shifts') }}
),

audited as (
    select
        is_likely,
        is_missed,
        greatest({{ least_chance }}, least(1 - {{ least_chance }}, miss_probability)) as miss_probability
    from {{ ref('int_outcomes__audited_rows') }}
),

shifts as (
    select
        known.is_likely,
        bits.step / {{ steps }} as shift,
        -pow((bits.step / {{ steps }} - known.shift) / known.shift_error, 2) / 2 as log_known
    from known
    cross join (select unnest(range({{ lowest * steps }}, {{ highest * steps + 1 }})) as step) as bits
),

tried as (
    select
        shifts.is_likely,
        shifts.shift,
        any_value(shifts.log_known)
        - coalesce(
            sum(
                ln(
                    1 + if(
                        audited.is_missed,
                        (1 - audited.miss_probability) / audited.miss_probability * pow(2, -shifts.shift),
                        audited.miss_probability / (1 - audited.miss_probability) * pow(2, shifts.shift)
                    )
                )
                order by audited.miss_probability, audited.is_missed
            ),
            0
        ) as log_weight
    from shifts
    left join audited on shifts.is_likely = audited.is_likely
    group by shifts.is_likely, shifts.shift
),

weighed as (
    select
        is_likely,
        shift,
        exp(log_weight - max(log_weight) over (partition by is_likely)) as weight
    from tried
),

final as (
    select
        is_likely,
        shift,
        -- The last digits of a logarithm differ between machines.
        round(weight / sum(weight) over by_shift, 9) as weight
    from weighed
    window
        by_shift as (
            partition by is_likely order by shift asc
            rows between unbounded preceding and unbounded following
        )
)

select * from final
