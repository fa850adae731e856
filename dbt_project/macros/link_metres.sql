{#- Position of a row in whole metres to the east or north: on the national grid, or else computed from
    longitude and latitude around the latitude `middle`. It is a BIGINT, because the square of INTEGER
    metres overflows. -#}
{% macro link_metres(side, axis, middle) -%}
    {%- set degrees = {
        'easting': side ~ '.longitude * 111320 * cos(radians(' ~ middle ~ '))',
        'northing': side ~ '.latitude * 110574',
    } -%}
    cast(coalesce({{ side }}.{{ axis }}, {{ degrees[axis] }}) as bigint)
{%- endmacro %}

{#- A hash to join on. Null stays null, because `hash(null)` is a value and would join with other nulls. -#}
{% macro link_hash(value) -%}
    case when {{ value }} is not null then hash({{ value }}) end
{%- endmacro %}
