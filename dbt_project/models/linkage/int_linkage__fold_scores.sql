{{ config(tags=['learning']) }}
{#- What the proven records' candidates are worth if no reference is seen. Each half of the records is scored
    by the weights that the other half taught. For a third of the records their call is hidden, because many
    leftover records have no call. -#}
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
        cast(md5_number_upper(records.published_record_id) % 2 as integer) as half
    from comparisons
    inner join records on comparisons.crime_record_id = records.crime_record_id
),

shown as (
    select * from pairs
    where not (is_match and crime_record_id // 2 % 3 = 0)
),

final as (
    select
        shown.crime_record_id,
        shown.incident_call_id,
        shown.half,
        bool_or(shown.is_match) as is_match,
        {{ present }} * pow(2, max(weights.weight)) as odds
    from shown
    inner join weights on shown.half = weights.fold and shown.pattern = weights.level
    group by shown.crime_record_id, shown.incident_call_id, shown.half
)

select * from final
