{#- The text model's probabilities for each log, read in this build or in an earlier one. A log from which the
    model learnt is read by a model that has not seen it. -#}
with contents as (
    select * from {{ ref('int_disclosure__text_contents') }}
),

weights as (
    select * from {{ source('landing', 'text_weights') }}
),

text_readings as (
    select * from {{ source('landing', 'text_readings') }}
),

new_readings as (
    select * from {{ ref('int_disclosure__new_text_readings') }}
),

audited as (
    select * from {{ source('landing', 'audited_readings') }}
),

readings as (
    select * from text_readings
    union all
    select * from new_readings
),

final as (
    select
        contents.call_id,
        coalesce(audited.crime_probability, readings.crime_probability) as crime_probability,
        coalesce(audited.second_probability, readings.second_probability) as second_probability,
        readings.offence_group,
        readings.second_group,
        readings.pair_count,
        readings.known_pair_count,
        weights.version as model_version
    from contents
    inner join readings on contents.content_hash = readings.content_hash
    left join audited on contents.call_id = audited.call_id
    cross join weights
)

select * from final
