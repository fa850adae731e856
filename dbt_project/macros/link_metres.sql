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

{#- The mean latitude of calls, for `link_metres`. It is a mean of whole billionths of a degree: the sum of
    fractions depends on their order, and so on the threads of the build. -#}
{% macro link_middle() -%}
    avg(cast(round(latitude * 1e9) as bigint)) / 1e9
{%- endmacro %}

{#- A hash to join on. Null stays null, because `hash(null)` is a value and would join with other nulls. -#}
{% macro link_hash(value) -%}
    case when {{ value }} is not null then hash({{ value }}) end
{%- endmacro %}
