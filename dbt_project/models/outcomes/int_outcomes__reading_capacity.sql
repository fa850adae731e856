{#- How many logs the agency can read in a month: as its agency.yaml says, or else, for its size, as many as
    Gloucestershire Constabulary told in 2014: an expert reviewed 400 logs each month, of more than 140,000 in a
    year (its answer to HMIC's inspection; Stroud News and Journal). -#}
{% set read_a_month, logs_a_year = 400, 140000 %}

with settings as (
    select * from {{ source('landing', 'settings') }}
),

calls as (
    select received_at
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

counted as (
    select
        count(*) as log_count,
        greatest(
            1, date_diff('second', min(calls.received_at), any_value(settings.calls_as_of)) / 86400.0
        ) as days_covered
    from calls
    cross join settings
    where calls.received_at > settings.calls_as_of - interval 12 month
),

monthly as (
    select cast(round(log_count / days_covered * 365.25 / 12) as bigint) as monthly_log_count
    from counted
),

final as (
    select
        monthly.monthly_log_count,
        coalesce(
            settings.logs_a_month,
            cast(
                greatest(1, round(monthly.monthly_log_count * 12 * {{ read_a_month / logs_a_year }}))
                as bigint
            )
        ) as logs_a_month,
        settings.logs_a_month is not null as is_stated
    from monthly
    cross join settings
)

select * from final
