{#- The dangers that the qualifiers of each call name. -#}
{% macro dangers_by_call(evidence_qualifiers) -%}
    select
        call_id,
        bool_or(qualifier = 'vulnerable_child') as is_child_at_risk,
        bool_or(qualifier in ('weapon', 'firearm')) as has_weapon
    from {{ evidence_qualifiers }}
    group by call_id
{%- endmacro %}

{#- The severity of a reported crime, as in severities.csv.

    Args:
        crime: A relation of fct_reported_crimes.
        dangers: A relation that `dangers_by_call` made. -#}
{% macro severity_of(crime, dangers) -%}
    case
        when {{ crime }}.is_rape then 'rape'
        when {{ crime }}.is_domestic_abuse then 'domestic_abuse'
        when {{ dangers }}.is_child_at_risk then 'child'
        when {{ dangers }}.has_weapon or {{ crime }}.offence_group = 'possession_of_weapons' then 'weapon'
        else 'other'
    end
{%- endmacro %}
