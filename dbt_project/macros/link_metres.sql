{#-
    Whole metres east or north of a row: of the national grid, or else of longitude and latitude around the
    latitude `middle`. BIGINT, as squared INTEGER metres overflow.
-#}
{% macro link_metres(side, axis, middle) -%}
    {%- set degrees = {
        'easting': side ~ '.longitude * 111320 * cos(radians(' ~ middle ~ '))',
        'northing': side ~ '.latitude * 110574',
    } -%}
    cast(coalesce({{ side }}.{{ axis }}, {{ degrees[axis] }}) as bigint)
{%- endmacro %}

{#- A hash to join on; of null it is null, as `hash(null)` is a value and would join. -#}
{% macro link_hash(value) -%}
    case when {{ value }} is not null then hash({{ value }}) end
{%- endmacro %}
