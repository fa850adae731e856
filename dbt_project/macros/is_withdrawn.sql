{#- Whether a newer version of a row's file no longer has the row. Of snapshots, the newest takes the place of
    all before it; of the days of a live source, the newest version of a day takes the place of the day's
    earlier versions. The newest is the one with the latest as_of, and of equal ones the last to arrive. Rows
    of `changes` batches are never withdrawn, because such a batch leaves out what did not change.
    A row that the newer version has as well is superseded, see `past_rows`. -#}
{% macro is_withdrawn(dataset) %}
    (batch_seq, source_file) in (
        select
            replaced.seq,
            replaced.source_file
        from (
            select
                seq,
                source_file,
                seq <> max_by(seq, (as_of, seq)) over (
                    partition by delivery, case when delivery = 'days' then source_file end
                ) as is_replaced
            from {{ source('landing', 'batch_files') }}
            where dataset = '{{ dataset }}' and delivery in ('snapshot', 'days')
        ) as replaced
        where replaced.is_replaced
    )
{% endmacro %}
