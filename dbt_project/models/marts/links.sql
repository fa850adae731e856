select
    crime_record_id,
    call_id,
    link_rung,
    link_probability,
    is_proven_by_reference,
    is_crime_record,
    link_weight,
    link_pattern,
    weights_version,
    ruleset_version
from {{ ref('int_linkage__links') }}
