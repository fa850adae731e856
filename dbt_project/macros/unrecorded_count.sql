{#- HMICFRS's formula (explanatory notes; U = R12 (1 - p) / p): of all reported crime the share p was
    recorded, and that is what the records count; the rest was not. -#}
{% macro unrecorded_count(recorded, rate) -%}
    {{ recorded }} * (1 - {{ rate }}) / nullif({{ rate }}, 0)
{%- endmacro %}
