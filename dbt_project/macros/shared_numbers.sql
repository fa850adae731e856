{#- Stops the build if two keys have one number, because the rooms would take two calls, or two records, for
    one. Of the rows that name a call, only those whose number a call has can be joined with a wrong one.

    Args:
        thing: What the numbers stand for, in a word.
        own: A relation of the things themselves: one row for each, with its `number` and its `key`.
        named: A relation of all that refers to such a thing, with the same columns. -#}
{% macro shared_numbers(thing, own, named) %}
    repeated as (
        select number from {{ own }}
        group by number
        having count(*) > 1
    ),

    shared as (
        select
            min(key) as first_key,
            max(key) as last_key
        from {{ own }}
        semi join repeated using (number)
        group by number
        having min(key) < max(key)

        union all

        select
            {{ own }}.key as first_key,
            {{ named }}.key as last_key
        from {{ named }}
        inner join {{ own }} using (number)
        where {{ own }}.key <> {{ named }}.key
    )

    -- The condition raises the error: dbt counts rows and reads no column.
    select * from shared
    where
        error(
            'NUMBER-SHARED: {{ thing }} ' || first_key || ' and {{ thing }} ' || last_key
            || ' have the same number and would be taken for one. Nothing is published. '
            || 'Report it to the maintainers, and leave one of the two out of the delivery until it is solved.'
        ) is null
{% endmacro %}
