{#- What the lexicon finds in the texts that no earlier build has read; cdi.learning.readings keeps it for the
    next one. A crime that its own clause denies is not found. -#}
-- depends_on: {{ ref('lexicon_terms') }}, {{ ref('lexicon') }}
{% set entries = lexicon_entries() %}
{% set crimes = entries | selectattr('meaning', 'equalto', 'crime') | list %}
{% set others = entries | rejectattr('meaning', 'in', ['crime', 'negates_clause']) | list %}
{% set of_account = others | selectattr('part', 'equalto', 'account') | list %}
{% set of_closing = others | selectattr('part', 'equalto', 'closing') | list %}

with unread as (
    -- many entries repeat the same text ("resume with crew")
    select
        entries.text_hash,
        any_value(entries.part) as part,
        any_value(entries.entry) as entry
    from {{ ref('int_disclosure__log_entries') }} as entries
    anti join {{ source('landing', 'lexicon_readings') }} as known on entries.text_hash = known.text_hash
    group by entries.text_hash
),

accounts as (
    select
        *,
        {{ asserted('entry', entries) }} as asserted_entry
    from unread
    where part = 'account'
),

read_texts as (
    select
        text_hash,
        entry,
        {{ lexicon_hits(crimes, 'asserted_entry') }} || {{ lexicon_hits(of_account, 'entry') }} as hits
    from accounts

    union all

    select
        text_hash,
        entry,
        {{ lexicon_hits(of_closing, 'entry') }} as hits
    from unread
    where part = 'closing'
),

said as (
    select
        text_hash,
        entry,
        unnest({{ hits_or_none('hits') }}, max_depth := 2)
    from read_texts
),

final as (
    select
        text_hash,
        lexicon_id,
        {{ places_of_words('words', 'entry') }} as places
    from said
)

select * from final
