{#- One word for what the text of a log says. The text model decides if there is one, otherwise the
    lexicon. -#}
with logs as (
    select call_id from {{ ref('int_disclosure__text_contents') }}
),

standard as (
    select * from {{ ref('rulesets') }}
    where ruleset = 'standard'
),

lexicon_hits as (
    select * from {{ ref('int_disclosure__lexicon_hits') }}
),

model as (
    select * from {{ ref('int_disclosure__text_model') }}
),

hits as (
    select
        call_id,
        bool_or(meaning = 'crime' and strength = 'likely' and not is_explained_away) as tells_crime,
        bool_or(meaning in ('no_crime', 'unsure')) as explains_away
    from lexicon_hits
    group by call_id
),

lexicon as (
    select
        logs.call_id,
        case
            when hits.tells_crime then 'crime'
            when hits.explains_away then 'no_crime'
            else 'nothing'
        end as lexicon_reading
    from logs
    left join hits on logs.call_id = hits.call_id
),

read as (
    select
        lexicon.*,
        model.crime_probability,
        model.second_probability,
        model.offence_group,
        model.second_group,
        model.model_version,
        if(
            lexicon.lexicon_reading = 'no_crime',
            standard.min_text_probability_explained_away, standard.min_text_probability
        ) as min_probability
    from lexicon
    left join model on lexicon.call_id = model.call_id
    cross join standard
),

final as (
    select
        call_id,
        case
            when crime_probability >= min_probability then 'crime'
            when crime_probability < min_probability then 'no_crime'
            else lexicon_reading
        end as text_reading,
        lexicon_reading,
        crime_probability,
        second_probability,
        offence_group,
        second_group,
        model_version
    from read
)

select * from final
