-- The base of the page by closing code: what became of the crimes, and the rate, which is left out until
-- an audit has taught the software, and on fewer than 30 crimes, as in extremes.sql.
select
    concat_ws(' ', rates.disposition_code, closures.name) as label,
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
left join codes.closures as closures on rates.disposition_code = closures.code
where
    rates.universe = 'frame'
    and rates.ruleset = 'standard'
    and rates.breakdown = 'disposition'
order by rates.rate_base_count desc, label asc
