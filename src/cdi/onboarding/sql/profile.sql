-- What each column holds, from the table cells (name, value). Shapes have 9 for a digit and A for a
-- letter; no value leaves this query but the least and the greatest number.
with valued as (
    select
        name,
        value,
        count(*) as cell_count,
        left(
            regexp_replace(regexp_replace(value, '\pL', 'A', 'g'), '\d', '9', 'g'), 40
        ) as shape,
        try_cast(value as double) as number
    from cells
    group by all
),

shaped as (
    select
        name,
        shape,
        sum(cell_count) as cell_count
    from valued
    group by all
),

shapes as (
    select
        name,
        arg_max(shape, cell_count) as shape,
        max(cell_count) as shape_count,
        count(*) as shape_kinds
    from shaped
    group by all
)

select
    valued.name,
    shapes.shape,
    shapes.shape_kinds,
    cast(sum(valued.cell_count) as bigint) as filled_count,
    count(*) as distinct_count,
    cast(any_value(shapes.shape_count) as double) / sum(valued.cell_count) as shape_share,
    coalesce(sum(valued.cell_count) filter (where valued.number is not null), 0)
    / sum(valued.cell_count) as number_share,
    coalesce(
        sum(valued.cell_count) filter (where regexp_full_match(valued.value, '[+-]?\d+(,\d+)+')), 0
    ) / sum(valued.cell_count) as comma_share,
    min(valued.number) as least_number,
    max(valued.number) as greatest_number,
    coalesce(sum(valued.cell_count) filter (where regexp_matches(valued.value, '\d')), 0)
    / sum(valued.cell_count) as digit_share
from valued
inner join shapes on valued.name = shapes.name
group by valued.name, shapes.shape, shapes.shape_kinds
