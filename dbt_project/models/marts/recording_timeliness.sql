{#- How long after the report crimes were recorded, as a cumulative curve: each cell has every band of
    hours and the crimes recorded by the end of the band. Bands end at 24 and 72 hours, so that every band
    lies on one side of the time limit. `breakdown` works as in recording_rate. Crimes without a record, or
    without one of the two times, are left out. -#}
{% set ends = [1, 2, 4, 8, 12, 24, 48, 72, 168, 336, 720] %}

with settings as (
    select * from {{ source('landing', 'settings') }}
),

-- A record that was cancelled later was made as well.
by_call as not materialized (
    select
        crime_record_id,
        reported_at,
        recorded_at,
        offence_group,
        is_rape,
        is_domestic_abuse,
        route
    from {{ ref('fct_reported_crimes') }}
    where outcome in ('recorded', 'wrongly_cancelled') or reason_code = 'RIGHTLY_CANCELLED'
),

records as (
    select * from {{ ref('stg_crime_records') }}
),

offences as (
    select * from {{ source('codes', 'offences') }}
),

routes as (
    select * from {{ source('codes', 'routes') }}
),

groups as (
    select * from {{ ref('offence_groups') }}
),

limits as (
    select * from {{ ref('time_limits') }}
),

bands as (
    {% for end in ends %}
        select
            {{ loop.previtem | default(0) }} as hours_from,
            {{ end }} as hours_to
        union all
    {% endfor %}
    select
        {{ ends | last }} as hours_from,
        cast(null as integer) as hours_to
),

found as (
    select * from by_call
    union all
    select
        records.published_record_id as crime_record_id,
        records.reported_at,
        records.recorded_at,
        offences.offence_group,
        offences.is_rape,
        offences.is_domestic_abuse,
        coalesce(routes.route, 'unknown') as route
    from records
    inner join offences
        on records.offence_code = offences.code and offences.offence_group is not null
    left join routes on records.route = routes.code
    anti join by_call on records.published_record_id = by_call.crime_record_id
    where not records.is_withdrawn
),

-- A band includes its end, as the time limit does. A record that was made before the report counts as made at
-- once.
crimes as (
    select
        *,
        greatest(date_diff('second', reported_at, recorded_at), 1) as age_seconds
    from found
    where reported_at is not null and recorded_at is not null
),

timed as (
    select
        crimes.offence_group,
        crimes.is_rape,
        crimes.is_domestic_abuse,
        crimes.route,
        groups.is_headline,
        limits.limit_hours,
        cast(date_trunc('month', {{ local_date('crimes.reported_at', 'settings.timezone') }}) as date)
            as reported_month_on,
        bands.hours_from
    from crimes
    inner join groups on crimes.offence_group = groups.offence_group
    cross join settings
    inner join limits
        on
            {{ local_date('crimes.reported_at', 'settings.timezone') }}
            between limits.valid_from and limits.valid_to
    inner join bands
        on
            crimes.age_seconds > bands.hours_from * 3600
            and (bands.hours_to is null or crimes.age_seconds <= bands.hours_to * 3600)
    where groups.is_headline or crimes.offence_group = 'fraud'
),

themed as (
    select
        false as is_theme,
        *
    from timed
    {% for theme in ['rape', 'domestic_abuse'] %}
        union all
        select
            true as is_theme,
            * replace ('{{ theme }}' as offence_group)
        from timed
        where is_{{ theme }} and is_headline
    {% endfor %}
),

counted as (
    select
        case
            when is_theme then 'theme'
            when grouping(offence_group) = 0 then 'offence_group'
            when grouping(reported_month_on) = 0 then 'month'
            when grouping(route) = 0 then 'route'
            else 'total'
        end as breakdown,
        coalesce(offence_group, 'all') as offence_group,
        coalesce(cast(reported_month_on as varchar), 'all') as reported_month,
        coalesce(route, 'all') as route,
        limit_hours,
        hours_from,
        count(*) as band_count
    from themed
    group by
        is_theme, limit_hours, hours_from,
        grouping sets (
            (is_headline),
            (is_headline, offence_group),
            (is_headline, reported_month_on),
            (is_headline, route)
        )
    having grouping(offence_group) = 0 or (is_headline and not is_theme)
),

cells as (
    select
        breakdown,
        offence_group,
        reported_month,
        route,
        limit_hours,
        cast(sum(band_count) as bigint) as timed_count
    from counted
    group by all
),

final as (
    select
        cells.breakdown,
        cells.offence_group,
        cells.reported_month,
        cells.route,
        cells.limit_hours,
        bands.hours_from,
        bands.hours_to,
        coalesce(bands.hours_to <= cells.limit_hours, false) as is_within_limit,
        coalesce(counted.band_count, 0) as band_count,
        cast(
            sum(coalesce(counted.band_count, 0)) over (
                partition by
                    cells.breakdown, cells.offence_group, cells.reported_month, cells.route, cells.limit_hours
                order by bands.hours_from
            ) as bigint
        ) as cumulative_count,
        cells.timed_count,
        cumulative_count / cells.timed_count as cumulative_share,
        case
            when cells.reported_month <> 'all'
                then
                    {{ is_month_mature(
                        'cast(cells.reported_month as date)', 'settings.as_of', 'settings.timezone'
                    ) }}
        end as is_mature
    from cells
    cross join bands
    cross join settings
    left join counted
        on
            cells.breakdown = counted.breakdown
            and cells.offence_group = counted.offence_group
            and cells.reported_month = counted.reported_month
            and cells.route = counted.route
            and cells.limit_hours = counted.limit_hours
            and bands.hours_from = counted.hours_from
)

select * from final
