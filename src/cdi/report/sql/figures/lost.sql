-- From reported crimes to crime records, stage by stage: what stays, what needs no record, what cannot be
-- judged yet, and what is lost, by how the log was closed. The four most frequent closures have their name,
-- the others are one stage.
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

named as (
    select
        outcomes.outcome_order,
        outcomes.outcome,
        outcomes.outcome_name as label,
        case outcomes.outcome
            when 'justified' then total.justified_count
            when 'too_recent' then total.too_recent_count
            when 'source_missing' then total.source_missing_count
            when 'unrecorded' then total.rate_base_count
            when 'wrongly_cancelled' then total.wrongly_cancelled_count
            else total.recorded_count
        end as crimes
    from rules.outcomes as outcomes
    cross join total
),

-- crimes that should be recorded, and what of them is unrecorded, are shown at the place of that outcome
stages as (
    select
        0 as stage,
        0 as place,
        'Reported crimes' as label,
        rate_base_count + justified_count + too_recent_count + source_missing_count as crimes,
        'stays' as kind
    from total
    union all
    select
        outcome_order as stage,
        0 as place,
        case when outcome = 'unrecorded' then 'Should be recorded' else label end as label,
        crimes,
        case
            when outcome in ('unrecorded', 'recorded') then 'stays'
            when outcome = 'wrongly_cancelled' then 'lost'
            when outcome in ('too_recent', 'source_missing') then 'not in the rate'
            else 'no record needed'
        end as kind
    from named
    union all
    select
        any_value(named.outcome_order) as stage,
        least(ranked.place, 5) as place,
        case
            when ranked.place <= 4 then 'Closed: ' || any_value(ranked.label) else 'Closed in other ways'
        end as label,
        cast(sum(ranked.crimes) as bigint) as crimes,
        'lost' as kind
    from ranked
    inner join named on named.outcome = 'unrecorded'
    group by least(ranked.place, 5), ranked.place <= 4
)

select
    label,
    crimes,
    kind
from stages
where crimes > 0
order by stage, place
