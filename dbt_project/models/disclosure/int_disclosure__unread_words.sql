{#- Which entries of the lexicon a word can belong to, for each word of the texts that no earlier build has
    read. It is found out once for each word, because the same few words make up all texts. -#}
-- depends_on: {{ ref('lexicon') }}
{% set ids = lexicon_ids() %}

with unread as (
    {{ unread_entries() }}
),

words as (
    select distinct {{ words_of_entry('entry') }} as word
    from unread
),

pieces as (
    select
        word,
        unnest(range(1, greatest(length(word), 1) + 1)) as start
    from words
),

lengths as (
    select distinct length(letters) as length
    from {{ ref('int_disclosure__needed_letters') }}
),

final as (
    select
        pieces.word,
        needed.part,
        {{ bits_of_entries('needed.lexicon_id', ids) }} as bits
    from pieces
    cross join lengths
    inner join {{ ref('int_disclosure__needed_letters') }} as needed
        on substr(pieces.word, pieces.start, lengths.length) = needed.letters
    where lengths.length > 0 or pieces.word = ''
    group by
        pieces.word,
        needed.part
)

select * from final
