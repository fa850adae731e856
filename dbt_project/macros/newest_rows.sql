{#-
    The rows of a landing dataset that are the newest word on their key.

    Args:
        relation: A landing view; needs row_id, source_as_of, batch_seq, source_file.
        id: SQL expression of the key.

    A key may have many rows; the newest file's rows win together. The order (as_of, batch, file)
    is total between files, and within a file a key has one content (rule KEY-CONFLICT) or is
    declared to have many rows.
-#}
{% macro newest_rows(relation, id) %}
    with identified as (
        select
            *,
            {{ id }} as natural_id,
            (source_as_of, batch_seq, source_file) as arrival
        from {{ relation }}
    ),

    newest as (
        select
            natural_id,
            max(arrival) as arrival
        from identified
        group by natural_id
    )

    select identified.*
    from identified
    inner join newest
        on
            identified.natural_id = newest.natural_id
            and identified.arrival = newest.arrival
{% endmacro %}
