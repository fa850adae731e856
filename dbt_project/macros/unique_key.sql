{#-
    Rows that share a key. Hashes are grouped first, because a table of millions of keys as text is many times
    larger, and where no hash occurs twice no key does.
-#}
{% macro repeated_keys(model, columns, condition) %}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
where
    {{ condition }}
    and hash({{ columns | join(', ') }}) in (
        select hash({{ columns | join(', ') }}) as key_hash
        from {{ model }}
        where {{ condition }}
        group by key_hash
        having count(*) > 1
    )
group by {{ columns | join(', ') }}
having count(*) > 1
{% endmacro %}

{#- A generic test for a key of which a part may be null. `grain` tests a key without nulls. -#}
{% test unique_key(model, columns) %}
    {{ repeated_keys(model, columns, 'true') }}
{% endtest %}

{#- What dbt's own test `unique` runs in this project. -#}
{% macro default__test_unique(model, column_name) %}
    {{ repeated_keys(model, [column_name], column_name ~ ' is not null') }}
{% endmacro %}
