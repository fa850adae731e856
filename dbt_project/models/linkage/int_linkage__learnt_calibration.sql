{{ config(tags=['learning']) }}
{#- Whether the probabilities hold. Each half of the proven records is scored by the weights that the other
    half taught. For a third of the records their call is hidden, because many leftover records have no
    call. -#}
{% set present = 2 / 3 %}

with comparisons as (
    select * from {{ ref('int_linkage__comparisons') }}
    where is_match is not null
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

weights as (
    select * from {{ ref('int_linkage__fold_weights') }}
    where comparison = 'pattern'
),

pairs as (
    select
        comparisons.*,
        md5_number_upper(records.published_record_id) % 2 as half
    from comparisons
    inner join records on comparisons.crime_record_id = records.crime_record_id
),

shown as (
    select * from pairs
    where not (is_match and crime_record_id // 2 % 3 = 0)
),

incidents as (
    select
        shown.crime_record_id,
        shown.incident_call_id,
        bool_or(shown.is_match) as is_match,
        {{ present }} * pow(2, max(weights.weight)) as odds
    from shown
    inner join weights on shown.half = weights.fold and shown.pattern = weights.level
    group by shown.crime_record_id, shown.incident_call_id
),

best as (
    select
        is_match,
        odds / (1 + sum(odds) over by_odds) as probability
    from incidents
    window
        by_odds as (
            partition by crime_record_id order by odds asc
            rows between unbounded preceding and unbounded following
        )
    qualify row_number() over (partition by crime_record_id order by odds desc, incident_call_id asc) = 1
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
