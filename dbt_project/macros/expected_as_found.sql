{#- A generic test that the sum expected and the sum found over all rows differ by no more than a given
    share. -#}
{% test expected_as_found(model, expected, found, within) %}
select
    sum({{ expected }}) as expected,
    sum({{ found }}) as found
from {{ model }}
having abs(sum({{ expected }}) - sum({{ found }})) > {{ within }} * sum({{ found }}) + 3
{% endtest %}
