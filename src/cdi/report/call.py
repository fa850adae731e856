"""What a version says about one call: read once, shown by `make explain` and on the call's page.

All of it is read from the version's own file, rules included: it shows how the call was decided
then, even if the rules have changed since.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency.model import Agency
from cdi.report.wording import (
    FACT,
    MEANINGS,
    VERDICTS,
    answer_in_words,
    fact_in_words,
    in_words,
    local_time,
    subject_in_words,
)
from cdi.shares import write_percent
from cdi.sql import fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
PARTS = ("account", "reopening", "closing")  # of a log, in the order of its life

CallRow = dict[str, Any]


@dataclass(frozen=True)
class Hit:
    """An entry of the lexicon that a part of the log hits.

    Attributes:
        part: Of the log.
        meaning: The entry's meaning, a code of the lexicon.
        says: The meaning in words.
        subject: What it says that of, in words.
        phrases: The words of the log that say it.
        lexicon_id: The entry.
    """

    part: str
    meaning: str
    says: str
    subject: str
    phrases: tuple[str, ...]
    lexicon_id: str

    @property
    def quoted(self) -> str:
        """The words of the log in quotation marks."""
        return ", ".join(f"“{phrase}”" for phrase in self.phrases)


@dataclass(frozen=True)
class Evidence:
    """Something that says that a crime was reported.

    Attributes:
        kind: In words.
        strength: As the rules grade it.
        crime: Which crime; None if the evidence does not say.
        what: The words, the code or the probability that it rests on.
    """

    kind: str
    strength: str
    crime: str | None
    what: str


@dataclass(frozen=True)
class CallStory:
    """What a version says about one call.

    Attributes:
        call_id: Id of the call.
        details: Names and values of the call, those without a value left out.
        entries: Part and masked text of each entry of the log, the first account first.
        hits: Entries of the lexicon that the log hits.
        readings: Model and probability that the call reports a crime, if the text model read it.
        evidence: What says that a crime was reported, the strongest first.
        decisions: Rows of the decision table that its crimes met, with `subject` (the crime).
        facts: What the decision asked, and the answer for each of its crimes.
    """

    call_id: str
    details: list[tuple[str, str]]
    entries: list[tuple[str, str]]
    hits: list[Hit]
    readings: list[tuple[str, float]]
    evidence: list[Evidence]
    decisions: list[CallRow]
    facts: list[tuple[str, list[str | None]]]


def read_rows_by_call(
    con: duckdb.DuckDBPyConnection, query: str, calls: Sequence[str]
) -> dict[str, list[CallRow]]:
    """Run a query about some calls.

    Args:
        con: A published (or private) file.
        query: It takes `$calls` and returns `call_id`, among others.
        calls: Ids of the calls.

    Returns:
        The rows by call, in the order of the query; an empty list for a call without a row.
    """
    rows: dict[str, list[CallRow]] = defaultdict(list)
    for row in fetch_dicts(con, query, {"calls": list(calls)}):
        rows[row["call_id"]].append(row)
    return rows


def read_stories(
    con: duckdb.DuckDBPyConnection, agency: Agency, calls: Sequence[str]
) -> dict[str, CallStory]:
    """Read what the version says about some calls; all of them at once, as one by one is slow.

    Args:
        con: A published (or private) file.
        agency: Whose calls.
        calls: Ids of calls that the file has.

    Returns:
        The story of each call.
    """

    def read_rows(query: str) -> dict[str, list[CallRow]]:
        return read_rows_by_call(con, query, calls)

    call_rows = read_rows(read_query(SQL / "call.sql"))
    entries = read_rows(ENTRIES)
    hits = read_rows(read_query(SQL / "lexicon_hits.sql"))
    readings = read_rows(READINGS)
    evidence = read_rows(read_query(SQL / "evidence.sql"))
    decisions = read_rows(read_query(SQL / "decisions.sql"))
    facts = read_rows(FACTS)
    questions = {
        row["column_name"]: fact_in_words(row["comment"])
        for row in fetch_dicts(con, QUESTIONS, {"fact": f"{FACT}%"})
    }
    reasons = dict(con.execute("select reason_code, reason_name from rules.reasons").fetchall())
    stories = {}
    for call_id in calls:
        described = {row["lexicon_id"]: _describe_hit(row) for row in hits[call_id]}
        stories[call_id] = CallStory(
            call_id=call_id,
            details=_describe_call(call_rows[call_id][0], agency),
            entries=sorted(
                ((row["part"], row["entry"]) for row in entries[call_id]),
                key=lambda entry: PARTS.index(entry[0]),
            ),
            hits=list(described.values()),
            readings=[
                (row["model_version"], row["crime_probability"])
                for row in readings[call_id]
                if row["crime_probability"] is not None
            ],
            evidence=[_describe_evidence(row, described, agency) for row in evidence[call_id]],
            decisions=[
                row
                | {
                    "subject": name_crime(row["crime_number"]),
                    "verdict": VERDICTS.get(row["verdict"], row["verdict"]),
                }
                for row in decisions[call_id]
            ],
            facts=[
                (question, [answer_in_words(row.get(fact), reasons) for row in facts[call_id]])
                for fact, question in questions.items()
            ],
        )
    return stories


def _describe_call(row: CallRow, agency: Agency) -> list[tuple[str, str]]:
    """Names and values of the call, without those that have none."""
    details = (
        ("Received", local_time(row["received_at"], agency)),
        ("Closed", local_time(row["closed_at"], agency)),
        # The team and not the person: all who read logs see this, and a crime is only suspected.
        ("Closed by team", row["closing_team"]),
        ("Reported by", row["source_channel"]),
        ("Grade", row["priority_code"]),
        ("Opened as", row["opened_as"]),
        ("Closed as", row["closed_as"]),
        ("Result", row["result"]),
        ("Qualifiers", row["qualifiers"]),
        ("Names the record", row["record_key"]),
        ("Place", ", ".join(filter(None, (row["district"], row["beat"])))),
    )
    return [(name, value) for name, value in details if value]


def _describe_hit(row: CallRow) -> Hit:
    return Hit(
        part=row["part"],
        meaning=row["meaning"],
        says=MEANINGS.get(row["meaning"], in_words(row["meaning"])),
        subject=subject_in_words(row["subject"], row["subject_name"]),
        phrases=tuple(dict.fromkeys(row["words"])),  # each once
        lexicon_id=row["lexicon_id"],
    )


def _describe_evidence(row: CallRow, hits: Mapping[str, Hit], agency: Agency) -> Evidence:
    kind, code = row["evidence_kind"], row["evidence_code"]
    if kind.startswith("log_text"):
        what = f"{hits[code].quoted} [{code}]"
    elif kind.startswith("text_model"):
        what = f"{write_percent(row['crime_probability'], 0)} by model {code}"
    elif kind == "reopening":
        what = f"on {local_time(datetime.fromisoformat(code), agency)}"
    else:
        what = " ".join(filter(None, (code, row["code_name"])))
    crime = "Rape" if row["is_rape"] else row["offence_group_name"]
    counting_class = in_words(row["counting_class"] or "")
    if counting_class and counting_class != (crime or "").lower():  # not "Rape (rape)"
        crime = f"{crime} ({counting_class})" if crime else counting_class
    return Evidence(in_words(kind), row["evidence_strength"], crime, what)


def name_crime(number: int) -> str:
    """A crime of a call by its number; 0 stands for the call as a whole."""
    return f"Crime {number}" if number else "The call"


ENTRIES = """
    select calls.call_id, entries.part, entries.entry
    from disclosure.int_disclosure__log_entries as entries
    inner join main.fct_calls as calls on entries.call_id = calls.call_no
    where calls.call_id in (select unnest($calls))
    order by calls.call_id, entries.part, entries.entry_number
"""

READINGS = """
    select calls.call_id, readings.crime_probability, readings.model_version
    from disclosure.int_disclosure__text_reading as readings
    inner join main.fct_calls as calls on readings.call_id = calls.call_no
    where calls.call_id in (select unnest($calls))
"""

FACTS = """
    select facts.* replace (calls.call_id as call_id)
    from disclosure.int_disclosure__facts as facts
    inner join main.fct_calls as calls on facts.call_id = calls.call_no
    where calls.call_id in (select unnest($calls))
    order by calls.call_id, facts.crime_number
"""

QUESTIONS = """
    select column_name, comment
    from duckdb_columns()
    where schema_name = 'rules' and table_name = 'recording_decisions' and comment like $fact
    order by column_index
"""
