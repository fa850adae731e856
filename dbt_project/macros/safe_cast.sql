{#- Lets a unit test write the number of a call or record as the text that it stands for, because `A-1` is
    easier to follow through a test than twenty digits. dbt casts each value of a fixture by this macro. -#}
{% macro duckdb__safe_cast(field, type) %}
    {%- if type | lower == 'ubigint' and field is string and field.startswith("'") -%}
        md5_number_lower({{ field }})
    {%- else -%}
        cast({{ field }} as {{ type }})
    {%- endif -%}
{% endmacro %}
