-- The audited rate of all crime at each audit of the frame, the oldest first. An audit is named by the month
-- in which its period ends; where others end in that month, by the last day; where others end on that day, by
-- a number too: two of one name would be drawn on top of each other.
with measured as (
    select
        cast(
            timezone(release.timezone, timezone('UTC', audits.period_end)) - interval 1 day as date
        ) as last_on,
        rates.recording_rate as rate,
        rates.lower_limit as low,
        rates.upper_limit as high,
        rates.audited_crimes,
        audits.draw_id,
        audits.period_end,
        audits.drawn_at
    from audits
    cross join release
    inner join audited_rates as rates on audits.draw_id = rates.draw_id and rates.domain = 'force'
    where audits.universe = 'frame' and rates.recording_rate is not null
)

select
    case
        when count(*) over (partition by date_trunc('month', last_on)) = 1 then strftime(last_on, '%B %Y')
        when count(*) over (partition by last_on) = 1 then strftime(last_on, '%-d %B %Y')
        else
            strftime(last_on, '%-d %B %Y') || ', audit '
            || row_number() over (partition by last_on order by drawn_at asc, draw_id asc)
    end as label,
    rate,
    low,
    high,
    audited_crimes,
    draw_id
from measured
order by period_end, drawn_at, draw_id
