-- the filled cells of at most $most_rows rows of a source, spread over the whole of it
select
    name,
    value
from (
    unpivot (
        select * exclude ("row no")
        from source_rows
        where "row no" % $step = 0
    )
    on columns(*)
    into name name value value
)
