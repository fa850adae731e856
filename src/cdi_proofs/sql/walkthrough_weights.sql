-- sqlfluff:templater:placeholder:comparisons:['time']
-- What each level of agreement between the log and its record weighs, in the order of the comparisons.
with levels as (
    select distinct
        unnest($comparisons) as comparison,
        unnest(string_split(pattern, '/')) as level
    from linkage.int_linkage__scored
    where list_contains($records, crime_record_id)
)

select
    weights.comparison,
    weights.level,
    weights.weight
from linkage.int_linkage__weights as weights
semi join levels on weights.comparison = levels.comparison and weights.level = levels.level
order by list_position($comparisons, weights.comparison)
