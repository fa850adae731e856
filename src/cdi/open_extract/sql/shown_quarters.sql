-- The whole agency in each released quarter, and each offence group in the newest: what the page shows.
with newest as (
    select max(quarter) as quarter from quarters
)

select
    crimes.quarter,
    quarters.as_of_on as counted_on,
    crimes.offence_group,
    crimes.due_count,
    crimes.recorded_count,
    crimes.missed_count,
    -- Rounded to the whole percent, 1 may be all crimes or nearly all, and 0 none or a few. Both counts are
    -- shown beside it, and the page says which it is.
    case
        when rates.standard_rate in (0, 1) then crimes.recorded_count / crimes.due_count
        else rates.standard_rate
    end as rate,
    -- Where a side of the band is withheld there is no band. DuckDB's least and greatest leave nulls out.
    case
        when rates.strict_rate + rates.standard_rate + rates.inclusive_rate is not null
            then least(rates.strict_rate, rates.standard_rate, rates.inclusive_rate)
    end as lowest_rate,
    case
        when rates.strict_rate + rates.standard_rate + rates.inclusive_rate is not null
            then greatest(rates.strict_rate, rates.standard_rate, rates.inclusive_rate)
    end as highest_rate,
    crimes.quarter = newest.quarter as is_newest
from crimes
inner join quarters on crimes.quarter = quarters.quarter
cross join newest
left join rates
    on
        crimes.quarter = rates.quarter
        and crimes.district = rates.district
        and crimes.offence_group = rates.offence_group
where
    crimes.month = 'all'
    and crimes.district = 'all'
    and (crimes.offence_group = 'all' or crimes.quarter = newest.quarter)
order by crimes.quarter desc, crimes.due_count desc nulls last, crimes.offence_group asc
