{#- HMICFRS's formula (explanatory notes; U = R12 (1 - p) / p). The share p of all reported crime was
    recorded, and the recorded crimes R12 are that share; the rest, U, was not recorded. -#}
{% macro unrecorded_count(recorded, rate) -%}
    {{ recorded }} * (1 - {{ rate }}) / nullif({{ rate }}, 0)
{%- endmacro %}
