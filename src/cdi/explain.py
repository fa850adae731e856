"""One call's way through the published version of its agency, in words: `make explain`.

All of it is read from the version's own file, rules included: what is told is what was decided,
even if the rules have changed since.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdi import paths
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency
from cdi.decision_page import EFFECTS, FACT, VERDICTS, fact_in_words, words
from cdi.errors import CdiError
from cdi.render import NOTHING
from cdi.sql import Params, connect, fetch_dicts, scalar

Row = dict[str, Any]

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


def explain(agency: Agency, call: str, console: Console) -> None:
    """Print one call's way through the published version.

    Args:
        agency: Whose version.
        call: The call's reference, in any form that the agency's key rules read.
        console: Where to.

    Raises:
        CdiError: EXPLAIN-UNPUBLISHED if no version is published, EXPLAIN-UNKNOWN if the version
            has no such call.
    """
    file = paths.published(agency.agency) / "current" / "recording.duckdb"
    if not file.is_file():
        raise CdiError(
            "EXPLAIN-UNPUBLISHED",
            f"no version of {agency.agency} is published below {file.parent.parent}",
            f"make run AGENCY={agency.agency}",
        )
    with connect(file, read_only=True) as con:
        page = _Page(con, agency, _call_id(con, agency, call), console)
        page.show(file.resolve().parent.name)


def _call_id(con: duckdb.DuckDBPyConnection, agency: Agency, typed: str) -> str:
    """The id of the call that was typed, by the key rules that the landing uses."""
    bound = Params()
    text = f"trim({bound.bind(typed)})"
    key = key_expression(agency, "call", text, bound)
    call_id = str(scalar(con, f"select coalesce({key}, upper({text}))", bound.values))
    if scalar(con, "select count(*) from main.fct_calls where call_id = ?", [call_id]):
        return call_id
    message = f"the published version of {agency.agency} has no call '{typed.strip()}'"
    if call_id != typed.strip():
        message += f" (looked for as {call_id})"
    fix = "check the reference; a call newer than the version needs `make run` first"
    if scalar(con, WITHDRAWN, [call_id]):
        message += ": the source has withdrawn it"
        fix = "ask the owner of the source why; a withdrawn call is not judged"
    elif scalar(con, "select count(*) from staging.stg_audit_logs where call_id = ?", [call_id]):
        message += ": it is an audited log that is read for the text model only"
        fix = "read the audit's own findings; such a log is not judged"
    raise CdiError("EXPLAIN-UNKNOWN", message, fix)


class _Page:
    """What is printed of one call."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, agency: Agency, call_id: str, console: Console
    ) -> None:
        self.con = con
        self.agency = agency
        self.call_id = call_id
        self.console = console
        # per entry of the lexicon the words of the log that say it
        self.said: dict[str, list[str]] = {}

    def show(self, version: str) -> None:
        """Print all sections."""
        (release,) = fetch_dicts(self.con, "select is_simulated, as_of from main.release")
        if release["is_simulated"]:
            self.console.print("[bold black on yellow] SIMULATED [/] invented data; no real force")
        told = f"version {version}, as of {self._time(release['as_of'])}"
        self.console.print(Text(f"{self.call_id} of {self.agency.name}; {told}", style="bold"))
        self._show_call()
        self._show_text()
        self._show_evidence()
        self._show_facts()
        self._show_decisions()
        self._show_counting()
        self._show_crimes()

    def _rows(self, query: str) -> list[Row]:
        """Rows of a query about the call."""
        return fetch_dicts(self.con, query, {"calls": [self.call_id]})

    # ------------------------------------------------------------------ sections

    def _show_call(self) -> None:
        (call,) = self._rows(CALL)
        place = [call[part] for part in ("district", "beat") if call[part]]
        self._list(
            [
                ("received", self._time(call["received_at"])),
                ("closed", self._time(call["closed_at"])),
                ("reported by", call["source_channel"]),
                ("grade", call["priority_code"]),
                ("opened as", call["opened_as"]),
                ("closed as", call["closed_as"]),
                ("result", call["result"]),
                ("qualifiers", call["qualifiers"]),
                ("place", ", ".join(place)),
            ]
        )

    def _show_text(self) -> None:
        self._title("What the log says")
        entries = self._rows(ENTRIES)
        if not entries:
            self.console.print("Nothing: its source has no text, or the log has none.")
            return
        hits = self._rows(HITS)
        self.said = said(self.con, [self.call_id]).get(self.call_id, {})
        table = _table("part", "text, masked")
        for entry in entries:
            text = Text(entry["entry"])
            text.highlight_words([w for found in self.said.values() for w in found], "bold")
            table.add_row(entry["part"], text)
        self.console.print(table)
        if hits:
            self.console.print()
            table = _table("part", "says", "of", "in the words")
            for hit in hits:
                meaning, subject = hit_in_words(hit)
                _add(table, hit["part"], meaning, subject, self._quoted(hit["lexicon_id"]))
            self.console.print(table)
        for reading in self._rows(READING):
            if reading["crime_probability"] is not None:
                told = (
                    f"The text model ({reading['model_version']}) gives it a chance of "
                    f"{_percent(reading['crime_probability'])} to report a crime to be recorded."
                )
                self.console.print(Text(told))

    def _show_evidence(self) -> None:
        self._title("Evidence that a crime was reported")
        rows = self._rows(EVIDENCE)
        if not rows:
            self.console.print("None.")
            return
        table = _table("kind", "strength", "crime", "what")
        for row in rows:
            crime = "Rape" if row["is_rape"] else row["offence_group_name"]
            if row["counting_class"]:
                crime = f"{crime} ({words(row['counting_class'])})"
            _add(
                *(table, words(row["evidence_kind"]), row["evidence_strength"], crime),
                self._what(row),
            )
        self.console.print(table)

    def _what(self, row: Row) -> str:
        """What an evidence row stands on."""
        kind, code = row["evidence_kind"], row["evidence_code"]
        if kind.startswith("log_text"):
            return f"{self._quoted(code)} [{code}]"
        if kind.startswith("text_model"):
            return f"{_percent(row['crime_probability'])} by model {code}"
        if kind == "reopening":
            return f"on {self._time(datetime.fromisoformat(code))}"
        return " ".join(filter(None, (code, row["code_name"])))

    def _show_facts(self) -> None:
        self._title("Facts that the decision asks")
        questions = {
            row["column_name"]: fact_in_words(row["comment"])
            for row in fetch_dicts(self.con, QUESTIONS, {"fact": f"{FACT}%"})
        }
        facts = self._rows(
            "from disclosure.int_disclosure__facts "
            "where call_id in (select unnest($calls)) order by crime_number"
        )
        reasons = dict(self.con.execute("select reason_code, reason_name from rules.reasons")
                       .fetchall())  # fmt: skip
        table = _table("fact", *(_crime(row["crime_number"]) for row in facts))
        for fact, question in questions.items():
            _add(table, question, *(answer(row.get(fact), reasons) for row in facts))
        self.console.print(table)

    def _show_decisions(self) -> None:
        self._title("Decision: the first row whose facts all fit")
        decisions = self._rows(DECISIONS)
        for row in decisions:
            verdict = VERDICTS.get(row["verdict"], row["verdict"])
            kept_as = row["reported_incident_code"]
            self._list(
                [
                    (_crime(row["crime_number"]), f"{row['decision_id']}: {row['description']}"),
                    ("verdict", ": ".join(filter(None, (verdict, row["reason_name"])))),
                    ("kept as", f"N{kept_as}, {row['kept_as_name']}" if kept_as else None),
                    ("rule book", f"{row['rule_page']} (row of priority {row['priority']})"),
                ]
            )

    def _show_counting(self) -> None:
        rows = self._rows(COUNTING)
        if not rows:
            return
        self._title("Counting")
        table = _table("crime", "group", "told by", "how it counts", "rule")
        for row in rows:
            counts = "by itself"
            if row["counted_under"]:
                counts = "under another crime of the call"
            elif row["effect"]:
                counts = EFFECTS[row["effect"]]
            _add(
                *(table, str(row["crime_number"]), row["offence_group_name"]),
                *(words(row["evidence_kind"]), counts, row["rule"]),
            )
        self.console.print(table)

    def _show_crimes(self) -> None:
        self._title("Reported crimes and what became of them")
        crimes = self._rows(CRIMES)
        if not crimes:
            self.console.print("None: no crime was reported and no record is linked.")
            return
        table = _table("crime", *(crime["reported_crime_id"] for crime in crimes))
        cells: tuple[tuple[str, Callable[[Row], str | None]], ...] = (
            ("disclosed as", lambda c: _crime(c["crime_number"]) if c["crime_number"]
             else "no crime of the call: a linked record says so"),
            ("group", lambda c: "Rape" if c["is_rape"] else c["offence_group_name"]),
            ("domestic abuse", lambda c: _yes(c["is_domestic_abuse"])),
            ("evidence", lambda c: f"{words(c['evidence_kind'])}, {c['evidence_strength']}"),
            ("outcome, strict", lambda c: _outcome(c["outcome_strict"])),
            ("outcome, standard", lambda c: _outcome(c["outcome_standard"])),
            ("outcome, inclusive", lambda c: _outcome(c["outcome_inclusive"])),
            ("reason", lambda c: c["reason_name"]),
            ("decided by a person", lambda c: f"{c['status']} by {c['decided_by']}"
             if c["decided_by"] else None),
            ("crime record", lambda c: c["crime_record_id"] or "none"),
            ("recorded", lambda c: self._time(c["recorded_at"])),
            ("linked by", _link),
            ("cancellation", _cancellation),
            ("to be recorded by", lambda c: self._time(c["due_at"])),
            ("time left", _time_left),
        )  # fmt: skip
        for label, told in cells:
            _add(table, label, *(told(crime) for crime in crimes))
        self.console.print(table)

    # ------------------------------------------------------------------ helpers

    def _title(self, text: str) -> None:
        self.console.print()
        self.console.print(Text(text, style="bold"))

    def _list(self, rows: Iterable[tuple[str, str | None]]) -> None:
        """Names and values, without those that have none."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        for name, value in rows:
            if value:
                _add(table, name, value)
        self.console.print(table)

    def _time(self, moment: datetime | None) -> str | None:
        """A time of the file (UTC) as the agency's clocks show it."""
        if moment is None:
            return None
        return f"{moment.replace(tzinfo=UTC).astimezone(self.agency.zone):%d %B %Y %H:%M}"

    def _quoted(self, lexicon_id: str) -> str:
        return ", ".join(f'"{found}"' for found in self.said.get(lexicon_id, []))


def hit_in_words(hit: Row) -> tuple[str, str]:
    """What a phrase says, and of what.

    Args:
        hit: A row of `HITS`.
    """
    code = hit["subject"]
    subject = hit["subject_name"] or SUBJECTS.get(code) or words(code)
    return MEANINGS.get(hit["meaning"], words(hit["meaning"])), subject


def said(con: duckdb.DuckDBPyConnection, calls: Sequence[str]) -> dict[str, dict[str, list[str]]]:
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


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column))
    return table


def _add(table: Table, *cells: str | None) -> None:
    """Add a row of plain text: what is in brackets is masked text, not markup."""
    table.add_row(*(Text(cell or NOTHING) for cell in cells))


def _crime(number: int) -> str:
    return f"crime {number}" if number else "the call"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def answer(value: Any, reasons: dict[str, str]) -> str | None:
    """A fact's value in words; None where the fact is not known."""
    if isinstance(value, bool):
        return _yes(value)
    return None if value is None else reasons.get(value, words(str(value)))


def _percent(probability: float) -> str:
    return f"{probability:.0%}" if probability >= 0.005 else "less than 1%"


def _outcome(value: str | None) -> str:
    return words(value) if value else "not counted: too weak for it"


def _link(crime: Row) -> str | None:
    if crime["link_rung"] is None:
        return None
    return f"{words(crime['link_rung'])}, probability {crime['link_probability']:.2f}"


def _cancellation(crime: Row) -> str | None:
    check = crime["cancellation_check"]
    told = {"no_record": None, "met": "cancelled, by the rules"}
    return told[check] if check in told else words(check)


def _time_left(crime: Row) -> str | None:
    hours = crime["hours_left"]
    if hours is None:
        return None
    return f"{hours:,.0f} hours left" if hours >= 0 else f"{-hours:,.0f} hours over"


# ---------------------------------------------------------------------- queries, all about $calls

WITHDRAWN = """
    select count(*) from staging.stg_past_calls where natural_id = ? and fate = 'withdrawn'
"""

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
