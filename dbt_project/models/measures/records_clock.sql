select
    common_minutes,
    pair_count,
    share,
    fast_minutes
from {{ ref('int_linkage__clock') }}
