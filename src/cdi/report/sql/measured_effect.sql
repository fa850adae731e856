-- The change of an audited rate from an audit that ended before an action to one that began after it. Of
-- several such pairs the one with the earliest later audit is taken. Periods of audits begin and end at local
-- midnights, and actions are done on local days.
with action as (
    select
        $domain as affected_domain,
        $done as done_on
)

select
    changes.change_points,
    changes.lower_limit,
    changes.upper_limit,
    changes.before_draw_id,
    changes.draw_id
from audited_changes as changes
inner join audits as earlier on changes.before_draw_id = earlier.draw_id
inner join audits as later on changes.draw_id = later.draw_id
cross join release
inner join action
    on
        changes.domain = action.affected_domain
        and cast(timezone(release.timezone, timezone('UTC', earlier.period_end)) as date) <= action.done_on
        and cast(timezone(release.timezone, timezone('UTC', later.period_start)) as date) >= action.done_on
order by later.period_start
limit 1
