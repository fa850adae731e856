{#- How much of what auditors found is found by reading the text. A force needs nothing but its own audits
    to see this. The text model is cross-fitted: each audited log is read by a model that has not seen it. Logs
    are drawn by risk, so that each audited one counts as many times in the shares as it stands for logs. -#}
with standard as (
    select min_text_probability
    from {{ ref('rulesets') }}
    where ruleset = 'standard'
),

labels as (
    select * from {{ ref('int_disclosure__audit_labels') }}
),

logs as (
    select * from {{ ref('int_disclosure__logs') }}
),

readings as (
    select * from {{ ref('int_disclosure__text_reading') }}
),

call_types as not materialized (
    select * from {{ source('codes', 'call_types') }}
),

audited as (
    select
        labels.call_id,
        labels.weight,
        labels.crimes > 0 as has_crime,
        case
            when coalesce(initial_types.offence_group, final_types.offence_group) is not null then 'frame'
            else 'other'
        end as universe,
        -- A log without text tells of no crime.
        coalesce(readings.lexicon_reading = 'crime', false) as is_named_by_lexicon,
        coalesce(readings.crime_probability >= standard.min_text_probability, false) as is_named_by_model,
        bool_or(readings.crime_probability is not null) over () as has_model
    from labels
    inner join logs on labels.call_id = logs.call_id
    left join readings on labels.call_id = readings.call_id
    left join call_types as initial_types
        on logs.initial_type_code = initial_types.code
    left join call_types as final_types on logs.final_type_code = final_types.code
    cross join standard
    where labels.weight is not null
),

named as (
    select
        'lexicon' as reader,
        universe,
        weight,
        has_crime,
        is_named_by_lexicon as is_named
    from audited

    union all

    select
        'text_model' as reader,
        universe,
        weight,
        has_crime,
        is_named_by_model as is_named
    from audited
    where has_model

    union all

    select
        'both' as reader,
        universe,
        weight,
        has_crime,
        is_named_by_lexicon and is_named_by_model as is_named
    from audited
    where has_model
),

counted as (
    select
        reader,
        universe,
        count(*) as audited_count,
        count(*) filter (where has_crime) as crime_count,
        count(*) filter (where is_named) as named_count,
        count(*) filter (where is_named and has_crime) as named_rightly_count,
        sum(weight order by weight) filter (where has_crime) as crime_weight,
        sum(weight order by weight) filter (where is_named) as named_weight,
        coalesce(sum(weight order by weight) filter (where is_named and has_crime), 0) as named_rightly_weight
    from named
    group by reader, universe
),

final as (
    select
        reader,
        universe,
        audited_count,
        crime_count,
        named_count,
        named_rightly_count,
        named_rightly_weight / named_weight as precision,
        named_rightly_weight / crime_weight as recall
    from counted
)

select * from final
