{#- A generic test of the grain: no two rows share the key, and no column of the key or of `filled` is null.
    It is one test per model, because each test costs a build some 20 ms whatever it reads.
    Args: key: Columns that identify a row. filled: Further columns that are never null. -#}
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
