select
    agency,
    agency_name,
    is_simulated,
    calls as calls_coverage,
    timezone,
    as_of,
    calls_as_of,
    crime_records_as_of,
    licence,
    (select any_value(ruleset_version) from {{ ref('rulesets') }}) as ruleset_version
from {{ source('landing', 'settings') }}
