"""What one call's page and `explain` both say, read from a published file."""

import re
from collections.abc import Sequence
from typing import Any

import duckdb

from cdi.report.wording import in_words
from cdi.sql import fetch_dicts

CallRow = dict[str, Any]

MEANINGS = {
    "crime": "tells of a crime",
    "no_crime": "explains the account away",
    "unsure": "is unsure of it",
    "negates_clause": "denies what its clause tells",
    "further_crime": "tells of further victims",
    "offenders": "tells of offenders",
    "domestic_abuse": "names a partner or former partner as the offender",
    "reason": "gives a reason not to record",
    "excuse": "gives a reason that is none",
    "no_offences": "says that there was no crime",
    "relabel": "calls it something other than a crime",
    "recorded": "says that a crime was or will be recorded",
}
# subjects whose code does not read as words
SUBJECTS = {"asb": "anti-social behaviour", "historic_dealt_with": "dealt with long ago"}


def hit_in_words(hit: CallRow) -> tuple[str, str]:
    """What a phrase says, and of what.

    Args:
        hit: A row of `HITS`.
    """
    code = hit["subject"]
    subject = hit["subject_name"] or SUBJECTS.get(code) or in_words(code)
    return MEANINGS.get(hit["meaning"], in_words(hit["meaning"])), subject


def read_said_words(
    con: duckdb.DuckDBPyConnection, calls: Sequence[str]
) -> dict[str, dict[str, list[str]]]:
    """The words of logs that entries of the lexicon found: by call, then by entry.

    Args:
        con: A published (or private) file.
        calls: Ids of the calls.
    """
    lexicon = fetch_dicts(
        con,
        "select lexicon_id, part, meaning, pattern, phrase_id from rules.lexicon "
        "order by phrase_id",
    )
    terms = dict(con.execute("select term, words from rules.lexicon_terms").fetchall())
    for entry in lexicon:
        entry["phrase"] = rf"\b(?:{_written_out(entry.pop('pattern'), terms)})\b"
    # of all entries only those that some of the calls hit are looked for
    hit = {row["lexicon_id"] for row in fetch_dicts(con, HITS, {"calls": calls})}
    values = {
        "calls": calls,
        "phrases": [entry for entry in lexicon if entry["lexicon_id"] in hit],
        "denials": "|".join(e["phrase"] for e in lexicon if e["meaning"] == "negates_clause"),
    }
    found: dict[str, dict[str, list[str]]] = {}
    for call, lexicon_id, words_of_it in con.execute(SAID, values).fetchall() if hit else ():
        known = found.setdefault(call, {}).setdefault(lexicon_id, [])
        if words_of_it not in known:
            known.append(words_of_it)
    return found


def _written_out(pattern: str, terms: dict[str, str]) -> str:
    """A pattern with its {terms} written out; a term may use others (macro `written_out`)."""
    for _ in range(4):
        pattern = re.sub(r"\{([a-z_]+)\}", lambda m: f"(?:{terms[m[1]]})", pattern)
    return pattern


def yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def answer_in_words(value: Any, reasons: dict[str, str]) -> str | None:
    """A fact's value in words; None where the fact is not known."""
    if isinstance(value, bool):
        return yes_or_no(value)
    return None if value is None else reasons.get(value, in_words(str(value)))


CALL = """
    select
        calls.*,
        logs.qualifiers,
        concat_ws(' ', calls.initial_type_code, coalesce(calls.initial_type_name, started.name))
            as opened_as,
        concat_ws(' ', calls.final_type_code, coalesce(calls.final_type_name, ended.name))
            as closed_as,
        concat_ws(' ', calls.disposition_code, coalesce(calls.disposition_name, closures.name))
            as result
    from main.fct_calls as calls
    inner join disclosure.int_disclosure__logs as logs on calls.call_id = logs.call_id
    left join codes.call_types as started on calls.initial_type_code = started.code
    left join codes.call_types as ended on calls.final_type_code = ended.code
    left join codes.closures as closures on calls.disposition_code = closures.code
    where calls.call_id in (select unnest($calls))
"""

ENTRIES = """
    select call_id, part, entry
    from disclosure.int_disclosure__log_entries
    where call_id in (select unnest($calls))
    order by call_id, part, entry_number
"""

# an account is searched without its clauses that deny something (macro `asserted`)
SAID = """
    with phrases as (
        select unnest($phrases, recursive := true)
    ),

    logs as (
        select call_id, part, string_agg(entry, ' / ' order by entry_number) as text
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
            select distinct call_id, lexicon_id
            from disclosure.int_disclosure__lexicon_hits
            where call_id in (select unnest($calls))
        ) as hits
        inner join phrases on hits.lexicon_id = phrases.lexicon_id
        inner join asserted on hits.call_id = asserted.call_id and phrases.part = asserted.part
    )

    select call_id, lexicon_id, phrase
    from found
    where phrase <> ''
    order by call_id, phrase_id
"""

HITS = """
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
"""

READING = """
    select call_id, crime_probability, model_version
    from disclosure.int_disclosure__text_reading
    where call_id in (select unnest($calls))
"""

EVIDENCE = """
    select
        evidence.*,
        groups.offence_group_name,
        readings.crime_probability,
        case evidence.evidence_kind
            when 'closure' then closures.name
            when 'qualifier' then qualifiers.qualifier_name
            else call_types.name
        end as code_name
    from disclosure.int_disclosure__call_evidence as evidence
    left join rules.offence_groups as groups on evidence.offence_group = groups.offence_group
    left join disclosure.int_disclosure__text_reading as readings
        on evidence.call_id = readings.call_id
    left join codes.call_types as call_types on evidence.evidence_code = call_types.code
    left join codes.closures as closures on evidence.evidence_code = closures.code
    left join rules.qualifiers as qualifiers on evidence.evidence_code = qualifiers.qualifier
    where evidence.call_id in (select unnest($calls))
    order by evidence.evidence_rank desc, evidence.evidence_kind, evidence.evidence_code
"""

QUESTIONS = """
    select column_name, comment
    from duckdb_columns()
    where schema_name = 'rules' and table_name = 'recording_decisions' and comment like $fact
    order by column_index
"""

DECISIONS = """
    select
        decisions.call_id,
        decisions.crime_number,
        decisions.decision_id,
        decisions.verdict,
        decisions.reported_incident_code,
        rules.priority,
        rules.description,
        rules.rule_page,
        reasons.reason_name,
        classes.name as kept_as_name
    from disclosure.int_disclosure__decisions as decisions
    inner join rules.recording_decisions as rules on decisions.decision_id = rules.decision_id
    left join rules.reasons as reasons on decisions.reason_code = reasons.reason_code
    left join rules.reported_incident_classes as classes
        on decisions.reported_incident_code = classes.ho_code
    where decisions.call_id in (select unnest($calls))
    order by decisions.crime_number
"""

COUNTING = """
    select
        crimes.call_id,
        crimes.crime_number,
        crimes.evidence_kind,
        groups.offence_group_name,
        counting.counted_under,
        own.effect,
        coalesce(
            principal.description || ' (' || principal.source || ')',
            other.description || ' (' || other.source || ')',
            own.description || ' (' || own.source || ')'
        ) as rule
    from disclosure.int_disclosure__disclosed_crimes as crimes
    inner join disclosure.int_disclosure__facts as facts
        on crimes.call_id = facts.call_id and crimes.crime_number = facts.crime_number
    left join disclosure.int_disclosure__counting as counting
        on crimes.call_id = counting.call_id and crimes.crime_number = counting.crime_number
    left join rules.offence_groups as groups on crimes.offence_group = groups.offence_group
    left join rules.counting_rules as own
        on
            crimes.counting_class = own.counting_class
            and facts.received_on between own.valid_from and own.valid_to
    left join rules.counting_rules as other on counting.counted_under = other.counting_rule_id
    left join rules.principal_crimes as principal
        on
            counting.counted_under = 'P:' || principal.principal_group
            and crimes.offence_group = principal.included_group
    where crimes.call_id in (select unnest($calls))
    order by crimes.crime_number
"""

CRIMES = """
    select
        crimes.*,
        reported.crime_number,
        groups.offence_group_name,
        reasons.reason_name
    from main.fct_reported_crimes as crimes
    inner join outcomes.int_outcomes__reported_crimes as reported
        on crimes.reported_crime_id = reported.reported_crime_id
    left join rules.offence_groups as groups on crimes.offence_group = groups.offence_group
    left join rules.reasons as reasons on crimes.reason_code = reasons.reason_code
    where crimes.call_id in (select unnest($calls))
    order by crimes.reported_crime_id
"""
