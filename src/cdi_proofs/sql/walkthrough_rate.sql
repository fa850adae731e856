-- sqlfluff:templater:placeholder:crime:'1'
-- The cells of the rate, standard ruleset, that a reported crime counts in.
select rates.*
from main.recording_rate as rates
inner join main.fct_reported_crimes as crimes on crimes.reported_crime_id = $crime
where
    rates.ruleset = 'standard'
    and rates.universe = case when crimes.is_in_frame then 'frame' else 'all' end
    and rates.offence_group in ('all', crimes.offence_group)
    and rates.district in ('all', crimes.district)
    and rates.reported_month in ('all', cast(crimes.reported_month_on as varchar))
    and rates.disposition_code in ('all', crimes.disposition_code)
    and rates.route in ('all', crimes.route)
order by rates.breakdown
