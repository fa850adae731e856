{{ past_rows('crime_records', 'record_key') }}

select
    natural_id,
    row_id,
    batch_seq,
    source_file,
    case when is_superseded then 'superseded' else 'withdrawn' end as fate
from compared
where is_superseded or is_withdrawn
