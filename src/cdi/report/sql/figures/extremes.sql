-- The offence groups with the lowest and the highest rate: of the audited ones that are certain enough, or
-- else as the software reads them, if they have 30 crimes.
with audited as (
    select
        rates.domain,
        rates.recording_rate as rate,
        rates.lower_limit as low,
        rates.upper_limit as high
    from audited_rates as rates
    inner join audits on rates.draw_id = audits.draw_id
    where
        audits.is_headline
        and rates.recording_rate is not null
        and not rates.is_flagged
        and rates.domain <> 'force'
        and not starts_with(rates.domain, 'district')
        and rates.draw_id in (
            select force.draw_id from audited_rates as force
            where force.domain = 'force' and force.recording_rate is not null
        )
),

read_by_software as (
    select
        rates.offence_group as domain,
        rates.recording_rate as rate,
        cast(null as double) as low,
        cast(null as double) as high
    from recording_rate as rates
    cross join release
    where
        rates.universe = 'frame'
        and rates.ruleset = 'standard'
        and rates.breakdown in ('offence_group', 'theme')
        and rates.rate_base_count >= 30
        and rates.recording_rate is not null
        and release.text_model_version is not null
        and not exists (
            select 1 from audited_rates as force
            inner join audits on force.draw_id = audits.draw_id
            where audits.is_headline and force.domain = 'force' and force.recording_rate is not null
        )
),

both_kinds as (
    from audited
    union all
    from read_by_software
),

rates as (
    select
        rates.*,
        coalesce(lower(offence_groups.offence_group_name), replace(rates.domain, '_', ' ')) as label
    from both_kinds as rates
    left join rules.offence_groups as offence_groups on rates.domain = offence_groups.offence_group
)

select
    count(*) as compared_parts,
    arg_min(label, rate) as worst_label,
    min(rate) as worst_rate,
    arg_min(low, rate) as worst_low,
    arg_min(high, rate) as worst_high,
    arg_max(label, rate) as best_label,
    max(rate) as best_rate,
    arg_max(low, rate) as best_low,
    arg_max(high, rate) as best_high
from rates
having count(*) > 1
