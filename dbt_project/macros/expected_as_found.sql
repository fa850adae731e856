{#- A generic test: over all rows, what was expected and what was found differ by no more than a share. -#}
{% test expected_as_found(model, expected, found, within) %}
select
    sum({{ expected }}) as expected,
    sum({{ found }}) as found
from {{ model }}
having abs(sum({{ expected }}) - sum({{ found }})) > {{ within }} * sum({{ found }}) + 3
{% endtest %}
