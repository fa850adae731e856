{#- The two texts of each log of a relation, joined from their entries: what was told, and how the log was
    closed. -#}
{% macro log_texts(chosen) %}
    select
        entries.call_id,
        coalesce(
            string_agg(entries.entry, ' / ' order by entries.entry_number)
            filter (where entries.part = 'account'), ''
        ) as account_text,
        coalesce(
            string_agg(entries.entry, ' / ' order by entries.entry_number)
            filter (where entries.part = 'closing'), ''
        ) as closing_text
    from {{ ref('int_disclosure__log_entries') }} as entries
    semi join {{ chosen }} as chosen on entries.call_id = chosen.call_id
    group by entries.call_id
{% endmacro %}
