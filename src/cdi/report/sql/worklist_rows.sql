-- The rows of the worklist's sheet: all that are to be read now, in the order of reading; the first of the
-- list; and all that are likely and still in time. Only the start of the first account is taken: a cell of
-- the sheet has to stay readable.
with listed as (
    from unrecorded_crimes
    where reading_part = 'now' or list_place <= $rows or (is_likely and hours_left > 0)
),

accounts as (
    select
        calls.call_id,
        left(string_agg(entries.entry, ' / ' order by entries.entry_number), 500) as first_account
    from disclosure.int_disclosure__log_entries as entries
    inner join main.fct_calls as calls on entries.call_id = calls.call_no
    where entries.part = 'account' and calls.call_id in (select listed.call_id from listed)
    group by calls.call_id
)

select
    listed.*,
    accounts.first_account,
    groups.offence_group_name,
    cast(timezone(release.timezone, timezone('UTC', listed.reported_at)) as date) as received_on
from listed
cross join release
left join accounts on listed.call_id = accounts.call_id
left join rules.offence_groups as groups on listed.offence_group = groups.offence_group
order by
    case when listed.reading_part = 'now' then listed.reading_place end asc nulls last,
    listed.list_place
