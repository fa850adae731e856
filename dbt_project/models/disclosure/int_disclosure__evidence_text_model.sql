{#- Logs in which the text model reads a crime with some probability. Where neither a code nor a plain phrase
    names the offence group, it is the group under which logs with such words are opened most often. -#}
with readings as (
    select readings.*
    from {{ ref('int_disclosure__text_reading') }} as readings
    inner join {{ ref('rulesets') }} as rulesets on rulesets.ruleset = 'inclusive'
    where readings.crime_probability >= rulesets.min_text_probability
),

named as (
    select call_id
    from {{ ref('int_disclosure__evidence_log_text') }}
    where is_plain
    union
    select call_id from {{ ref('int_disclosure__evidence_final_type') }}
    union
    select call_id from {{ ref('int_disclosure__evidence_initial_type') }}
),

final as (
    select
        readings.call_id,
        readings.crime_probability,
        readings.second_probability,
        readings.model_version,
        readings.text_reading,
        case when named.call_id is null then model.offence_group end as offence_group
    from readings
    inner join {{ ref('int_disclosure__text_model') }} as model on readings.call_id = model.call_id
    left join named on readings.call_id = named.call_id
)

select * from final
