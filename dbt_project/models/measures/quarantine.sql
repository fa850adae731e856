select
    dataset,
    batch_id,
    row_id,
    source_file,
    source_line,
    rule_id,
    detail,
    original_masked
from {{ source('landing', 'quarantined_rows') }}
