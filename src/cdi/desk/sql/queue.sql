-- Each crime of the worklist, with what the queue shows of its log and what can be looked for in it.
with texts as (
    select
        entries.call_id,
        string_agg(if(entries.part = 'account', entries.entry, null), ' / ' order by entries.entry_number)
            as account,
        string_agg(if(entries.part = 'closing', entries.entry, null), ' / ' order by entries.entry_number)
            as closing
    from disclosure.int_disclosure__log_entries as entries
    group by entries.call_id
)

select
    listed.list_place,
    listed.reported_crime_id,
    listed.call_id,
    calls.call_no,
    cast(split_part(listed.reported_crime_id, '#', -1) as integer) as crime_number,
    listed.status,
    -- What was dismissed may be taken back before the next build; its likelihood is that from before.
    if(listed.status = 'dismissed', listed.likelihood <> 'possible', listed.is_likely) as is_likely,
    listed.due_at,
    listed.severity,
    severities.severity_rank,
    listed.offence_group,
    groups.offence_group_name,
    listed.is_rape,
    listed.suspicion,
    listed.likelihood,
    words.likelihood_name,
    words.likelihood_sentence,
    listed.district,
    listed.team,
    listed.disposition_code,
    closures.name as disposition_name,
    listed.final_type_name,
    calls.received_at,
    cast(timezone(release.timezone, timezone('UTC', calls.received_at)) as date) as received_on,
    texts.account,
    texts.closing
from main.unrecorded_crimes as listed
cross join main.release
inner join main.fct_calls as calls on listed.call_id = calls.call_id
inner join rules.severities as severities on listed.severity = severities.severity
inner join main.likelihood_yields as words on listed.likelihood = words.likelihood
left join rules.offence_groups as groups on listed.offence_group = groups.offence_group
left join codes.closures as closures on listed.disposition_code = closures.code
left join texts on calls.call_no = texts.call_id
order by listed.list_place
