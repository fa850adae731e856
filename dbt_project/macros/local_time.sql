{#- A UTC timestamp as local time in the agency's time zone. -#}
{% macro local_time(timestamp, timezone) -%}
    timezone({{ timezone }}, timezone('UTC', {{ timestamp }}))
{%- endmacro %}
