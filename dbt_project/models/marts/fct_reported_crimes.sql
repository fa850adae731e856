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
    select * from {{ ref('int_disclosure__decisions') }}
),

settings as (
    select * from {{ source('landing', 'settings') }}
),

ranks as (
    select * from {{ ref('class_ranks') }}
),

routes as (
    select * from {{ source('codes', 'routes') }}
),

-- By the principal crime rule one group can be part of another. Such a group does not count as a different
-- one.
principals as (
    select
        principal_group,
        included_group
    from {{ ref('principal_crimes') }}
),

links as (
    select * from {{ ref('int_linkage__links') }}
),

all_outcomes as (
    select * from {{ ref('int_outcomes__outcomes') }}
),

rulesets as (
    select * from {{ ref('rulesets') }}
),

cancellations as (
    select * from {{ ref('int_outcomes__cancellations') }}
),

human as (
    select * from {{ ref('int_outcomes__human_decisions') }}
),

non_crime_links as (
    select distinct call_id
    from links
    where not is_crime_record
),

outcomes as (
    select
        reported_crime_id,
        any_value(due_at) as due_at,
        max(outcome) filter (where ruleset = 'strict') as outcome_strict,
        max(outcome) filter (where ruleset = 'standard') as outcome,
        max(outcome) filter (where ruleset = 'inclusive') as outcome_inclusive,
        bool_or(is_rightly_cancelled) filter (where ruleset = 'standard') as is_rightly_cancelled
    from all_outcomes
    group by reported_crime_id
),

versions as (
    select any_value(ruleset_version) as ruleset_version from rulesets
),

final as (
    select
        calls.published_call_id || '#' || reported.place_in_call as reported_crime_id,
        calls.published_call_id as call_id,
        reported.call_id as call_no,
        reported.published_record_id as crime_record_id,
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
        reported.crime_probability,
        reported.miss_probability,
        calls.district,
        coalesce(routes.route, 'unknown') as route,
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
            when outcomes.is_rightly_cancelled then 'RIGHTLY_CANCELLED'
            else coalesce(
                human.reason_code,
                decisions.reason_code,
                case when reported.published_shared_record_id is not null then 'ALREADY_RECORDED' end
            )
        end as reason_code,
        decisions.decision_id,
        decisions.reported_incident_code,
        records.recorded_at > outcomes.due_at as is_late,
        case
            when reported.crime_record_id is null or reported.disclosed_offence_group is null then null
            when reported.is_disclosed_rape and not reported.is_rape then 'rape_under_another_class'
            when
                reported.offence_group <> reported.disclosed_offence_group
                and principals.principal_group is null then 'incompatible_group'
            when new_ranks.class_rank > old_ranks.class_rank then 'lesser_class'
        end as misclassification,
        case
            when reported.disclosed_offence_group is not null then misclassification is not null
        end as is_misclassified,
        case
            when reported.crime_record_id is null then 'no_record'
            else coalesce(cancellations.cancellation_check, 'not_cancelled')
        end as cancellation_check,
        reported.crime_record_id is null
        and non_crime_links.call_id is not null as is_linked_to_non_crime,
        case
            when
                coalesce(outcomes.outcome, 'justified') not in ('justified', 'unrecorded', 'too_recent')
                then null
            when human.decision_kind = 'dismissed' and outcomes.outcome_inclusive = 'justified'
                then 'dismissed'
            when coalesce(outcomes.outcome_inclusive, 'none') not in ('unrecorded', 'too_recent') then null
            when human.decision_kind = 'confirmed' then 'confirmed'
            else 'suspected'
        end as status,
        human.decided_by,
        human.second_person,
        human.decided_at,
        case
            when status in ('suspected', 'confirmed')
                then date_diff('second', settings.as_of, outcomes.due_at) / 3600.0
        end as hours_left,
        versions.ruleset_version
    from reported
    inner join calls on reported.call_id = calls.call_id
    inner join kinds on reported.evidence_kind = kinds.evidence_kind
    left join decisions
        on reported.call_id = decisions.call_id and reported.crime_number = decisions.crime_number
    left join cancellations
        on reported.crime_record_id = cancellations.crime_record_id
    inner join outcomes on reported.reported_crime_id = outcomes.reported_crime_id
    left join human
        on reported.reported_crime_id = human.reported_crime_id and human.is_counted
    left join records on reported.crime_record_id = records.crime_record_id
    left join call_types as initial_types on calls.initial_type_code = initial_types.code
    left join call_types as final_types on calls.final_type_code = final_types.code
    left join routes on calls.source_channel = routes.code
    left join principals
        on
            reported.offence_group = principals.principal_group
            and reported.disclosed_offence_group = principals.included_group
    left join ranks as new_ranks on records.offence_class = new_ranks.ho_class
    left join ranks as old_ranks
        on
            records.previous_offence_class = old_ranks.ho_class
            and new_ranks.offence_group = old_ranks.offence_group
    left join non_crime_links on reported.call_id = non_crime_links.call_id
    cross join settings
    cross join versions
)

select * from final
