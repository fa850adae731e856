{#- A run-off triangle: the crimes of each week of report by the age of the week at which they were
    recorded, less cancellations. `weekly_rates` completes the newest weeks from it. Ages are whole weeks
    and are counted back from the newest moment of which both calls and records are known, so that the
    newest age of each week ends there. -#}
{% set week_seconds = 7 * 24 * 3600 %}

with settings as (
    select
        *,
        least(as_of, coalesce(calls_as_of, as_of), coalesce(crime_records_as_of, as_of)) as seen_until_at
    from {{ source('landing', 'settings') }}
),

reported_crimes as (
    select * from {{ ref('fct_reported_crimes') }}
),

groups as (
    select * from {{ ref('offence_groups') }}
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

calls as (
    select * from {{ ref('stg_calls') }}
),

crimes as (
    select
        {{ local_week('crimes.reported_at', 'settings.timezone') }} as reported_week_on,
        crimes.is_in_frame,
        -- A crime that was rightly cancelled counts as one to be recorded until its cancellation.
        crimes.outcome_standard = 'justified' as is_rightly_cancelled,
        crimes.outcome_standard in ('recorded', 'wrongly_cancelled', 'justified') as has_record,
        crimes.outcome_standard in ('wrongly_cancelled', 'justified') as is_cancelled,
        {{ local_time('records.recorded_at', 'settings.timezone') }} as recorded_at,
        {{ local_time('coalesce(records.cancelled_at, records.recorded_at)', 'settings.timezone') }}
            as cancelled_at
    from reported_crimes as crimes
    inner join groups
        on crimes.offence_group = groups.offence_group and groups.is_headline
    left join records on crimes.crime_record_id = records.published_record_id
    cross join settings
    where
        crimes.outcome_standard in ('recorded', 'wrongly_cancelled', 'unrecorded', 'too_recent')
        or (crimes.outcome_standard = 'justified' and crimes.reason_code = 'RIGHTLY_CANCELLED')
),

-- Only whole weeks count: from the first that the calls hold in full to the last that has ended. Without
-- crime records there is none, as nothing would be recorded in any.
days as (
    select
        min({{ local_date('calls.received_at', 'settings.timezone') }}) as first_on,
        max({{ local_time('settings.seen_until_at', 'settings.timezone') }}) as seen_until_at
    from calls
    cross join settings
    where not calls.is_withdrawn and settings.crime_records_as_of is not null
),

weeks as (
    select
        cast(weeks.week_at as date) as reported_week_on,
        days.seen_until_at,
        date_diff('second', weeks.week_at + interval 7 day, days.seen_until_at) as seen_seconds,
        days.seen_until_at - to_days(cast(seen_seconds // {{ week_seconds }} * 7 as integer)) as age_one_at,
        weeks.week_at + interval 37 day <= days.seen_until_at as is_mature
    from days
    cross join
        unnest(
            generate_series(
                date_trunc('week', days.first_on + interval 6 day), days.seen_until_at, interval 7 day
            )
        ) as weeks (week_at)
    where seen_seconds >= 0
),

changes as (
    select
        reported_week_on,
        is_in_frame,
        null as changed_at,
        0 as recorded_change,
        1 as due_change,
        has_record and recorded_at is null as is_untimed
    from crimes

    union all

    select
        reported_week_on,
        is_in_frame,
        recorded_at as changed_at,
        1 as recorded_change,
        0 as due_change,
        false as is_untimed
    from crimes
    where has_record

    union all

    select
        reported_week_on,
        is_in_frame,
        cancelled_at as changed_at,
        -1 as recorded_change,
        if(is_rightly_cancelled, -1, 0) as due_change,
        false as is_untimed
    from crimes
    where is_cancelled
),

counted as (
    select
        changes.reported_week_on,
        changes.is_in_frame,
        -- A change before the first whole age has passed counts at age 0.
        greatest(
            coalesce(
                (date_diff('second', weeks.age_one_at, changes.changed_at) + {{ week_seconds }})
                // {{ week_seconds }}, 0
            ), 0
        ) as age_weeks,
        sum(changes.recorded_change) as recorded_change,
        sum(changes.due_change) as due_change,
        count(*) filter (where changes.is_untimed) as untimed_count
    from changes
    inner join weeks on changes.reported_week_on = weeks.reported_week_on
    group by all
    having age_weeks <= any_value(weeks.seen_seconds) // {{ week_seconds }}
),

universes as (
    select unnest(['frame', 'all']) as universe
),

-- Every week has a row of age 0, even if nothing was reported in it.
cells as (
    select
        reported_week_on,
        is_in_frame,
        age_weeks,
        recorded_change,
        due_change,
        untimed_count
    from counted

    union all

    select
        reported_week_on,
        true as is_in_frame,
        0 as age_weeks,
        0 as recorded_change,
        0 as due_change,
        0 as untimed_count
    from weeks
),

final as (
    select
        universes.universe,
        cells.reported_week_on,
        cells.age_weeks,
        any_value(weeks.is_mature) as is_mature,
        cast(sum(cells.recorded_change) as bigint) as recorded_change,
        cast(sum(cells.due_change) as bigint) as due_change,
        cast(sum(cells.untimed_count) as bigint) as untimed_count
    from cells
    inner join weeks on cells.reported_week_on = weeks.reported_week_on
    inner join universes on universes.universe = 'all' or cells.is_in_frame
    group by universes.universe, cells.reported_week_on, cells.age_weeks
)

select * from final
