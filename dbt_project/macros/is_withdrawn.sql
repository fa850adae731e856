{#- Whether a row comes from a snapshot and the newest snapshot no longer has it. The newest snapshot is
    the one with the latest as_of, and of equal ones the last to arrive. Rows of `changes` batches are
    never withdrawn, because such a batch leaves out what did not change. -#}
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
