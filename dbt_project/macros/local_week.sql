{#- The Monday of the week of a moment, in the agency's time zone. -#}
{% macro local_week(at, timezone) -%}
    cast(date_trunc('week', {{ local_time(at, timezone) }}) as date)
{%- endmacro %}
