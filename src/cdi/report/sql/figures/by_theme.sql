-- The base of the page by theme: what became of the crimes, and the rate, which is left out until an audit
-- has taught the software, and on fewer than 30 crimes, as in extremes.sql.
select
    upper(left(rates.offence_group, 1)) || replace(rates.offence_group[2:], '_', ' ') as label,
    rates.recorded_count,
    rates.unrecorded_count,
    rates.wrongly_cancelled_count,
    rates.justified_count,
    case
        when release.text_model_version is not null and rates.rate_base_count >= 30 then rates.recording_rate
    end as recording_rate,
    rates.is_mature
from recording_rate as rates
cross join release
where
    rates.universe = 'frame'
    and rates.ruleset = 'standard'
    and rates.breakdown = 'theme'
order by rates.rate_base_count desc, label asc
