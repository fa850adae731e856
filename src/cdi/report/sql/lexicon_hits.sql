-- The entries of the lexicon that the parts of a log hit, and the subject of each in words.
select
    hits.call_id,
    hits.lexicon_id,
    hits.part,
    hits.meaning,
    hits.subject,
    coalesce(
        case when hits.is_rape then 'Rape' end, groups.offence_group_name, reasons.reason_name
    ) as subject_name
from disclosure.int_disclosure__lexicon_hits as hits
left join rules.offence_groups as groups on hits.subject = groups.offence_group
left join rules.reasons as reasons on hits.subject = reasons.reason_code
where hits.call_id in (select unnest($calls))
order by hits.part, hits.meaning, hits.subject, hits.lexicon_id
