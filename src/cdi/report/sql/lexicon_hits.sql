-- The entries of the lexicon that the parts of a log hit, the words that each matched, and the subject of
-- each in words.
with found as (
    select
        calls.call_id,
        hits.lexicon_id,
        any_value(hits.part) as part,
        any_value(hits.meaning) as meaning,
        any_value(hits.subject) as subject,
        any_value(hits.is_rape) as is_rape,
        flatten(list(hits.words order by hits.entry_number)) as words
    from disclosure.int_disclosure__lexicon_hits as hits
    inner join main.fct_calls as calls on hits.call_id = calls.call_no
    where calls.call_id in (select unnest($calls))
    group by calls.call_id, hits.lexicon_id
)

select
    found.call_id,
    found.lexicon_id,
    found.part,
    found.meaning,
    found.subject,
    found.words,
    coalesce(
        case when found.is_rape then 'Rape' end, groups.offence_group_name, reasons.reason_name
    ) as subject_name
from found
left join rules.offence_groups as groups on found.subject = groups.offence_group
left join rules.reasons as reasons on found.subject = reasons.reason_code
order by found.part, found.meaning, found.subject, found.lexicon_id
