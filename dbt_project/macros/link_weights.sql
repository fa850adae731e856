{#- The levels of each pattern, one row per comparison. -#}
{% macro link_pattern_levels(relation, columns) %}
    select
        {{ columns }},
        unnest({{ link_comparisons() }}) as comparison,
        unnest(string_split(pattern, '/')) as level
    from {{ relation }}
{%- endmacro %}

{#- The pattern: the levels of all comparisons in one text, by which weights are looked up. -#}
{% macro link_pattern() -%}
    concat_ws('/', {% for comparison in link_comparisons() %}{{ comparison }}_level{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{#- The level of one comparison in a pattern. -#}
{% macro link_level(pattern, comparison) -%}
    string_split({{ pattern }}, '/')[{{ link_comparisons().index(comparison) + 1 }}]
{%- endmacro %}
