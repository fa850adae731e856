{#- What the lexicon finds in each entry of each log, read in this build or in an earlier one. A crime that
    the entry explains away or leaves open does not count ("a toy gun", "lost or stolen"); a later entry may
    still tell of it plainly. -#}
with readings as (
    select
        text_hash,
        lexicon_id,
        places
    from {{ source('landing', 'lexicon_readings') }}
    where lexicon_id <> ''

    union all

    select
        text_hash,
        lexicon_id,
        places
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

explained as (
    select distinct readings.text_hash
    from readings
    inner join lexicon on readings.lexicon_id = lexicon.lexicon_id
    where lexicon.meaning in ('no_crime', 'unsure')
),

final as (
    select
        entries.call_id,
        entries.entry_number,
        readings.lexicon_id,
        {{ words_of_places('readings.places', 'entries.entry') }} as words,
        lexicon.* exclude (lexicon_id),  -- noqa: RF02
        explained.text_hash is not null as is_explained_away
    from {{ ref('int_disclosure__log_entries') }} as entries
    inner join readings on entries.text_hash = readings.text_hash
    inner join lexicon on readings.lexicon_id = lexicon.lexicon_id
    left join explained on entries.text_hash = explained.text_hash
    semi join {{ ref('int_disclosure__logs') }} as logs on entries.call_id = logs.call_id
)

select * from final
