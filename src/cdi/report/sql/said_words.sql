-- The words of logs that the phrases of the lexicon found: the first match of each phrase. A crime must be
-- asserted: its phrases are looked for only in clauses of the account that deny nothing, as in the macro
-- `asserted`. Only entries that dbt found in a log are looked for, so the two can not disagree on which.
with phrases as (
    select unnest($phrases, recursive := true)
),

logs as (
    select
        call_id,
        part,
        string_agg(entry, ' / ' order by entry_number) as text
    from disclosure.int_disclosure__log_entries
    where call_id in (select unnest($calls))
    group by call_id, part
),

asserted as (
    select
        *,
        array_to_string(
            list_filter(
                regexp_split_to_array(text, '[,.;/]| but | however | although '),
                lambda clause: $denials = '' or not regexp_matches(clause, $denials)
            ),
            ' , '
        ) as claims
    from logs
),

found as (
    select
        hits.call_id,
        hits.lexicon_id,
        phrases.phrase_id,
        regexp_extract(
            case phrases.meaning when 'crime' then asserted.claims else asserted.text end,
            phrases.phrase
        ) as phrase
    from (
        select distinct
            call_id,
            lexicon_id
        from disclosure.int_disclosure__lexicon_hits
        where call_id in (select unnest($calls))
    ) as hits
    inner join phrases on hits.lexicon_id = phrases.lexicon_id
    inner join asserted on hits.call_id = asserted.call_id and phrases.part = asserted.part
)

select
    call_id,
    lexicon_id,
    phrase
from found
where phrase <> ''
order by call_id, phrase_id
