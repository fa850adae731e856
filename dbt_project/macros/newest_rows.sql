{#- The current rows of each key of a landing dataset. A key may have many rows; those of the newest file
    that holds the key are current, all together. The order (as_of, batch, file) is total between files.
    Within a file a key has one content (rule KEY-CONFLICT), unless the dataset is declared to have many
    rows per key. -#}

{#- The SQL expression of the key of each dataset. -#}
{% macro natural_id(dataset) %}
    {{- return({
        'calls': "coalesce(call_key, upper(call_reference))",
        'crime_records': "coalesce(record_key, upper(record_reference))",
        'log_actions': "coalesce(call_key, upper(call_reference)) || '/' || cast(sequence_number as integer)",
        'audit_logs': "coalesce(call_key, upper(call_reference))",
        'audit_findings':
            "coalesce(call_key, upper(call_reference)) || '/' || cast(crime_number as integer)",
        'decisions': "decision_reference",
        'audit_readings':
            "concat_ws('/', draw_id, coalesce(call_key, upper(call_reference)), auditor_code, "
            "cast(crime_number as integer))"
    }[dataset]) -}}
{% endmacro %}

{#- The number of the call or record that a landed row is about. It stands for the text that `natural_id`
    gives wherever rows are joined. The landing has it beside each canonical key. -#}
{% macro identity_number(thing) -%}
    coalesce({{ thing }}_no, md5_number_lower(upper({{ thing }}_reference)))
{%- endmacro %}

{#- The rows of a dataset that are no longer current, with few of their columns: a newer file superseded
    them, or they were withdrawn. Only files whose ranges of keys overlap are compared, because comparing
    millions of keys is expensive and the monthly files of a force share none. A reference that no key rule
    can read is compared whatever its file. The two kinds of rows are read apart, because DuckDB does not read
    the rows of a join whose other side is empty.

    Args:
        dataset: A landing dataset.
        key: Its column of canonical keys. -#}
{% macro past_rows(dataset, key) %}
    with files as (
        select
            source_file,
            source_as_of,
            batch_seq,
            min({{ key }}) as first_key,
            max({{ key }}) as last_key,
            row_number() over (order by source_as_of, batch_seq, source_file) as file_number,
            {{ is_withdrawn(dataset) }} as is_withdrawn
        from {{ source('landing', dataset) }}
        group by source_file, source_as_of, batch_seq
    ),

    overlapping as (
        select distinct files.file_number
        from files
        inner join files as others
            on
                files.file_number <> others.file_number
                and files.first_key <= others.last_key
                and others.first_key <= files.last_key
    ),

    compared_files as (
        select * from files
        where is_withdrawn or file_number in (select file_number from overlapping)
    ),

    arrivals as (
        select
            {{ natural_id(dataset) }} as natural_id,
            landed.row_id,
            landed.batch_seq,
            landed.source_file,
            files.file_number,
            files.is_withdrawn
        from {{ source('landing', dataset) }} as landed
        inner join compared_files as files using (source_file, source_as_of, batch_seq)
        where landed.{{ key }} is not null

        union all

        select
            {{ natural_id(dataset) }} as natural_id,
            landed.row_id,
            landed.batch_seq,
            landed.source_file,
            files.file_number,
            files.is_withdrawn
        from {{ source('landing', dataset) }} as landed
        inner join files using (source_file, source_as_of, batch_seq)
        where landed.{{ key }} is null
    ),

    -- Most keys occur in one file only, so only keys whose hash occurs in several files are compared further.
    repeated as (
        select hash(natural_id) as key_hash
        from arrivals
        group by all
        having min(file_number) < max(file_number)
    ),

    compared as (
        select
            natural_id,
            row_id,
            batch_seq,
            source_file,
            file_number < max(file_number) over (partition by natural_id) as is_superseded,
            is_withdrawn
        from arrivals
        where is_withdrawn or hash(natural_id) in (select key_hash from repeated)
    )

    select
        natural_id,
        row_id,
        batch_seq,
        source_file,
        case when is_superseded then 'superseded' else 'withdrawn' end as fate
    from compared
    where is_superseded or is_withdrawn
{% endmacro %}

{#- The rows of a dataset that no newer file supersedes. The dataset needs a stg_past model. Views are made of
    this and read many times, so where nothing is superseded, rows are not compared at all. -#}
{% macro standing_rows(dataset) %}
    {%- set past = ref('stg_past_' ~ dataset) %}
    select
        *,
        {{ natural_id(dataset) }} as natural_id,
        {{ is_withdrawn(dataset) }} as is_withdrawn
    from {{ source('landing', dataset) }}
    {% if may_supersede(past) -%}
        anti join (
            select
                row_id,
                batch_seq
            from {{ past }}
            where fate = 'superseded'
        ) using (row_id, batch_seq)
    {%- endif %}
{% endmacro %}

{#- Whether a relation of past rows has superseded ones, or is not there yet, or stands in a unit test. -#}
{% macro may_supersede(past) %}
    {%- if not execute or past.is_cte or load_relation(past) is none -%}
        {{- return(true) -}}
    {%- endif -%}
    {%- set found = run_query("select 1 from " ~ past ~ " where fate = 'superseded' limit 1") -%}
    {{- return(found.rows | length > 0) -}}
{% endmacro %}

{#- The same for a small dataset, in one step and without a stg_past model. -#}
{% macro newest_rows(dataset) %}
    select
        *,
        {{ natural_id(dataset) }} as natural_id,
        {{ is_withdrawn(dataset) }} as is_withdrawn
    from {{ source('landing', dataset) }}
    qualify
        (source_as_of, batch_seq, source_file)
        = max((source_as_of, batch_seq, source_file)) over (partition by natural_id)
{% endmacro %}
