select
    probability_from,
    record_count,
    expected_count,
    match_count,
    weights_version
from {{ source('landing', 'link_calibration') }}
