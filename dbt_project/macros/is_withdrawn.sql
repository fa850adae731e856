{#- A row of a snapshot that the newest snapshot (by what it speaks of, then by arrival) no longer has.
    Rows of `changes` batches are never withdrawn: their absence says nothing. -#}
{% macro is_withdrawn(dataset) %}
    batch_seq in (
        select seq
        from {{ source('landing', 'batches') }}
        where dataset = '{{ dataset }}' and delivery = 'snapshot'
    )
    and batch_seq <> (
        select max_by(seq, (as_of, seq))
        from {{ source('landing', 'batches') }}
        where dataset = '{{ dataset }}' and delivery = 'snapshot'
    )
{% endmacro %}
