{#- What the lexicon finds in the texts that no earlier build has read; cdi.learning.readings keeps it for the
    next one. A crime that its own clause denies is not found. -#}
-- depends_on: {{ ref('lexicon_terms') }}, {{ ref('lexicon') }}
{% set entries = lexicon_entries() %}
{% set crimes = entries | selectattr('meaning', 'equalto', 'crime') | list %}
{% set others = entries | rejectattr('meaning', 'in', ['crime', 'negates_clause']) | list %}
{% set of_account = others | selectattr('part', 'equalto', 'account') | list %}
{% set of_closing = others | selectattr('part', 'equalto', 'closing') | list %}

with unread as (
    -- many logs repeat the same text ("resume with crew")
    select
        texts.text_no,
        texts.part,
        any_value(texts.text) as text
    from {{ ref('int_disclosure__log_texts') }} as texts
    anti join {{ source('landing', 'lexicon_readings') }} as known
        on texts.text_no = known.text_no and texts.part = known.part
    group by texts.text_no, texts.part
),

unread_entries as (
    select
        text_no,
        part,
        {{ entry_places('text') }} as entry_place,
        {{ entries_of_text('text') }} as entry
    from unread
),

accounts as (
    select
        *,
        {{ asserted('entry', entries) }} as asserted_entry
    from unread_entries
    where part = 'account'
),

read_texts as (
    select
        text_no,
        part,
        entry_place,
        entry,
        {{ lexicon_hits(crimes, 'asserted_entry') }} || {{ lexicon_hits(of_account, 'entry') }} as hits
    from accounts

    union all

    select
        text_no,
        part,
        entry_place,
        entry,
        {{ lexicon_hits(of_closing, 'entry') }} as hits
    from unread_entries
    where part = 'closing'
),

said as (
    select
        text_no,
        part,
        entry_place,
        entry,
        unnest({{ hits_or_none('hits') }}, max_depth := 2)
    from read_texts
),

final as (
    select
        text_no,
        part,
        entry_place,
        lexicon_id,
        {{ places_of_words('words', 'entry') }} as places
    from said
)

select * from final
