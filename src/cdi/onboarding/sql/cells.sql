-- The filled cells of at most $most_rows rows of a source, spread over the whole of it. The number of a row
-- has a blank in its name, so that no column of a source can have the same one.
select
    name,
    value
from (
    unpivot (
        select * exclude ("row no") -- noqa: RF05
        from source_rows
        where "row no" % $step = 0 -- noqa: RF05
    )
    on columns(*)
    into name name value value
)
