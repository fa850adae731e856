{#- The probability, by the text model, that a call reports at least so many crimes.

    Args:
        place: How many.
        is_any_recorded: Whether one of its crimes is recorded, so that it surely reports one.
        readings: A relation of int_disclosure__text_reading. -#}
{% macro miss_probability(place, is_any_recorded, readings) -%}
    {#- The share of the calls with two crimes that report a third. No figure is published; in the simulated
        years it is one in eleven. -#}
    {%- set third_share = 0.1 -%}
    case
        when {{ place }} = 1 then {{ readings }}.crime_probability
        else
            {{ readings }}.second_probability
            -- The model gives the probability of a second crime among the calls that report any.
            * if({{ is_any_recorded }}, 1, {{ readings }}.crime_probability)
            * if({{ place }} = 2, 1, {{ third_share }})
    end
{%- endmacro %}
