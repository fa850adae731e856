-- The whole agency in its newest released quarters. The counts are null where a quarter withholds one of
-- them; `gaps` counts such quarters, and those whose rate was withheld on the day they were counted.
with newest as (
    select *
    from quarters
    order by quarter desc
    limit $quarters
),

totals as (
    select
        newest.quarter,
        newest.design_effect,
        crimes.due_count,
        crimes.recorded_count,
        rates.standard_rate
    from newest
    inner join crimes
        on
            newest.quarter = crimes.quarter
            and crimes.month = 'all'
            and crimes.district = 'all'
            and crimes.offence_group = 'all'
    left join rates
        on
            newest.quarter = rates.quarter
            and rates.district = 'all'
            and rates.offence_group = 'all'
)

select
    release.agency_name,
    release.is_simulated,
    release.withheld_reason,
    min(totals.quarter) as first_quarter,
    max(totals.quarter) as last_quarter,
    cast(sum(totals.recorded_count) as bigint) as recorded_count,
    cast(sum(totals.due_count) as bigint) as due_count,
    sum(totals.due_count / totals.design_effect) as effective_count,
    count(*) filter (
        where totals.due_count is null or totals.recorded_count is null
        or totals.design_effect is null or totals.standard_rate is null
    ) as gaps
from release
left join totals on true
group by all
