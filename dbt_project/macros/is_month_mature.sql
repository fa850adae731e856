{#- Whether a local month ended at least 30 days ago, so that most of its records have arrived. -#}
{% macro is_month_mature(month_on, as_of, timezone) -%}
    {{ month_on }} + interval 1 month + interval 30 day <= {{ local_time(as_of, timezone) }}
{%- endmacro %}
