with reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

calls as (
    select * from {{ ref('stg_calls') }}
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

call_types as (
    select * from {{ source('codes', 'call_types') }}
),

kinds as (
    select * from {{ ref('evidence_kinds') }}
),

decisions as (
    select * from {{ ref('int_reporting__decisions') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

non_crime_links as (
    select distinct call_id
    from {{ ref('int_linkage__links') }}
    where not is_crime_record
),

outcomes as (
    select
        reported_crime_id,
        any_value(due_at) as due_at,
        max(outcome) filter (where ruleset = 'strict') as outcome_strict,
        max(outcome) filter (where ruleset = 'standard') as outcome,
        max(outcome) filter (where ruleset = 'inclusive') as outcome_inclusive
    from {{ ref('int_outcomes__outcomes') }}
    group by reported_crime_id
),

versions as (
    select any_value(ruleset_version) as ruleset_version from {{ ref('rulesets') }}
),

final as (
    select
        reported.reported_crime_id,
        reported.call_id,
        reported.crime_record_id,
        calls.received_at as reported_at,
        cast(date_trunc('month', {{ local_date('calls.received_at', 'settings.timezone') }}) as date)
            as reported_month_on,
        reported.offence_group,
        reported.is_rape,
        reported.is_domestic_abuse,
        initial_types.offence_group is not null
        or final_types.offence_group is not null as is_in_frame,
        reported.evidence_kind,
        kinds.evidence_strength,
        reported.evidence_code,
        readings.crime_probability,
        calls.district,
        calls.final_type_name,
        calls.disposition_code,
        reported.link_rung,
        reported.link_probability,
        records.recorded_at,
        outcomes.due_at,
        outcomes.outcome_strict,
        outcomes.outcome as outcome_standard,
        outcomes.outcome_inclusive,
        outcomes.outcome,
        case
            when outcomes.outcome <> 'justified' then null
            when cancellations.cancellation_check = 'met' then 'RIGHTLY_CANCELLED'
            else decisions.reason_code
        end as reason_code,
        decisions.decision_id,
        decisions.reported_incident_code,
        records.recorded_at > outcomes.due_at as is_late,
        reported.crime_record_id is not null
        and reported.offence_group <> reported.disclosed_offence_group as is_misclassified,
        case
            when reported.crime_record_id is null then 'no_record'
            else coalesce(cancellations.cancellation_check, 'not_cancelled')
        end as cancellation_check,
        reported.crime_record_id is null
        and non_crime_links.call_id is not null as is_linked_to_non_crime,
        case
            when outcomes.outcome in ('unrecorded', 'too_recent') then 'suspected'
        end as status,
        case
            when outcomes.outcome in ('unrecorded', 'too_recent')
                then date_diff('second', settings.as_of, outcomes.due_at) / 3600.0
        end as hours_left,
        versions.ruleset_version
    from reported
    inner join calls on reported.call_id = calls.call_id
    inner join kinds on reported.evidence_kind = kinds.evidence_kind
    left join decisions
        on reported.call_id = decisions.call_id and reported.crime_number = decisions.crime_number
    left join {{ ref('int_outcomes__cancellations') }} as cancellations
        on reported.crime_record_id = cancellations.crime_record_id
    inner join outcomes on reported.reported_crime_id = outcomes.reported_crime_id
    left join {{ ref('int_reporting__text_reading') }} as readings on reported.call_id = readings.call_id
    left join records on reported.crime_record_id = records.crime_record_id
    left join call_types as initial_types on calls.initial_type_code = initial_types.code
    left join call_types as final_types on calls.final_type_code = final_types.code
    left join non_crime_links on reported.call_id = non_crime_links.call_id
    cross join settings
    cross join versions
)

select * from final
