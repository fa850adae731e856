{#- Crimes that calls reported, for tools that draw charts: local time, and names instead of codes. The two
    counts are 0 or 1, so whatever a tool groups by, the rate is the sum of the one over the sum of the other.
    Both are null where the rate is withheld, and 0 for fraud, which is kept out of the rate. -#}
with crimes as (
    select *
    from {{ ref('fct_reported_crimes').include(database=false) }}
    where outcome is not null
),

groups as (
    select * from {{ ref('offence_groups').include(database=false) }}
),

kinds as (
    select * from {{ ref('evidence_kinds').include(database=false) }}
),

routes as (
    select * from {{ ref('routes').include(database=false) }}
),

outcomes as (
    select * from {{ ref('outcomes').include(database=false) }}
),

reasons as (
    select * from {{ ref('reasons').include(database=false) }}
),

checks as (
    select * from {{ ref('auditability').include(database=false) }}
),

version as (
    select * from {{ ref('release').include(database=false) }}
),

withheld as (
    select coalesce(bool_and(is_met), true) as is_rate_shown
    from checks
),

final as (
    select
        crimes.reported_crime_id,
        crimes.call_id as log_id,
        crimes.crime_record_id,
        {{ local_date('crimes.reported_at', 'version.timezone') }} as reported_on,
        {{ local_time('crimes.reported_at', 'version.timezone') }} as reported_local_time,
        {{ local_date('crimes.due_at', 'version.timezone') }} as due_on,
        {{ local_time('crimes.due_at', 'version.timezone') }} as due_local_time,
        groups.offence_group_name as reported_group_name,
        crimes.is_rape,
        crimes.is_domestic_abuse,
        crimes.is_in_frame,
        coalesce(crimes.district, 'unknown') as reported_district,
        coalesce(routes.route_name, 'Unknown') as reported_route_name,
        kinds.description as evidence_name,
        {{ in_words('crimes.evidence_strength') }} as evidence_strength_name,
        outcomes.outcome_name,
        reasons.reason_name,
        {{ in_words('crimes.status') }} as worklist_status_name,
        crimes.is_late,
        date_diff('minute', crimes.reported_at, crimes.recorded_at) / 60 as recording_hours,
        case
            when withheld.is_rate_shown
                then cast(groups.is_headline and crimes.outcome = 'recorded' as integer)
        end as crime_recorded_count,
        case
            when withheld.is_rate_shown
                then
                    cast(
                        groups.is_headline
                        and crimes.outcome in ('recorded', 'wrongly_cancelled', 'unrecorded') as integer
                    )
        end as crime_due_count
    from crimes
    inner join groups
        on crimes.offence_group = groups.offence_group
    inner join outcomes
        on crimes.outcome = outcomes.outcome
    cross join version
    cross join withheld
    left join kinds on crimes.evidence_kind = kinds.evidence_kind
    left join routes on crimes.route = routes.route
    left join reasons on crimes.reason_code = reasons.reason_code
)

select * from final
