{#- Each folder of models is a schema of the same name in the file; dbt would put the target's name before
    it. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
