-- What became of the rows of each file.
select
    source_file,
    dataset,
    batch_id,
    read_count,
    accepted_count,
    quarantined_count,
    duplicate_count,
    superseded_count,
    withdrawn_count
from conservation
order by dataset, source_file, batch_id
