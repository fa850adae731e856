-- what of json_lines is no row: anything but an object, and an object that has a key twice, of which
-- DuckDB would read the first value alone
with keys as (
    select
        line,
        original,
        case when json_type(content) = 'OBJECT' then json_keys(content) end as names
    from json_lines
),

refused as (
    select
        *,
        list_filter(
            list_distinct(names), lambda name: len(list_filter(names, lambda other: other = name)) > 1
        ) as repeated
    from keys
    where names is null or len(list_distinct(names)) < len(names)
)

select
    $number as file_no,
    line,
    if(names is null, 'READ-JSON', 'READ-KEYS') as rule_id,
    coalesce('there twice: ' || array_to_string(list_sort(repeated), ', '), 'not a JSON object') as detail,
    original
from refused
