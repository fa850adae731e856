-- The base that HMICFRS applies an audited rate to: recorded crime of the twelve months to the end
-- of the audit period. Of a shorter history the count is scaled up to twelve months.
with live as (
    select
        offence_code,
        coalesce(reported_at, recorded_at, occurred_at) as reported_at
    from staging.stg_crime_records
    where
        not is_withdrawn
        and not list_contains($cancelled, coalesce(status_code, ''))
),

records as (
    select
        offences.offence_group,
        live.reported_at
    from live
    inner join codes.offences as offences on live.offence_code = offences.code
    inner join rules.offence_groups as groups
        on offences.offence_group = groups.offence_group and groups.is_headline
),

covered as (
    select
        offence_group,
        least(
            12.0,
            date_diff('day', min(reported_at) over (), cast($period_end as timestamp)) / (365.25 / 12)
        ) as months
    from records
    where
        reported_at > cast($period_end as timestamp) - interval 12 month
        and reported_at <= cast($period_end as timestamp)
)

select
    coalesce(offence_group, 'force') as domain,
    cast(round(count(*) * if(any_value(months) < 11.95, 12 / any_value(months), 1)) as bigint) as recorded,
    any_value(months) as months
from covered
group by grouping sets ((), (offence_group))
