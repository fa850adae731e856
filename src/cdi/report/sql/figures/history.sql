-- The audited rate of all crime at each audit of the frame, the oldest first. An audit is named by the months
-- of its period; where others have these months, by its days; where others have these days, by a number too:
-- two of one name would be drawn on top of each other.
with measured as (
    select
        cast(timezone(release.timezone, timezone('UTC', audits.period_start)) as date) as first_on,
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
),

named as (
    select
        *,
        strftime(last_on, '%B %Y') as last_month,
        strftime(last_on, '%-d %B %Y') as last_day,
        if(year(first_on) = year(last_on), ' to ', strftime(first_on, ' %Y to ')) as until,
        case
            when strftime(first_on, '%B %Y') = last_month then last_month
            else strftime(first_on, '%B') || until || last_month
        end as months,
        case when first_on = last_on then last_day else strftime(first_on, '%-d %B') || until || last_day end
            as days
    from measured
)

select
    case
        when count(*) over (partition by months) = 1 then months
        when count(*) over (partition by days) = 1 then days
        else
            days || ', audit '
            || row_number() over (partition by days order by drawn_at asc, draw_id asc)
    end as label,
    rate,
    low,
    high,
    audited_crimes,
    draw_id
from named
order by period_end, drawn_at, draw_id
