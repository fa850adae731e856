{#- The words of each entry of each log in their order, and the pairs and triples of neighbours. A view:
    there are some forty words a log. -#}
{{ config(materialized='view') }}

with words as (
    select
        entries.call_id,
        entries.part,
        entries.entry_number,
        regexp_extract_all(entries.entry, '[a-z&]+') as words
    from {{ ref('int_reporting__log_entries') }} as entries
    semi join {{ ref('int_reporting__logs') }} as logs on entries.call_id = logs.call_id
),

final as (
    select
        call_id,
        part,
        entry_number,
        words,
        list_transform(list_zip(words, words[2:]), lambda pair: pair[1] || ' ' || pair[2]) as pairs,
        list_transform(
            list_zip(words, words[2:], words[3:]),
            lambda triple: triple[1] || ' ' || triple[2] || ' ' || triple[3]
        ) as triples
    from words
    where len(words) > 0
)

select * from final
