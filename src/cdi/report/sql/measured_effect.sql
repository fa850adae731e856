-- The audited rates before and after an action: of the last audit that ended before it and of the first that
-- began after it, of the same universe. They are not always neighbours: an audit whose period the action
-- falls into tells neither state, so audited_changes, which compares neighbours, has no such pair. Of two
-- universes the one whose later audit is earlier is taken. Periods of audits begin and end at local
-- midnights, and actions are done on local days.
with action as (
    select
        $domain as affected_domain,
        $done as done_on
),

rated as (
    select
        rates.draw_id,
        rates.universe,
        rates.recording_rate,
        rates.lower_limit,
        rates.upper_limit,
        audits.drawn_at,
        cast(timezone(release.timezone, timezone('UTC', audits.period_start)) as date) as begins_on,
        cast(timezone(release.timezone, timezone('UTC', audits.period_end)) as date) as ends_on,
        action.done_on
    from audited_rates as rates
    inner join audits on rates.draw_id = audits.draw_id
    inner join action on rates.domain = action.affected_domain
    cross join release
    where rates.recording_rate is not null and audits.withheld_reason is null
),

earlier as (
    select *
    from rated
    where ends_on <= done_on
    qualify row_number() over (partition by universe order by ends_on desc, drawn_at desc) = 1
),

later as (
    select *
    from rated
    where begins_on >= done_on
    qualify row_number() over (partition by universe order by begins_on asc, drawn_at desc) = 1
)

select
    earlier.draw_id as before_draw_id,
    later.draw_id,
    [earlier.recording_rate, earlier.lower_limit, earlier.upper_limit] as rate_before,
    [later.recording_rate, later.lower_limit, later.upper_limit] as rate_after
from earlier
inner join later on earlier.universe = later.universe
order by
    later.begins_on,
    later.universe <> 'frame'
limit 1
