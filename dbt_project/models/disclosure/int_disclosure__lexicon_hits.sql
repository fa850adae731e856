{#- What the lexicon finds in each entry of each log, read in this build or in an earlier one. -#}
{% set entry = entries_of_text('texts.text') ~ '[readings.entry_place]' %}

with readings as (
    select
        text_no,
        part,
        entry_place,
        lexicon_id,
        places,
        is_explained_away
    from {{ source('landing', 'lexicon_readings') }}
    where lexicon_id <> ''

    union all

    select
        text_no,
        part,
        entry_place,
        lexicon_id,
        places,
        is_explained_away
    from {{ ref('int_disclosure__new_lexicon_readings') }}
    where lexicon_id <> ''
),

lexicon as (
    select distinct
        lexicon_id,
        part,
        meaning,
        subject,
        is_rape,
        strength,
        replaces,
        coalesce(counting_class, '') as counting_class
    from {{ ref('lexicon') }}
),

final as (
    select
        texts.call_id,
        1000 * texts.sequence_number + readings.entry_place as entry_number,
        readings.lexicon_id,
        {{ words_of_places('readings.places', entry) }} as words,
        lexicon.* exclude (lexicon_id),  -- noqa: RF02
        readings.is_explained_away
    from {{ ref('int_disclosure__log_texts') }} as texts
    inner join readings on texts.text_no = readings.text_no and texts.part = readings.part
    inner join lexicon on readings.lexicon_id = lexicon.lexicon_id
    semi join {{ ref('int_disclosure__logs') }} as logs on texts.call_id = logs.call_id
)

select * from final
