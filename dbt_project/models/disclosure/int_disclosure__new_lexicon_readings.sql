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

text_words as not materialized (
    select
        *,
        -- the empty word stands in each text, as an entry that needs no letters is looked for in each
        unnest([''] || regexp_split_to_array(entry, '[^a-z]+')) as word
    from unread_entries
),

words as (
    select
        word,
        unnest(range(1, greatest(length(word), 1) + 1)) as start
    from (select distinct word from text_words) as distinct_words
),

lengths as (
    select distinct length(letters) as length
    from {{ ref('int_disclosure__needed_letters') }}
),

-- what a word can belong to, found out once for each word: the same few words make up all texts
words_of_entries as (
    select
        words.word,
        needed.part,
        {{ bits_of_entries('needed.lexicon_id', entries) }} as bits
    from words
    cross join lengths
    inner join {{ ref('int_disclosure__needed_letters') }} as needed
        on substr(words.word, words.start, lengths.length) = needed.letters
    where lengths.length > 0 or words.word = ''
    group by
        words.word,
        needed.part
),

readable as (
    select
        text_words.text_no,
        text_words.part,
        text_words.entry_place,
        any_value(text_words.entry) as entry,
        bit_or(words_of_entries.bits) as bits
    from text_words
    left join words_of_entries
        on text_words.word = words_of_entries.word and text_words.part = words_of_entries.part
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
