-- Practices that changed in the newest four weeks, each as it was last seen; staff without number.
with newest as (
    select max(week_on) as week_on from practice_weeks
),

last_seen as (
    select changes.*
    from practice_changes as changes
    cross join newest
    where changes.week_on > newest.week_on - 28
    qualify row_number() over (
        partition by changes.practice, changes.subject
        order by changes.week_on desc
    ) = 1
)

select
    last_seen.practice,
    case
        when last_seen.subject like 'author %' then 'one author'
        else coalesce(lower(offence_groups.offence_group_name), last_seen.subject)
    end as label,
    nullif(substr(last_seen.subject, length(offence_groups.offence_group) + 3), '') as detail,
    last_seen.week_on,
    last_seen.week_count,
    last_seen.case_count,
    last_seen.base_count,
    last_seen.share,
    last_seen.share_before
from last_seen
left join rules.offence_groups as offence_groups
    on split_part(last_seen.subject, ', ', 1) = offence_groups.offence_group
order by abs(last_seen.score) desc
