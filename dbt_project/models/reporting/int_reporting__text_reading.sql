{#- What a log's text says, in one word: the text model decides where there is one, else the lexicon. Where
    the lexicon finds the account explained away, the model must be surer. -#}
with logs as (
    select logs.call_id
    from {{ ref('int_reporting__logs') }} as logs
    semi join (
        select distinct call_id
        from {{ ref('int_reporting__log_entries') }}
    ) as entries on logs.call_id = entries.call_id
),

hits as (
    select
        call_id,
        bool_or(meaning = 'crime' and strength = 'likely' and not is_explained_away) as tells_crime,
        bool_or(meaning in ('no_crime', 'unsure')) as explains_away
    from {{ ref('int_reporting__lexicon_hits') }}
    group by call_id
),

standard as (
    select * from {{ ref('rulesets') }}
    where ruleset = 'standard'
),

read_logs as (
    select
        logs.call_id,
        case
            when hits.tells_crime then 'crime'
            when hits.explains_away then 'no_crime'
            else 'nothing'
        end as lexicon_reading,
        model.crime_probability,
        model.second_probability,
        model.model_version,
        case
            when hits.explains_away and not hits.tells_crime then standard.min_text_probability_explained_away
            else standard.min_text_probability
        end as min_text_probability
    from logs
    left join hits on logs.call_id = hits.call_id
    left join {{ ref('int_reporting__text_model') }} as model on logs.call_id = model.call_id
    cross join standard
),

final as (
    select
        call_id,
        case
            when crime_probability >= min_text_probability then 'crime'
            when crime_probability < min_text_probability then 'no_crime'
            else lexicon_reading
        end as text_reading,
        lexicon_reading,
        crime_probability,
        second_probability,
        model_version
    from read_logs
)

select * from final
