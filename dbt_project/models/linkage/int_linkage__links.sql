{#- The ladder from its strictest rung to its loosest: `decided` (a person decided), `canonical_key` and
    `written_back` (references prove the link), `repaired_key` (the reference has a typing slip) and `scored`
    (time, place, offence and person make it probable). The first rung that finds a call decides. A record
    belongs to one call at most; a call may have many records. -#}
with proven as (
    select * from {{ ref('int_linkage__proven') }}
),

scored as (
    select * from {{ ref('int_linkage__scored') }}
),

first_logs as (
    select * from {{ ref('int_linkage__first_logs') }}
    where is_marked
),

records as (
    select * from {{ ref('int_linkage__records') }}
),

-- A separation holds for the first log of the incident too, which no reference names.
parted as (
    select * from {{ ref('int_linkage__overrides') }}
    where not is_link
),

rulesets as (
    select * from {{ ref('rulesets') }}
),

all_weights as (
    select * from {{ ref('int_linkage__weights') }}
),

overrides as (
    select * from {{ ref('int_linkage__overrides') }}
),

calls as (
    select * from {{ ref('int_linkage__calls') }}
),

versions as (
    select
        any_value(ruleset_version) as ruleset_version,
        min(min_link_probability) as least_probability
    from rulesets
),

weights as (
    select any_value(weights_version) as weights_version from all_weights
),

-- What people decided comes first.
decided as (
    select * from overrides
    where is_link
    qualify row_number() over (
        partition by crime_record_id
        order by arrival desc
    ) = 1
),

linked as (
    select
        decided.crime_record_id,
        decided.call_id,
        'decided' as link_rung,
        false as is_proven_by_reference,
        cast(1 as double) as link_probability,
        cast(null as varchar) as link_pattern,
        cast(null as double) as link_weight
    from decided
    inner join calls on decided.call_id = calls.call_id

    union all

    select
        proven.crime_record_id,
        coalesce(first_logs.first_call_id, proven.call_id) as call_id,
        proven.link_rung,
        true as is_proven_by_reference,
        cast(1 as double) as link_probability,
        proven.pattern as link_pattern,
        cast(null as double) as link_weight
    from proven
    left join first_logs on proven.call_id = first_logs.call_id
    anti join decided on proven.crime_record_id = decided.crime_record_id
    anti join parted
        on proven.crime_record_id = parted.crime_record_id and first_logs.first_call_id = parted.call_id

    union all

    select
        scored.crime_record_id,
        scored.call_id,
        scored.link_rung,
        false as is_proven_by_reference,
        scored.probability as link_probability,
        scored.pattern as link_pattern,
        scored.weight as link_weight
    from scored
    cross join versions
    anti join decided on scored.crime_record_id = decided.crime_record_id
    where scored.probability >= versions.least_probability
),

final as (
    select
        linked.*,
        records.is_crime_record,
        weights.weights_version,
        versions.ruleset_version
    from linked
    inner join records on linked.crime_record_id = records.crime_record_id
    cross join weights
    cross join versions
)

select * from final
