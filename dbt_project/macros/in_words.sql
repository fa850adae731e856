{#- One of our stable words as people write it: `wrongly_cancelled` becomes `Wrongly cancelled`. -#}
{% macro in_words(column) -%}
    upper({{ column }}[1]) || replace({{ column }}[2:], '_', ' ')
{%- endmacro %}
