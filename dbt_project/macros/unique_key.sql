{#-
    Rows that share a key. Hashes are grouped first: a table of millions of keys as text is many times as
    large, and where no hash repeats no key does.
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

{#- A generic test for a key of which a part may be null; see `grain` for one that is whole. -#}
{% test unique_key(model, columns) %}
    {{ repeated_keys(model, columns, 'true') }}
{% endtest %}

{#- What dbt's own test `unique` runs. -#}
{% macro default__test_unique(model, column_name) %}
    {{ repeated_keys(model, [column_name], column_name ~ ' is not null') }}
{% endmacro %}
