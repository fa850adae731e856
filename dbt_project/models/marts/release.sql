with settings as (
    select * from {{ source('landing', 'settings') }}
),

versions as (
    select any_value(ruleset_version) as ruleset_version from {{ ref('rulesets') }}
)

select
    settings.agency,
    settings.agency_name,
    settings.is_simulated,
    settings.calls as calls_coverage,
    settings.timezone,
    settings.as_of,
    settings.calls_as_of,
    settings.crime_records_as_of,
    settings.licence,
    versions.ruleset_version
from settings
cross join versions
