{#- Keep how many rows each table has, before `work` is gone: the build tells it in `run_results`. -#}
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
