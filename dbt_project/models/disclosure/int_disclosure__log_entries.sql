{#- The entries of each log. The lexicon searches each entry by itself, so entries are not joined here. -#}
with texts as (
    select
        call_id,
        part,
        sequence_number,
        {{ entries_of_text('text') }} as entries
    from {{ ref('int_disclosure__log_texts') }}
),

entries as (
    select
        call_id,
        part,
        1000 * sequence_number + generate_subscripts(entries, 1) as entry_number,
        unnest(entries) as entry
    from texts
),

final as (
    select * from entries
    where entry <> ''
)

select * from final
