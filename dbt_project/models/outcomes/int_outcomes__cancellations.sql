{#- Whether each cancelled record was cancelled by the rules (cancellation_rules.csv): the first check that
    fails, `met`, or `not_assessable` where no check fails and one cannot be made. A column that the agency
    does not deliver at all is no failure: `missing_columns` names it. -#}
with cancelled as (
    select
        records.*,
        list_contains(settings.crime_record_columns, 'other_force_reference') as is_reference_delivered,
        list_contains(settings.crime_record_columns, 'surviving_record_reference') as is_survivor_delivered,
        list_contains(settings.crime_record_columns, 'victim_told_at') as is_told_time_delivered,
        list_contains(settings.crime_record_columns, 'cancelled_at') as is_cancelled_time_delivered,
        list_contains(settings.crime_record_columns, 'cancelled_by_role') as is_role_delivered,
        offences.offence_group,
        coalesce(offences.is_rape, false) as is_rape,
        coalesce(records.offence_code like '100/%', false) as is_n100
    from {{ ref('stg_crime_records') }} as records
    cross join {{ source('landing', 'settings') }} as settings
    left join {{ source('codes', 'offences') }} as offences on records.offence_code = offences.code
    where not records.is_withdrawn and list_contains(settings.cancelled_statuses, records.status_code)
),

-- The record that stays must be of a crime and live itself.
live as (
    select live.crime_record_id
    from {{ ref('stg_crime_records') }} as live
    inner join {{ source('codes', 'offences') }} as offences on live.offence_code = offences.code
    anti join cancelled on live.crime_record_id = cancelled.crime_record_id
    where not live.is_withdrawn and offences.offence_group is not null
),

-- Of an offence against the state there is nobody who could be told (CRR 2026/27 p12).
classes as (
    select
        classes.ho_class,
        classes.offence_group,
        bool_and(classes.record_basis = 'state') as is_victimless,
        coalesce(any_value(ranks.is_homicide), false) as is_homicide
    from {{ ref('offence_classes') }} as classes
    left join {{ ref('class_ranks') }} as ranks on classes.ho_class = ranks.ho_class
    group by classes.ho_class, classes.offence_group
),

-- What the group says of a record without a class: null where the classes of the group differ.
offence_groups as (
    select
        offence_group,
        list(ho_class) as ho_classes,
        if(bool_or(is_victimless) = bool_and(is_victimless), bool_and(is_victimless), null) as is_victimless,
        if(bool_or(is_homicide) = bool_and(is_homicide), bool_and(is_homicide), null) as is_homicide
    from classes
    group by offence_group
),

facts as (
    select
        cancelled.*,
        rules.cancellation_code is not null as is_code_known,
        coalesce(rules.needs_other_force_reference, false) as needs_other_force_reference,
        coalesce(rules.needs_surviving_record, false) as needs_surviving_record,
        coalesce(rules.needs_victim_told, false) as needs_victim_told,
        coalesce(rules.is_for_n100, true) as is_for_n100,
        live.crime_record_id is not null as has_survivor,
        cancelled.victim_told_at is not null
        and coalesce(cancelled.victim_told_at <= cancelled.cancelled_at, true) as is_told_in_time,
        -- These three are null where the class is not given and counts. An N100 reports a rape, and a class
        -- that no list has is taken for one with a victim.
        case
            when cancelled.is_n100 then false
            when cancelled.offence_class is not null then coalesce(classes.is_victimless, false)
            else offence_groups.is_victimless
        end as is_victimless,
        case
            when cancelled.is_n100 then false
            when cancelled.offence_class is not null then coalesce(classes.is_homicide, false)
            else offence_groups.is_homicide
        end as is_homicide,
        case
            when rules.offence_classes is null then true
            when cancelled.offence_class is not null
                then list_contains(string_split(rules.offence_classes, ' '), cancelled.offence_class)
            when not list_has_any(string_split(rules.offence_classes, ' '), offence_groups.ho_classes)
                then false
        end as is_class_allowed,
        -- No roles are listed where any role may decide; the comparison is then null.
        list_contains(
            string_split(rules.deciders, ' '), coalesce(cancelled.cancelled_by_role, '')
        ) as is_decider,
        list_contains(
            string_split(rules.deciders_of_rape_and_homicide, ' '), coalesce(cancelled.cancelled_by_role, '')
        ) as is_decider_of_rape_and_homicide
    from cancelled
    left join {{ ref('cancellation_rules') }} as rules
        on cancelled.cancellation_code = rules.cancellation_code
    left join classes on cancelled.offence_class = classes.ho_class
    left join offence_groups on cancelled.offence_group = offence_groups.offence_group
    left join live on cancelled.surviving_record_no = live.crime_record_id
),

-- Each check: whether it fails, which is null where it cannot be made.
checked as (
    select
        *,
        case
            when not needs_other_force_reference then false
            when is_reference_delivered then other_force_reference is null
        end as is_reference_missing,
        case
            when not needs_surviving_record then false
            when is_survivor_delivered then not has_survivor
        end as is_survivor_missing,
        case
            when not needs_victim_told or is_victimless then false
            when not is_told_time_delivered then null
            when victim_told_at is not null and not is_cancelled_time_delivered then null
            when is_told_in_time then false
            when not is_victimless then true
        end as is_victim_untold,
        (is_n100 and not is_for_n100) or not is_class_allowed as is_class_wrong,
        case
            when is_decider is null then false
            when not is_role_delivered then null
            when is_decider = is_decider_of_rape_and_homicide then not is_decider
            when is_rape or is_homicide then not is_decider_of_rape_and_homicide
            when not is_homicide then not is_decider
        end as is_decider_wrong
    from facts
),

-- The columns without which a check cannot be made, and the first check that fails.
named as (
    select
        *,
        nullif(
            concat_ws(
                ' ',
                if(cancellation_code is null, 'cancellation_code', null),
                if(is_reference_missing is null, 'other_force_reference', null),
                if(is_survivor_missing is null, 'surviving_record_reference', null),
                case
                    when is_victim_untold is not null then null
                    when not is_told_time_delivered then 'victim_told_at'
                    when victim_told_at is not null and not is_cancelled_time_delivered then 'cancelled_at'
                end,
                if(
                    is_class_wrong is null
                    or (is_victim_untold is null and is_victimless is null)
                    or (is_decider_wrong is null and is_role_delivered),
                    'offence_class', null
                ),
                if(is_decider_wrong is null and not is_role_delivered, 'cancelled_by_role', null)
            ), ''
        ) as missing_columns,
        case
            when is_reference_missing then 'other_force_reference_missing'
            when is_survivor_missing then 'surviving_record_missing'
            when is_victim_untold then if(victim_told_at is null, 'victim_not_told', 'victim_told_afterwards')
            when is_class_wrong then 'class_not_allowed'
            when is_decider_wrong then 'decider_not_entitled'
        end as failed_check
    from checked
),

final as (
    select
        crime_record_id,
        case when needs_victim_told and not coalesce(is_victimless, false) then not is_victim_untold end
            as is_victim_told_before,
        missing_columns,
        case
            when not is_code_known then 'not_assessable'
            when failed_check is not null then failed_check
            when missing_columns is not null then 'not_assessable'
            else 'met'
        end as cancellation_check
    from named
)

select * from final
