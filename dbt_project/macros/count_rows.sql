{#- Keep how many rows each table has, before `work` is gone: the build shows it in `run_results`. DuckDB
    calls the size estimated because deleted rows may count; a build deletes none. -#}
{% macro count_rows() %}
    {% if flags.WHICH == 'build' %}
        create or replace table landing.row_counts as
        select
            database_name || '.' || schema_name || '.' || table_name as relation,
            estimated_size as row_count
        from duckdb_tables()
        where schema_name <> 'landing'
    {% endif %}
{% endmacro %}
