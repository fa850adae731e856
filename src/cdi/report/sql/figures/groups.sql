-- Recording rates by offence group, rape and domestic abuse, the lowest first and all crime before them: the
-- audited rates; without an audit what the software reads; before anything has taught it, the ranges alone.
with audited as (
    select
        rates.domain,
        'audited' as kind,
        rates.recording_rate as rate,
        rates.lower_limit as low,
        rates.upper_limit as high,
        rates.audited_crimes as crimes
    from audited_rates as rates
    inner join audits on rates.draw_id = audits.draw_id
    where
        audits.is_headline
        and rates.recording_rate is not null
        and not starts_with(rates.domain, 'district')
        and rates.draw_id in (
            select force.draw_id from audited_rates as force
            where force.domain = 'force' and force.recording_rate is not null
        )
),

read_by_software as (
    select
        case rates.breakdown when 'total' then 'force' else rates.offence_group end as domain,
        'as the software reads it' as kind,
        rates.recording_rate as rate,
        cast(null as double) as low,
        cast(null as double) as high,
        rates.rate_base_count as crimes
    from recording_rate as rates
    cross join release
    where
        rates.universe = 'frame'
        and rates.ruleset = 'standard'
        and rates.breakdown in ('total', 'offence_group', 'theme')
        and rates.recording_rate is not null
        and release.text_model_version is not null
        and not exists (from audited)
),

ranges as (
    select
        case ranges.breakdown when 'total' then 'force' else ranges.offence_group end as domain,
        'range before an audit' as kind,
        cast(null as double) as rate,
        ranges.low_rate as low,
        ranges.high_rate as high,
        cast(null as bigint) as crimes
    from recording_range as ranges
    cross join release
    where
        ranges.universe = 'frame'
        and ranges.low_rate is not null
        and release.text_model_version is null
        and not exists (from audited)
),

rates as (
    from audited
    union all by name
    from read_by_software
    union all by name
    from ranges
)

select
    rates.domain,
    case rates.domain
        when 'force' then 'All crime'
        else coalesce(
            offence_groups.offence_group_name,
            upper(left(rates.domain, 1)) || replace(rates.domain[2:], '_', ' ')
        )
    end as label,
    rates.kind,
    rates.rate,
    rates.low,
    rates.high,
    rates.crimes
from rates
left join rules.offence_groups as offence_groups on rates.domain = offence_groups.offence_group
order by rates.domain <> 'force', coalesce(rates.rate, rates.low), rates.domain
