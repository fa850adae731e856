with calls as (
    select
        *,
        timezone($zone, timezone('UTC', received_at)) as received_locally_at
    from fct_calls
    where list_contains($ids, call_id)
),

said as (
    select
        entries.call_id,
        string_agg(entries.entry, chr(10) order by entries.entry_number)
        filter (where entries.part = 'account') as account,
        string_agg(entries.entry, chr(10) order by entries.entry_number)
        filter (where entries.part = 'closing') as closing
    from disclosure.int_disclosure__log_entries as entries
    semi join calls on entries.call_id = calls.call_no
    group by entries.call_id
)

select
    calls.call_id,
    calls.received_locally_at as received_at,
    concat_ws(' ', calls.initial_type_code, coalesce(calls.initial_type_name, opened.name)) as opened_as,
    concat_ws(' ', calls.final_type_code, coalesce(calls.final_type_name, closed.name)) as closed_as,
    concat_ws(' ', calls.disposition_code, coalesce(calls.disposition_name, closures.name)) as result,
    logs.qualifiers,
    said.account,
    said.closing
from calls
left join disclosure.int_disclosure__logs as logs on calls.call_no = logs.call_id
left join said on calls.call_no = said.call_id
left join codes.call_types as opened on calls.initial_type_code = opened.code
left join codes.call_types as closed on calls.final_type_code = closed.code
left join codes.closures as closures on calls.disposition_code = closures.code
order by calls.call_id
