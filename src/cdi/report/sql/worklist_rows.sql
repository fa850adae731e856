-- sqlfluff:templater:placeholder:rows:2000
-- The rows of the worklist's sheet in its order, which is that of the page, each with the list of the page
-- that it belongs to: what is confirmed and can still be recorded in time; what is to be read now, first what
-- is still in time and then what is overdue; then the first of the list, and all that are likely and still in
-- time. Only the start of a text is taken: a cell of the sheet has to stay readable. Where the source gives
-- the closing code alone, the code map names it.
with listed as (
    select
        crimes.*
        replace (coalesce(crimes.final_type_name, types.name, calls.final_type_code) as final_type_name),
        case
            when crimes.status = 'confirmed' and crimes.hours_left > 0 then 'to_record'
            when crimes.reading_part = 'now' and crimes.hours_left > 0 then 'in_time'
            when crimes.reading_part = 'now' then 'overdue'
            else 'later'
        end as page_list
    from unrecorded_crimes as crimes
    inner join fct_calls as calls on crimes.call_id = calls.call_id
    left join codes.call_types as types on calls.final_type_code = types.code
    where
        page_list <> 'later'
        or crimes.list_place <= $rows
        or (crimes.is_likely and crimes.hours_left > 0)
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
    list_position(['to_record', 'in_time', 'overdue', 'later'], listed.page_list),
    case when listed.page_list in ('to_record', 'in_time') then listed.hours_left end asc nulls last,
    case when listed.page_list in ('in_time', 'overdue') then listed.reading_place end asc nulls last,
    listed.list_place
