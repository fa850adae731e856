{#- What may be done differently from one week to the next, as shares by week: cases of a base, for each
    practice and each subject that it is looked at for. `practice_changes` compares them. What is counted belongs
    to the week in which it is known: a log to that of its closing, a log without a record to that in which it has
    been so for three days, a record to that in which it was made. So nothing is added to a week that is over. -#}

with landing_settings as (
    select * from {{ source('landing', 'settings') }}
),

calls as not materialized (
    select * from {{ ref('fct_calls') }}
),

reported_crimes as not materialized (
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

crime_records as (
    select * from {{ ref('int_linkage__records') }}
    where is_crime_record
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

-- A log that is still open has no week of closing, and counts in none.
logs as not materialized (
    select
        calls.call_no,
        calls.initial_offence_group,
        calls.is_crime_type,
        calls.final_type_code,
        calls.disposition_code,
        {{ local_week('calls.closed_at', 'settings.timezone') }} as week_on
    from calls
    cross join settings
),

opened_as_crime as (
    select * from logs
    where initial_offence_group is not null
),

recorded as (
    select
        call_no,
        min(recorded_at) as recorded_at,
        count(crime_record_id) > 0 and min(recorded_at) is null as is_time_unknown
    from reported_crimes
    group by call_no
),

opened as not materialized (
    select
        calls.call_no,
        calls.district,
        calls.received_at,
        hour({{ local_time('calls.received_at', 'settings.timezone') }}) as received_hour,
        coalesce(recorded.recorded_at > calls.received_at + interval 3 day, true) as is_late,
        {{ local_week('calls.received_at + interval 3 day', 'settings.timezone') }} as week_on
    from calls
    left join recorded on calls.call_no = recorded.call_no
    cross join settings
    -- Of a log whose records have no time nobody knows whether they were late.
    where calls.initial_offence_group is not null and not coalesce(recorded.is_time_unknown, false)
),

crimes as (
    select
        reported_crimes.offence_group,
        reported_crimes.is_in_frame,
        logs.week_on
    from reported_crimes
    inner join logs on reported_crimes.call_no = logs.call_no
    where reported_crimes.outcome_standard in ('recorded', 'wrongly_cancelled', 'unrecorded', 'too_recent')
),

typed as (
    select distinct
        records.crime_record_id,
        proven.crime_record_id is null as is_refused,
        {{ local_week('records.recorded_at', 'settings.timezone') }} as week_on
    from all_references
    inner join crime_records on all_references.crime_record_id = crime_records.crime_record_id
    inner join records on all_references.crime_record_id = records.crime_record_id
    left join proven on records.crime_record_id = proven.crime_record_id
    cross join settings
),

-- What logs are closed with: a code, among those of crime types and among the others; a type that is no
-- crime, among those opened as a crime of a group.
closings as (
    select
        'closing_code' as practice,
        if(is_crime_type, 'crime', 'no crime') as stratum,
        week_on,
        disposition_code || if(is_crime_type, ', crime', ', no crime') as subject,
        count(*) as log_count
    from logs
    group by all
    union all
    select
        'closed_as_no_crime' as practice,
        initial_offence_group as stratum,
        week_on,
        if(is_crime_type, null, initial_offence_group || ', ' || final_type_code) as subject,
        count(*) as log_count
    from opened_as_crime
    group by all
),

subjects as (
    select distinct
        practice,
        stratum,
        subject
    from closings
    where subject is not null
),

closings_by_week as (
    select
        practice,
        stratum,
        week_on,
        sum(log_count) as log_count
    from closings
    group by practice, stratum, week_on
),

-- A shift is eight hours: from 6, 14 and 22 o'clock.
late as (
    select
        week_on,
        is_late,
        unnest(
            [
                'district ' || district,
                'district ' || district || ', '
                || ['22 to 6', '6 to 14', '14 to 22', '22 to 6'][(received_hour + 2) // 8 + 1]
            ]
        ) as subject
    from opened
    where district is not null
    union all

    -- A log counts once for each of its authors. Who first wrote in it later than in these three days is left
    -- out: a late record has an entry of its own, which would add the log to a week that is over.
    select
        any_value(opened.week_on) as week_on,
        any_value(opened.is_late) as is_late,
        'author ' || log_actions.author_code as subject
    from opened
    inner join log_actions
        on
            opened.call_no = log_actions.call_id
            and coalesce(log_actions.acted_at <= opened.received_at + interval 3 day, true)
    group by opened.call_no, log_actions.author_code
),

counted as (
    {% for practice, counted_in, subject, is_case in [
        ('closed_as_no_crime', 'opened_as_crime', 'initial_offence_group', 'not is_crime_type'),
        ('told_outside_frame', 'crimes', 'offence_group', 'not is_in_frame'),
        ('not_recorded_in_three_days', 'late', 'subject', 'is_late'),
        ('reference_refused', 'typed', "'all'", 'is_refused')
    ] %}
        select
            '{{ practice }}' as practice,
            {{ subject }} as subject,
            week_on,
            count(*) filter (where {{ is_case }}) as case_count,
            count(*) as base_count
        from {{ counted_in }}
        group by all

        union all
    {% endfor %}

    -- A week in which nothing was closed so has a row as well: no case.
    select
        subjects.practice,
        subjects.subject,
        closings_by_week.week_on,
        coalesce(closings.log_count, 0) as case_count,
        cast(closings_by_week.log_count as bigint) as base_count
    from subjects
    inner join closings_by_week
        on
            subjects.practice = closings_by_week.practice
            and subjects.stratum = closings_by_week.stratum
    left join closings
        on
            subjects.practice = closings.practice
            and subjects.stratum = closings.stratum
            and subjects.subject = closings.subject
            and closings_by_week.week_on = closings.week_on
),

days as (
    select {{ local_date('min(calls.received_at)', 'settings.timezone') }} as first_on
    from calls
    cross join settings
    group by settings.timezone
),

final as (
    select counted.*
    from counted
    cross join days
    cross join settings
    where
        counted.week_on >= days.first_on
        and counted.week_on + interval 7 day
        <= {{ local_time('settings.seen_until_at', 'settings.timezone') }}
)

select * from final
