{#- Whether each cancelled record was cancelled by the rules (cancellation_rules.csv): the first check that
    fails, or `met`. Where the source does not say why a record was cancelled, nothing can be checked. -#}
with records as (
    select records.*
    from {{ ref('stg_crime_records') }} as records
    cross join {{ source('landing', 'settings') }} as settings
    where not records.is_withdrawn and list_contains(settings.cancelled_statuses, records.status_code)
),

-- A duplicate is part of a recorded crime, so neither a non-crime occurrence nor an N100 survives it.
live as (
    select live.crime_record_id
    from {{ ref('stg_crime_records') }} as live
    inner join {{ source('codes', 'offences') }} as offences on live.offence_code = offences.code
    anti join records on live.crime_record_id = records.crime_record_id
    where not live.is_withdrawn and offences.offence_group is not null
),

-- An offence against the state has no victim who could be told, such as the possession of cannabis.
victimless as (
    select ho_class
    from {{ ref('offence_classes') }}
    group by ho_class
    having bool_and(record_basis = 'state')
),

must_be_told as (
    select
        records.crime_record_id,
        records.victim_told_at is not null
        and coalesce(records.victim_told_at <= records.cancelled_at, true) as is_victim_told_before
    from records
    inner join {{ ref('cancellation_rules') }} as rules
        on records.cancellation_code = rules.cancellation_code
    anti join victimless on records.offence_class = victimless.ho_class
    where rules.needs_victim_told
),

final as (
    select
        records.crime_record_id,
        must_be_told.is_victim_told_before,
        case
            when rules.cancellation_code is null then 'not_assessable'
            when rules.needs_other_force_reference and records.other_force_reference is null
                then 'other_force_reference_missing'
            when rules.needs_surviving_record and live.crime_record_id is null
                then 'surviving_record_missing'
            when not must_be_told.is_victim_told_before
                then if(records.victim_told_at is null, 'victim_not_told', 'victim_told_afterwards')
            when not coalesce(
                list_contains(string_split(rules.offence_classes, ' '), records.offence_class),
                rules.offence_classes is null
            ) or (records.offence_code like '100/%' and not rules.is_for_n100) then 'class_not_allowed'
            -- No roles are listed where any role may decide, so the comparison is null and nothing fails.
            when not list_contains(
                string_split(
                    case
                        when offences.is_rape or ranks.is_homicide then rules.deciders_of_rape_and_homicide
                        else rules.deciders
                    end, ' '
                ),
                coalesce(records.cancelled_by_role, '')
            ) then 'decider_not_entitled'
            else 'met'
        end as cancellation_check
    from records
    left join {{ ref('cancellation_rules') }} as rules
        on records.cancellation_code = rules.cancellation_code
    left join {{ source('codes', 'offences') }} as offences on records.offence_code = offences.code
    left join {{ ref('class_ranks') }} as ranks on records.offence_class = ranks.ho_class
    left join must_be_told on records.crime_record_id = must_be_told.crime_record_id
    left join live on records.surviving_record_no = live.crime_record_id
)

select * from final
