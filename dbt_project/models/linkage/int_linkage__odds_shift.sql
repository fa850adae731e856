{{ config(tags=['learning']) }}
{#- By how many bits all odds are too modest. The weights of patterns are learnt from pairs, and the
    candidates of a record compete with each other once more when they are scored, so what they come to is too
    little. Of the records whose answer is known as many must have the call that is likeliest as the
    probabilities add up to; the shift that does it is found on a grid of a quarter of a bit. Fold 2 asks all
    records; folds 0 and 1 leave out one half each, as the weights do. -#}
{% set lowest, highest, steps = -4, 8, 4 %}

with scores as (
    select * from {{ ref('int_linkage__fold_scores') }}
),

records as (
    select
        half,
        crime_record_id,
        max(odds) as best_odds,
        sum(odds order by odds) as all_odds,
        arg_max(is_match, (odds, -incident_call_id::hugeint)) as is_match
    from scores
    group by half, crime_record_id
),

shifts as (
    select
        folds.fold,
        bits.step / {{ steps }} as shift
    from (select unnest([0, 1, 2]) as fold) as folds
    cross join (select unnest(range({{ lowest * steps }}, {{ highest * steps + 1 }})) as step) as bits
),

tried as (
    select
        shifts.fold,
        shifts.shift,
        sum(
            records.best_odds * pow(2, shifts.shift) / (1 + records.all_odds * pow(2, shifts.shift))
            order by records.best_odds, records.all_odds
        ) as expected_count,
        count(*) filter (where records.is_match) as match_count
    from shifts
    inner join records on shifts.fold <> records.half
    group by shifts.fold, shifts.shift
),

found as (
    select
        fold,
        arg_min(shift, (abs(expected_count - match_count), abs(shift))) as shift
    from tried
    group by fold
),

final as (
    select
        folds.fold,
        coalesce(found.shift, 0) as shift
    from (select unnest([0, 1, 2]) as fold) as folds
    left join found on folds.fold = found.fold
)

select * from final
