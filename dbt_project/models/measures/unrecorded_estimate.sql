{#- HMICFRS's estimate of unrecorded crime beside the number of crimes that this version lists, which is a
    different thing. The estimate takes all recorded crime of the last twelve months, however it was
    reported, and the recording rate in the frame; the list holds the unrecorded crimes of the same months. -#}
with settings as (
    select
        settings.*,
        settings.as_of - interval 12 month as from_at
    from {{ source('landing', 'settings') }} as settings
),

crime_records as (
    select * from {{ ref('stg_crime_records') }}
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

groups as not materialized (
    select * from {{ ref('offence_groups') }}
),

crimes as (
    select * from {{ ref('fct_reported_crimes') }}
),

rates as (
    select * from {{ ref('recording_rate') }}
),

records as (
    select
        offences.offence_group,
        coalesce(records.reported_at, records.recorded_at, records.occurred_at) as reported_at
    from crime_records as records
    inner join offences on records.offence_code = offences.code
    inner join groups
        on offences.offence_group = groups.offence_group and groups.is_headline
    cross join settings
    where
        not records.is_withdrawn
        and not list_contains(settings.cancelled_statuses, coalesce(records.status_code, ''))
),

-- Records before these months mean that all twelve are covered, however few records there are. But a shorter
-- history may have a few stray old dates, as in quality/sql/days.sql: so it takes one record in a hundred.
history as (
    select
        any_value(settings.as_of) as as_of,
        min(records.reported_at) filter (where records.reported_at > settings.from_at) as first_at,
        quantile_disc(records.reported_at, 0.01) <= any_value(settings.from_at) as is_longer
    from records
    cross join settings
),

covered as (
    select
        -- `least` passes over a null, so it would say 12 where there is no record. On an agency's first day
        -- no day is covered yet, and a year cannot be told from nothing. The days are those that have passed:
        -- of midnights there is one fewer in summer, when a day ends at 23:00 UTC.
        case
            when first_at is null then null
            when is_longer then 12.0
            when date_diff('second', first_at, as_of) >= 86400
                then least(12.0, date_diff('second', first_at, as_of) / 86400.0 / (365.25 / 12))
        end as months_covered
    from history
),

recorded as (
    select
        coalesce(records.offence_group, 'all') as offence_group,
        count(*) as recorded_count
    from records
    cross join settings
    where records.reported_at > settings.from_at
    group by grouping sets ((), (records.offence_group))
),

-- Only the same twelve months count, however long the history is, so that an earlier and worse year does not
-- change the rate of this one.
told as (
    select
        coalesce(crimes.offence_group, 'all') as offence_group,
        count(*) filter (where crimes.outcome = 'unrecorded') as listed_count,
        count(*) filter (where crimes.is_in_frame and crimes.outcome = 'recorded')
        / nullif(
            count(*) filter (
                where crimes.is_in_frame and crimes.outcome in ('recorded', 'wrongly_cancelled', 'unrecorded')
            ),
            0
        ) as recording_rate
    from crimes
    inner join groups
        on crimes.offence_group = groups.offence_group and groups.is_headline
    cross join settings
    where crimes.reported_at > settings.from_at
    group by grouping sets ((), (crimes.offence_group))
),

bases as (
    select
        rates.offence_group,
        -- without a record that has a time in these months, and is older than a day, how much was recorded
        -- in them is not known
        case when covered.months_covered is not null then recorded.recorded_count end as recorded_count,
        covered.months_covered,
        case when rates.withheld_reason is null then told.recording_rate end as recording_rate,
        coalesce(told.listed_count, 0) as listed_count
    from rates
    inner join recorded on rates.offence_group = recorded.offence_group
    left join told on rates.offence_group = told.offence_group
    cross join covered
    where
        rates.universe = 'frame' and rates.ruleset = 'standard'
        and rates.breakdown in ('total', 'offence_group')
),

final as (
    select
        offence_group,
        recorded_count,
        months_covered,
        months_covered < 11.95 as is_scaled,
        if(is_scaled, cast(round(recorded_count * 12 / months_covered) as bigint), recorded_count)
            as yearly_recorded_count,
        recording_rate,
        -- HMICFRS rounds down. The value is rounded to millionths first, because 0.8 has no exact binary
        -- form.
        cast(floor(round({{ unrecorded_count('yearly_recorded_count', 'recording_rate') }}, 6)) as bigint)
            as estimated_unrecorded_count,
        listed_count as listed_unrecorded_count,
        'HMICFRS''s formula, uncorrected: recorded crime of twelve months x (1 - rate) / rate'
        || if(is_scaled, '; scaled up from ' || round(months_covered, 1) || ' months', '') as estimate_label,
        'The yearly figure assumes that crime reported in other ways is recorded as often as crime reported '
        || 'by phone. The worklist counts only what the logs of the '
        || if(is_scaled, 'months of records', 'last twelve months')
        || ' show. That is why the two differ.' as difference_reason
    from bases
)

select * from final
