{#- A generic test for several columns at once: rows in which one is null. One test a model, not one
    a column: each costs a build some 25 ms, whatever it reads. -#}
{% test never_null(model, columns) %}
select *
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
