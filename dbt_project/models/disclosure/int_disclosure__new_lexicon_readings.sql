{#- What the lexicon finds in the texts that no earlier build has read; cdi.learning.readings keeps it for the
    next one. A crime that its own clause denies is not found. A text is read only for the entries of which it has
    some letters. -#}
-- depends_on: {{ ref('lexicon_terms') }}, {{ ref('lexicon') }}
{% set entries = lexicon_entries() %}
{% set crimes = entries | selectattr('meaning', 'equalto', 'crime') | list %}
{% set others = entries | rejectattr('meaning', 'in', ['crime', 'negates_clause']) | list %}
{% set of_account = others | selectattr('part', 'equalto', 'account') | list %}
{% set of_closing = others | selectattr('part', 'equalto', 'closing') | list %}

with unread as (
    {{ unread_entries() }}
),

-- The words of all texts are many rows. DuckDB knows that `int_disclosure__unread_words` is the small side of
-- this join, because that is a table; otherwise it kept the large side in memory. It reads accounts and
-- closings one after the other, so that not all texts are kept at once.
readable as not materialized (
    select
        text_words.text_no,
        text_words.part,
        text_words.entry_place,
        any_value(text_words.entry) as entry,
        bit_or(words.bits) as bits
    from (select *, {{ words_of_entry('entry') }} as word from unread) as text_words
    left join {{ ref('int_disclosure__unread_words') }} as words
        on text_words.word = words.word and text_words.part = words.part
    group by text_words.text_no, text_words.part, text_words.entry_place
),

accounts as (
    select
        *,
        {{ asserted('entry', entries) }} as asserted_entry
    from readable
    where part = 'account'
),

read_texts as (
    select
        text_no,
        part,
        entry_place,
        entry,
        {{ lexicon_hits(crimes, 'asserted_entry', 'bits') }}
        || {{ lexicon_hits(of_account, 'entry', 'bits') }} as hits
    from accounts

    union all

    select
        text_no,
        part,
        entry_place,
        entry,
        {{ lexicon_hits(of_closing, 'entry', 'bits') }} as hits
    from readable
    where part = 'closing'
),

said as (
    select
        text_no,
        part,
        entry_place,
        entry,
        hits,
        unnest({{ hits_or_none('hits') }}, max_depth := 2)
    from read_texts
),

-- A crime that its entry explains away or leaves open does not count ("a toy gun", "lost or stolen"). Another
-- entry of the log may tell of it plainly.
final as (
    select
        text_no,
        part,
        entry_place,
        lexicon_id,
        {{ places_of_words('words', 'entry') }} as places,
        {{ is_explained_away(entries, 'lexicon_id', 'hits') }} as is_explained_away
    from said
)

select * from final
