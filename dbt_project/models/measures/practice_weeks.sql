{#- What may be done differently from one week to the next, as shares by week: cases of a base, for each
    practice and each subject that it is looked at for. `practice_changes` compares them. Only whole weeks
    count, and only weeks of which everything is known that a share counts. -#}

with landing_settings as (
    select * from {{ source('landing', 'settings') }}
),

calls as not materialized (
    select * from {{ ref('fct_calls') }}
),

reported_crimes as (
    select * from {{ ref('fct_reported_crimes') }}
),

log_actions as (
    select * from {{ ref('stg_log_actions') }}
    where author_code is not null and not is_withdrawn
),

all_references as (
    select * from {{ ref('int_linkage__references') }}
    where is_typed
),

proven as (
    select * from {{ ref('int_linkage__proven') }}
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

settings as not materialized (
    select
        timezone,
        least(as_of, coalesce(calls_as_of, as_of), coalesce(crime_records_as_of, as_of)) as seen_until_at
    from landing_settings
),

-- A log that is still open has no closing code yet.
logs as (
    select
        calls.initial_offence_group,
        calls.is_crime_type,
        calls.disposition_code,
        cast(date_trunc('week', {{ local_time('calls.received_at', 'settings.timezone') }}) as date)
            as week_on
    from calls
    cross join settings
    where calls.closed_at is not null
),

crimes as (
    select
        crimes.call_no,
        crimes.offence_group,
        crimes.is_in_frame,
        crimes.district,
        {{ local_time('crimes.reported_at', 'settings.timezone') }} as reported_at,
        coalesce(crimes.recorded_at > crimes.reported_at + interval 7 day, true) as is_late,
        cast(date_trunc('week', {{ local_time('crimes.reported_at', 'settings.timezone') }}) as date)
            as week_on
    from reported_crimes as crimes
    cross join settings
    where crimes.outcome_standard in ('recorded', 'wrongly_cancelled', 'unrecorded', 'too_recent')
),

authors as (
    select distinct
        call_id,
        author_code
    from log_actions
),

typed as (
    select distinct
        records.crime_record_id,
        records.district,
        proven.crime_record_id is null as is_refused,
        cast(date_trunc('week', {{ local_time('records.recorded_at', 'settings.timezone') }}) as date)
            as week_on
    from all_references
    inner join records on all_references.crime_record_id = records.crime_record_id
    left join proven on records.crime_record_id = proven.crime_record_id
    cross join settings
),

-- A week without a code has a row for it as well: no case.
closing_codes as (
    select distinct
        is_crime_type,
        disposition_code
    from logs
    where disposition_code is not null
),

logs_by_week as (
    select
        is_crime_type,
        week_on,
        count(*) as log_count
    from logs
    group by is_crime_type, week_on
),

closed_with as (
    select
        is_crime_type,
        week_on,
        disposition_code,
        count(*) as log_count
    from logs
    group by is_crime_type, week_on, disposition_code
),

-- A shift is eight hours: from 6, 14 and 22 o'clock.
late_by_place as (
    select
        week_on,
        is_late,
        unnest(
            [
                'district ' || district,
                'district ' || district || case
                    when hour(reported_at) between 6 and 13 then ', 6 to 14'
                    when hour(reported_at) between 14 and 21 then ', 14 to 22'
                    else ', 22 to 6'
                end
            ]
        ) as subject
    from crimes
    where district is not null
),

late_by_author as (
    select
        crimes.week_on,
        crimes.is_late,
        'author ' || authors.author_code as subject
    from crimes
    inner join authors on crimes.call_no = authors.call_id
),

late as (
    select * from late_by_place
    union all
    select * from late_by_author
),

counted as (
    select
        'closed_as_no_crime' as practice,
        initial_offence_group as subject,
        week_on,
        count(*) filter (where not is_crime_type) as case_count,
        count(*) as base_count,
        0 as known_after_days
    from logs
    where initial_offence_group is not null
    group by initial_offence_group, week_on

    union all

    select
        'told_outside_frame' as practice,
        offence_group as subject,
        week_on,
        count(*) filter (where not is_in_frame) as case_count,
        count(*) as base_count,
        0 as known_after_days
    from crimes
    group by offence_group, week_on

    union all

    select
        'closing_code' as practice,
        closing_codes.disposition_code || if(closing_codes.is_crime_type, ', crime', ', no crime') as subject,
        logs_by_week.week_on,
        coalesce(closed_with.log_count, 0) as case_count,
        logs_by_week.log_count as base_count,
        0 as known_after_days
    from closing_codes
    inner join logs_by_week on closing_codes.is_crime_type = logs_by_week.is_crime_type
    left join closed_with
        on
            closing_codes.is_crime_type = closed_with.is_crime_type
            and closing_codes.disposition_code = closed_with.disposition_code
            and logs_by_week.week_on = closed_with.week_on

    union all

    select
        'not_recorded_in_a_week' as practice,
        subject,
        week_on,
        count(*) filter (where is_late) as case_count,
        count(*) as base_count,
        7 as known_after_days
    from late
    group by subject, week_on

    union all

    select
        'reference_refused' as practice,
        'all' as subject,
        week_on,
        count(*) filter (where is_refused) as case_count,
        count(*) as base_count,
        0 as known_after_days
    from typed
    group by week_on
),

days as (
    select min({{ local_date('calls.received_at', 'settings.timezone') }}) as first_on
    from calls
    cross join settings
),

final as (
    select
        counted.practice,
        counted.subject,
        counted.week_on,
        counted.case_count,
        counted.base_count
    from counted
    cross join days
    cross join settings
    where
        counted.week_on >= days.first_on
        and counted.week_on + to_days(7 + counted.known_after_days)
        <= {{ local_time('settings.seen_until_at', 'settings.timezone') }}
)

select * from final
