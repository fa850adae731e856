{#- The date of a UTC timestamp in the agency's time zone, because rules change at local midnight. -#}
{% macro local_date(timestamp, timezone) -%}
    cast(timezone({{ timezone }}, timezone('UTC', {{ timestamp }})) as date)
{%- endmacro %}
