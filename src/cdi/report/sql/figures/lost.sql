-- From reported crimes to crime records, stage by stage: what stays, what needs no record, and what is lost,
-- by how the log was closed. The four most frequent closures have their name, the others are one stage.
with total as (
    from recording_rate
    where
        universe = 'frame' and ruleset = 'standard' and breakdown = 'total'
        and offence_group = 'all' and rate_base_count > 0
),

closures as (
    select
        coalesce(closures.name, rates.disposition_code) as label,
        sum(rates.unrecorded_count) as crimes
    from recording_rate as rates
    left join codes.closures as closures on rates.disposition_code = closures.code
    where
        rates.universe = 'frame' and rates.ruleset = 'standard'
        and rates.breakdown = 'disposition' and rates.unrecorded_count > 0
        and exists (from total)
    group by all
),

ranked as (
    select
        *,
        row_number() over (order by crimes desc, label asc) as place
    from closures
),

stages as (
    select
        1 as stage,
        'Reported crimes' as label,
        rate_base_count + justified_count + too_recent_count + source_missing_count as crimes,
        'stays' as kind
    from total
    union all
    select
        2 as stage,
        'No record needed' as label,
        justified_count as crimes,
        'no record needed' as kind
    from total
    union all
    select
        3 as stage,
        'Still in time' as label,
        too_recent_count as crimes,
        'no record needed' as kind
    from total
    union all
    select
        4 as stage,
        'Cannot be judged' as label,
        source_missing_count as crimes,
        'no record needed' as kind
    from total
    union all
    select
        5 as stage,
        'Should be recorded' as label,
        rate_base_count as crimes,
        'stays' as kind
    from total
    union all
    select
        5 + least(place, 5) as stage,
        case when place <= 4 then 'Closed: ' || any_value(label) else 'Closed in other ways' end as label,
        cast(sum(crimes) as bigint) as crimes,
        'lost' as kind
    from ranked
    group by least(place, 5), place <= 4
    union all
    select
        11 as stage,
        'Wrongly cancelled' as label,
        wrongly_cancelled_count as crimes,
        'lost' as kind
    from total
    union all
    select
        12 as stage,
        'Recorded' as label,
        recorded_count as crimes,
        'stays' as kind
    from total
)

select
    label,
    crimes,
    kind
from stages
where crimes > 0
order by stage
