-- Unrecorded crimes of the frame by how their log was closed: the most frequent ways by name, the others
-- together as one, last.
with lost as (
    select
        coalesce(closures.name, rates.disposition_code) as label,
        sum(rates.unrecorded_count) as unrecorded
    from recording_rate as rates
    left join codes.closures as closures on rates.disposition_code = closures.code
    where
        rates.universe = 'frame' and rates.ruleset = 'standard'
        and rates.breakdown = 'disposition' and rates.unrecorded_count > 0
    group by all
),

ranked as (
    select
        *,
        row_number() over (order by unrecorded desc, label asc) as place
    from lost
)

select
    case when place <= $named then label else 'in other ways' end as label,
    cast(sum(unrecorded) as bigint) as unrecorded
from ranked
group by all
order by min(place)
