{#- Models that no person reads after the build stand in `work`, a database in memory, because storing them in
    the file costs more than making them. dbt_project.yml names them. If only a part of the models is built,
    somebody reads that part, so all of it stands in the file. -#}
{% macro generate_database_name(custom_database_name=none, node=none) -%}
    {{ target.database if var('is_part', false) or not custom_database_name else custom_database_name }}
{%- endmacro %}
