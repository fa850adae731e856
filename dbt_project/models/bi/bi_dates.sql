{#- Every day of the years that the calls and crime records fall in, without a gap, as BI tools need it. -#}
with calls as (
    select * from {{ ref('fct_calls').include(database=false) }}
),

crimes as (
    select * from {{ ref('fct_reported_crimes').include(database=false) }}
),

records as (
    select * from {{ ref('stg_crime_records').include(database=false) }}
),

version as (
    select * from {{ ref('release').include(database=false) }}
),

moments as (
    select
        min(received_at) as first_at,
        max(received_at) as last_at
    from calls
    union all
    select
        null as first_at,
        max(due_at) as last_at
    from crimes
    union all
    select
        min(least(recorded_at, cancelled_at)) as first_at,
        max(greatest(recorded_at, cancelled_at)) as last_at
    from records
),

local as (
    select
        {{ local_date('min(moments.first_at)', 'any_value(version.timezone)') }} as first_on,
        {{ local_date('max(moments.last_at)', 'any_value(version.timezone)') }} as last_on,
        any_value(version.as_of) as as_of,
        any_value(version.timezone) as timezone
    from moments
    cross join version
),

days as (
    select
        cast(
            unnest(
                generate_series(
                    date_trunc('year', first_on),
                    date_trunc('year', last_on) + interval 1 year - interval 1 day,
                    interval 1 day
                )
            ) as date
        ) as date_on,
        as_of,
        timezone
    from local
),

final as (
    select
        date_on,
        year(date_on) as calendar_year,
        strftime(date_on, '%Y') || ' Q' || quarter(date_on) as quarter_name,
        cast(date_trunc('month', date_on) as date) as month_on,
        month(date_on) as month_number,
        monthname(date_on) || strftime(date_on, ' %Y') as month_name,
        cast(date_trunc('week', date_on) as date) as week_on,
        isodow(date_on) as weekday_number,
        dayname(date_on) as weekday_name,
        isodow(date_on) > 5 as is_weekend,
        -- The performance year of police forces in England and Wales begins in April.
        strftime(date_on - interval 3 month, '%Y')
        || '/'
        || strftime(date_on + interval 9 month, '%y') as performance_year_name,
        {{ is_month_mature('month_on', 'as_of', 'timezone') }} as is_month_mature
    from days
)

select * from final
