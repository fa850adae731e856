{#- A generic test of what a row is: no two rows share the key, and neither a part of it nor one of the
    columns `filled` is null. One test a model: each costs a build some 20 ms, whatever it reads. Args:
    key: Columns that name a row. filled: Further columns that are never null. -#}
{% test grain(model, key, filled=[]) %}
select
    'repeated' as fault,
    {{ key | join(', ') }}
from ({{ repeated_keys(model, key, 'true') }}) as repeated
union all
select
    'null' as fault,
    {{ key | join(', ') }}
from {{ model }}
where {{ (key + filled) | join(' is null or ') }} is null
{% endtest %}
