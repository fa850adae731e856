{#- A row of a snapshot that the newest snapshot no longer has. -#}
{% macro is_withdrawn(dataset) %}
    batch_seq not in (
        select max(seq)
        from {{ source('landing', 'batches') }}
        where dataset = '{{ dataset }}' and delivery = 'snapshot'
    )
    and exists (
        select 1
        from {{ source('landing', 'batches') }}
        where dataset = '{{ dataset }}' and delivery = 'snapshot'
    )
{% endmacro %}
