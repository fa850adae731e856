-- the elements of one JSON array, each with its text; its number takes the place of a line's. A
-- byte-order mark may stand before the array
with parsed as (
    select cast(ltrim(content, chr(65279)) as json[]) as elements
    from read_text($path)
)

select
    unnest(range(1, len(elements) + 1)) as line,
    cast(unnest(elements) as varchar) as original,
    unnest(elements) as content
from parsed
