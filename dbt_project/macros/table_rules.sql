{#-
    A generic test that holds the rules of a table in one query, because each test costs a build some 25 ms
    whatever it reads. It returns a row for each rule that is broken: the rule, the column, how many rows break
    it, and one of them as an example.

    Args:
        key: The columns that identify a row: no two rows share their values, and none of them is null.
        nullable: The columns of the key that may be null.
        filled: Further columns that are never null.
        accepted_values: The values that a column may have, by column. Null is accepted.
        references: Columns whose values occur in another table, each as {column, to, field}; without `field` the
            column there has the same name. Null is accepted. The model must be built from the other table,
            directly or through others: dbt starts what reads a model only after those of its tests whose
            tables are all made by then. For any other table, use dbt's own test `relationships`.
-#}
{% test table_rules(model, key, nullable=[], filled=[], accepted_values={}, references=[]) %}
    {%- do config(fail_calc='coalesce(sum(row_count), 0)') -%}
    {%- set rules_of_rows = [] -%}
    {%- for column in key + filled if column not in nullable -%}
        {%- do rules_of_rows.append((column, 'is null', column ~ ' is null')) -%}
    {%- endfor -%}
    {%- for column, values in accepted_values.items() -%}
        {%- do rules_of_rows.append(
            (column, 'is none of ' ~ values | join(', '), column ~ " not in ('" ~ values | join("', '") ~ "')")
        ) -%}
    {%- endfor %}
select
    column_name,
    broken_rule,
    sum(row_count) as row_count,
    min(example) as example
from (
    select
        '{{ key | join(', ') }}' as column_name,
        'occurs more than once' as broken_rule,
        row_count,
        {{ shown_row(key) }} as example
    from ({{ repeated_keys(model, key, 'true') }}) as repeated
    {%- if rules_of_rows %}
    union all
    select
        broken.column_name,
        broken.broken_rule,
        1 as row_count,
        broken.example
    from (
        select
            unnest([
                {%- for column, rule, condition in rules_of_rows %}
                case
                    when {{ condition }}
                        then {
                            'column_name': '{{ column }}',
                            'broken_rule': '{{ rule }}',
                            'example': {{ shown_row(key + [column]) }}
                        }
                end
                {%- if not loop.last %},{% endif %}
                {%- endfor %}
            ]) as broken
        from {{ model }}
        where
            {{ rules_of_rows | map(attribute=2) | join('\n            or ') }}
    ) as broken_rows
    where broken is not null
{%- endif %}
{%- for reference in references %}
    union all
    select
        '{{ reference.column }}' as column_name,
        'is not in {{ reference.to.identifier }}' as broken_rule,
        1 as row_count,
        {{ shown_row(key + [reference.column]) }} as example
    from {{ model }} as referring
    where
        {{ reference.column }} is not null
        and not exists (
            select 1
            from {{ reference.to }} as referred
            where referred.{{ reference.field or reference.column }} = referring.{{ reference.column }}
        )
{%- endfor %}
) as broken_rules
group by column_name, broken_rule
{% endtest %}

{#- Columns of a row with their names, as text. -#}
{% macro shown_row(columns) -%}
    {%- set named = [] -%}
    {%- for column in columns | unique -%}
        {%- do named.append("'" ~ column ~ "': " ~ column) -%}
    {%- endfor -%}
    cast({ {{- named | join(', ') -}} } as varchar)
{%- endmacro %}

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

{#- What dbt's own test `unique` runs in this project. -#}
{% macro default__test_unique(model, column_name) %}
    {{ repeated_keys(model, [column_name], column_name ~ ' is not null') }}
{% endmacro %}
