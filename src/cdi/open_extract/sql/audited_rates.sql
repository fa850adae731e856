-- sqlfluff:templater:placeholder:smallest_denominator:20
-- sqlfluff:templater:placeholder:smallest_count:5
-- sqlfluff:templater:placeholder:most_audited_percent:50
-- What auditors found, without the rates that would give a small count away.
select
    rates.draw_id,
    cast(timezone(release.timezone, timezone('UTC', audits.period_start)) as date)
        as starts_on,
    cast(timezone(release.timezone, timezone('UTC', audits.period_end)) as date)
        as ends_before_on,
    rates.universe,
    coalesce(audits.is_headline, false) as is_headline,
    rates.domain,
    round(rates.recording_rate, 3) as recording_rate,
    round(rates.lower_limit, 3) as lower_limit,
    round(rates.upper_limit, 3) as upper_limit,
    cast(rates.effective_crimes as bigint) as effective_crimes
from audited_rates as rates
inner join audits on rates.draw_id = audits.draw_id and audits.withheld_reason is null
cross join release
where
    rates.recording_rate is not null
    and rates.effective_crimes >= $smallest_denominator
    -- A reader can multiply a rate by a number of crimes. What comes out must not be a small count of
    -- recorded or missed crimes; none at all is no small count.
    and (
        rates.recording_rate in (0, 1)
        or round(
            least(rates.recording_rate, 1 - rates.recording_rate)
            * least(rates.audited_crimes, rates.effective_crimes)
        ) >= $smallest_count
    )
    -- Where auditors read most crimes, a rate times their number is nearly an exact count. Parts add up to
    -- the force, so subtraction would give away a part that is left out. One rate of all has no such sum.
    and (rates.domain = 'force' or 100 * rates.audited_share < $most_audited_percent)
order by audits.period_start, rates.universe, rates.draw_id, rates.domain
