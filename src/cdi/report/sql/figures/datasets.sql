-- What became of the rows read, by dataset.
select
    dataset,
    sum(read_count) as read_count,
    sum(accepted_count) as accepted_count,
    sum(quarantined_count) as quarantined_count,
    sum(duplicate_count) as duplicate_count
from conservation
group by dataset
order by dataset
