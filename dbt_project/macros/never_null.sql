{#- A generic test that no row has a null in any of several columns. It is one test per model and not one per
    column, because each test costs a build some 25 ms whatever it reads. -#}
{% test never_null(model, columns) %}
select *
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
