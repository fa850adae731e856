-- For each dataset, what became of the rows of its files.
select
    dataset,
    cast(sum(read_count) as bigint) as read,
    cast(sum(accepted_count) as bigint) as accepted,
    cast(sum(quarantined_count) as bigint) as quarantined,
    cast(sum(duplicate_count) as bigint) as duplicates,
    cast(sum(erased_count) as bigint) as erased,
    cast(sum(left_out_count) as bigint) as left_out
from conservation
group by dataset
order by dataset
