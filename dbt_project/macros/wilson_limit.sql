{#- A 95% limit of a share to four decimals, as cdi.audit.intervals.wilson_limits has it (Wilson 1927).

    Args:
        count: How many of them have it.
        base: How many there are.
        sign: -1 for the lower limit, 1 for the upper one. -#}
{% macro wilson_limit(count, base, sign) -%}
    {%- set z = 1.959963984540054 -%}
    round(
        least(
            1,
            greatest(
                0,
                (
                    {{ count }} + {{ z * z / 2 }}
                    + {{ sign * z }} * sqrt({{ count }} * ({{ base }} - {{ count }}) / {{ base }} + {{ z * z / 4 }})
                ) / ({{ base }} + {{ z * z }})
            )
        ),
        4
    )
{%- endmacro %}
