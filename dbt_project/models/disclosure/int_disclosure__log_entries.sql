{#- The entries of each log. The lexicon searches each entry by itself, so entries are not joined here. -#}
with entries as (
    select
        call_id,
        part,
        1000 * sequence_number + {{ entry_places('text') }} as entry_number,
        {{ entries_of_text('text') }} as entry
    from {{ ref('int_disclosure__log_texts') }}
),

final as (
    select * from entries
    where entry <> ''
)

select * from final
