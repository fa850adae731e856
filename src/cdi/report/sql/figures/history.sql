-- The audited rate of all crime at each audit of the frame, the oldest first.
select
    strftime(
        timezone(release.timezone, timezone('UTC', audits.period_end)) - interval 1 day, '%B %Y'
    ) as label,
    rates.recording_rate as rate,
    rates.lower_limit as low,
    rates.upper_limit as high,
    rates.audited_crimes,
    audits.draw_id
from audits
cross join release
inner join audited_rates as rates on audits.draw_id = rates.draw_id and rates.domain = 'force'
where audits.universe = 'frame' and rates.recording_rate is not null
order by audits.period_end, audits.drawn_at
