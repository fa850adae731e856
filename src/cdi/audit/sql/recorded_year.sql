-- The base that HMICFRS applies an audited rate to: recorded crime of the twelve months to the end
-- of the audit period. Of a shorter history the count is scaled up to twelve months. It is as the version
-- had it from which the audit was drawn: a miss that was put right since is one of those that the audited
-- rate tells, and must not count as recorded too.
with live as (
    select
        offence_code,
        coalesce(reported_at, recorded_at, occurred_at) as reported_at
    from staging.stg_crime_records
    where
        not is_withdrawn
        and coalesce(recorded_at < cast($known_before as timestamp), true)
        and (
            not list_contains($cancelled, coalesce(status_code, ''))
            or coalesce(cancelled_at >= cast($known_before as timestamp), false)
        )
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

year as (
    select offence_group
    from records
    where
        reported_at > cast($period_end as timestamp) - interval 12 month
        and reported_at <= cast($period_end as timestamp)
),

-- records before these months mean that all twelve are covered, save a few stray old dates: the same rule as
-- in the model unrecorded_estimate
covered as (
    select
        if(
            quantile_disc(reported_at, 0.01) <= cast($period_end as timestamp) - interval 12 month,
            12.0,
            least(
                12.0,
                date_diff(
                    'second',
                    min(reported_at) filter (
                        where reported_at > cast($period_end as timestamp) - interval 12 month
                    ),
                    cast($period_end as timestamp)
                ) / 86400.0 / (365.25 / 12)
            )
        ) as months
    from records
    where reported_at <= cast($period_end as timestamp)
)

select
    coalesce(year.offence_group, 'force') as domain,
    cast(round(count(*) * if(any_value(covered.months) < 11.95, 12 / any_value(covered.months), 1)) as bigint)
        as recorded,
    any_value(covered.months) as months
from year
cross join covered
group by grouping sets ((), (year.offence_group))
