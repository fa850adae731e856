select
    records.published_record_id as crime_record_id,
    calls.published_call_id as call_id,
    links.link_rung,
    links.link_probability,
    links.is_proven_by_reference,
    links.is_crime_record,
    links.link_weight,
    links.link_pattern,
    links.weights_version,
    links.ruleset_version
from {{ ref('int_linkage__links') }} as links
inner join {{ ref('stg_crime_records') }} as records on links.crime_record_id = records.crime_record_id
inner join {{ ref('stg_calls') }} as calls on links.call_id = calls.call_id
