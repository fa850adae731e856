"""One call's way through the published version of its agency, in words: `make explain`.

All of it is read from the version's own file, rules included: what is told is what was decided,
even if the rules have changed since.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdi import paths
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency
from cdi.errors import CdiError
from cdi.render import NOTHING
from cdi.report.call import (
    CALL,
    COUNTING,
    CRIMES,
    DECISIONS,
    ENTRIES,
    EVIDENCE,
    HITS,
    QUESTIONS,
    READING,
    CallRow,
    answer_in_words,
    hit_in_words,
    read_said_words,
    yes_or_no,
)
from cdi.report.wording import EFFECTS, FACT, VERDICTS, fact_in_words, in_words
from cdi.sql import Params, connect, fetch_dicts, scalar


def explain_call(agency: Agency, call: str, console: Console) -> None:
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

    def _rows(self, query: str) -> list[CallRow]:
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
        self.said = read_said_words(self.con, [self.call_id]).get(self.call_id, {})
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
                crime = f"{crime} ({in_words(row['counting_class'])})"
            _add(
                *(table, in_words(row["evidence_kind"]), row["evidence_strength"], crime),
                self._what(row),
            )
        self.console.print(table)

    def _what(self, row: CallRow) -> str:
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
            _add(table, question, *(answer_in_words(row.get(fact), reasons) for row in facts))
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
                *(in_words(row["evidence_kind"]), counts, row["rule"]),
            )
        self.console.print(table)

    def _show_crimes(self) -> None:
        self._title("Reported crimes and what became of them")
        crimes = self._rows(CRIMES)
        if not crimes:
            self.console.print("None: no crime was reported and no record is linked.")
            return
        table = _table("crime", *(crime["reported_crime_id"] for crime in crimes))
        cells: tuple[tuple[str, Callable[[CallRow], str | None]], ...] = (
            ("disclosed as", lambda c: _crime(c["crime_number"]) if c["crime_number"]
             else "no crime of the call: a linked record says so"),
            ("group", lambda c: "Rape" if c["is_rape"] else c["offence_group_name"]),
            ("domestic abuse", lambda c: yes_or_no(c["is_domestic_abuse"])),
            ("evidence", lambda c: f"{in_words(c['evidence_kind'])}, {c['evidence_strength']}"),
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


def _percent(probability: float) -> str:
    return f"{probability:.0%}" if probability >= 0.005 else "less than 1%"


def _outcome(value: str | None) -> str:
    return in_words(value) if value else "not counted: too weak for it"


def _link(crime: CallRow) -> str | None:
    if crime["link_rung"] is None:
        return None
    return f"{in_words(crime['link_rung'])}, probability {crime['link_probability']:.2f}"


def _cancellation(crime: CallRow) -> str | None:
    check = crime["cancellation_check"]
    told = {"no_record": None, "met": "cancelled, by the rules"}
    return told[check] if check in told else in_words(check)


def _time_left(crime: CallRow) -> str | None:
    hours = crime["hours_left"]
    if hours is None:
        return None
    return f"{hours:,.0f} hours left" if hours >= 0 else f"{-hours:,.0f} hours over"


# ---------------------------------------------------------------------- queries, all about $calls

WITHDRAWN = """
    select count(*) from staging.stg_past_calls where natural_id = ? and fate = 'withdrawn'
"""
