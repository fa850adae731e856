-- The rows of the worklist's sheet: all that are to be read now, first what can still be recorded in time, by
-- its deadline, and then what is overdue, in the order of reading; then the first of the list, and all that
-- are likely and still in time. Only the start of a text is taken: a cell of the sheet has to stay readable.
with listed as (
    from unrecorded_crimes
    where reading_part = 'now' or list_place <= $rows or (is_likely and hours_left > 0)
),

texts as (
    select
        calls.call_id,
        entries.part,
        left(string_agg(entries.entry, ' / ' order by entries.entry_number), 500) as words
    from disclosure.int_disclosure__log_entries as entries
    inner join main.fct_calls as calls on entries.call_id = calls.call_no
    where calls.call_id in (select listed.call_id from listed)
    group by calls.call_id, entries.part
)

select
    listed.*,
    accounts.words as first_account,
    closings.words as closing_text,
    groups.offence_group_name,
    timezone(release.timezone, timezone('UTC', listed.due_at)) as local_due_at,
    cast(timezone(release.timezone, timezone('UTC', listed.reported_at)) as date) as received_on
from listed
cross join release
left join texts as accounts on listed.call_id = accounts.call_id and accounts.part = 'account'
left join texts as closings on listed.call_id = closings.call_id and closings.part = 'closing'
left join rules.offence_groups as groups on listed.offence_group = groups.offence_group
order by
    listed.reading_part is not distinct from 'now' desc,
    case when listed.reading_part = 'now' and listed.hours_left > 0 then listed.hours_left end asc nulls last,
    case when listed.reading_part = 'now' then listed.reading_place end asc nulls last,
    listed.list_place
