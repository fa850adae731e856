{#- A UTC timestamp as the clock on the agency's wall shows it. -#}
{% macro local_time(timestamp, timezone) -%}
    timezone({{ timezone }}, timezone('UTC', {{ timestamp }}))
{%- endmacro %}
