{{ config(tags=['learning']) }}
{#- Whether the probabilities hold. Each half of the proven records is scored by the weights, and with the
    shift, that the other half taught. -#}
with scores as (
    select * from {{ ref('int_linkage__fold_scores') }}
),

shifts as (
    select * from {{ ref('int_linkage__odds_shift') }}
),

incidents as (
    select
        scores.*,
        scores.odds * pow(2, shifts.shift) as shifted_odds
    from scores
    inner join shifts on scores.half = shifts.fold
),

best as (
    select
        is_match,
        shifted_odds / (1 + sum(shifted_odds) over by_odds) as probability
    from incidents
    window
        by_odds as (
            partition by crime_record_id order by shifted_odds asc
            rows between unbounded preceding and unbounded following
        )
    qualify
        row_number() over (partition by crime_record_id order by shifted_odds desc, incident_call_id asc) = 1
),

final as (
    select
        least(cast(floor(probability * 10) as integer), 9) / 10 as probability_from,
        count(*) as record_count,
        sum(probability order by probability) as expected_count,
        count(*) filter (where is_match) as match_count
    from best
    group by probability_from
)

select * from final
