"""What the published version says about one call, printed in the terminal: `make explain`."""

from collections.abc import Callable, Iterable
from datetime import datetime

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdi import paths
from cdi.agency.model import Agency
from cdi.console import say_simulated
from cdi.errors import CdiError
from cdi.render import NOTHING
from cdi.report.call import (
    SQL,
    CallRow,
    name_crime,
    read_rows_by_call,
)
from cdi.report.log import LogView, read_logs
from cdi.report.search import find_call_id
from cdi.report.wording import EFFECTS, deadline_in_words, in_words, local_time, yes_or_no
from cdi.shares import write_percent
from cdi.sql import connect, fetch_dicts, read_query


def explain_call(agency: Agency, call: str, console: Console) -> None:
    """Print what the published version says about one call.

    Args:
        agency: Whose version.
        call: The call's reference, in any form that the agency's key rules read.
        console: Where to print it.

    Raises:
        CdiError: EXPLAIN-UNPUBLISHED if no version is published, EXPLAIN-UNKNOWN if the version
            has no such call.
    """
    file = paths.current(agency.agency) / "recording.duckdb"
    if not file.is_file():
        raise CdiError(
            "EXPLAIN-UNPUBLISHED",
            f"no version of {agency.agency} is published below {file.parent.parent}",
            f"run the pipeline first: {paths.name_run(agency.agency)}",
        )
    with connect(file, read_only=True) as con:
        call_id = find_call_id(con, agency, call)
        view = read_logs(con, agency, [call_id])[call_id]
        printer = _CallPrinter(con, agency, view, console)
        printer.print_all(file.resolve().parent.name)


class _CallPrinter:
    """Prints one call, section by section."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, agency: Agency, view: LogView, console: Console
    ) -> None:
        self.con = con
        self.agency = agency
        self.view = view
        self.story = view.story
        self.console = console

    def print_all(self, version: str) -> None:
        """Print all sections.

        Args:
            version: Name of the version.
        """
        (release,) = fetch_dicts(self.con, "select is_simulated, as_of from main.release")
        if release["is_simulated"]:
            say_simulated(self.console)
        heading = (
            f"{self.story.call_id} of {self.agency.name}; version {version}, "
            f"as of {local_time(release['as_of'], self.agency)}"
        )
        self.console.print(Text(heading, style="bold"))
        self._print_answer(release["as_of"])
        self._print_pairs((name.lower(), value) for name, value in self.story.details)
        self._print_log()
        self._print_evidence()
        self._print_facts()
        self._print_decisions()
        self._print_counting()
        self._print_crimes()

    def _print_answer(self, as_of: datetime) -> None:
        """Print the answer in short: what was found, what the rule says, what is left to do."""
        self.console.print(Text(" ".join(self.view.finding)))
        subjects: dict[str, list[str]] = {}
        for row in self.story.decisions:
            said = f"{row['verdict']} ({row['decision_id']}: {row['description']})"
            subjects.setdefault(said, []).append(row["subject"])
        verdicts = (f"{' and '.join(which)}: {said}." for said, which in subjects.items())
        self.console.print(Text(" ".join(verdicts) or "No rule was asked."))
        waiting = dict.fromkeys(
            deadline_in_words(crime["due_at"], as_of, self.agency) or "No time limit is known"
            for crime in self.view.listed
            if crime["status"] != "dismissed"
        )
        left = f"On the worklist. {'. '.join(waiting)}" if waiting else "Not on the worklist"
        self.console.print(Text(f"{left}.\n"))

    def _print_log(self) -> None:
        self._print_title("What the log says")
        story = self.story
        if not story.entries:
            self.console.print("Nothing: the source has no texts, or this log has no text.")
            return
        phrases = [phrase for hit in story.hits for phrase in hit.phrases]
        table = _make_table("part", "text, masked")
        for part, entry in story.entries:
            text = Text(entry)
            text.highlight_words(phrases, "bold")
            table.add_row(part, text)
        self.console.print(table)
        if story.hits:
            self.console.print()
            table = _make_table("part", "says", "about", "words")
            for hit in story.hits:
                _add_row(table, hit.part, hit.says, hit.subject, hit.quoted)
            self.console.print(table)
        for model, probability in story.readings:
            sentence = (
                f"The text model ({model}) gives a chance of {write_percent(probability, 0)} "
                "that the log reports a crime that should be recorded."
            )
            self.console.print(Text(sentence))

    def _print_evidence(self) -> None:
        self._print_title("Evidence that a crime was reported")
        if not self.story.evidence:
            self.console.print("None.")
            return
        table = _make_table("kind", "strength", "crime", "what")
        for evidence in self.story.evidence:
            _add_row(table, evidence.kind, evidence.strength, evidence.crime, evidence.what)
        self.console.print(table)

    def _print_facts(self) -> None:
        self._print_title("What the rule looked at")
        subjects = (decision["subject"].lower() for decision in self.story.decisions)
        table = _make_table("fact", *subjects)
        for question, answers in self.story.facts:
            _add_row(table, question, *answers)
        self.console.print(table)

    def _print_decisions(self) -> None:
        self._print_title("Decision: the first row whose facts all fit")
        for row in self.story.decisions:
            kept_as = row["reported_incident_code"]
            self._print_pairs(
                [
                    (row["subject"].lower(), f"{row['decision_id']}: {row['description']}"),
                    ("verdict", ": ".join(filter(None, (row["verdict"], row["reason_name"])))),
                    ("kept as", f"N{kept_as}, {row['kept_as_name']}" if kept_as else None),
                    ("rule book", f"{row['rule_page']} (row of priority {row['priority']})"),
                ]
            )

    def _print_counting(self) -> None:
        rows = self._read_rows("counting")
        if not rows:
            return
        self._print_title("Counting")
        table = _make_table("crime", "group", "reported by", "how it counts", "rule")
        for row in rows:
            counts = "by itself"
            if row["counted_under"]:
                counts = "under another crime of the log"
            elif row["effect"]:
                counts = EFFECTS[row["effect"]]
            number, group = str(row["crime_number"]), row["offence_group_name"]
            _add_row(table, number, group, in_words(row["evidence_kind"]), counts, row["rule"])
        self.console.print(table)

    def _print_crimes(self) -> None:
        self._print_title("Reported crimes and what became of them")
        crimes = self._read_rows("reported_crimes")
        if not crimes:
            self.console.print("None: no crime was reported and no record is linked.")
            return
        table = _make_table("crime", *(crime["reported_crime_id"] for crime in crimes))
        lines: dict[str, Callable[[CallRow], str | None]] = {
            "disclosed as": _describe_disclosure,
            "group": lambda crime: "Rape" if crime["is_rape"] else crime["offence_group_name"],
            "domestic abuse": lambda crime: yes_or_no(crime["is_domestic_abuse"]),
            "evidence": _describe_strongest_evidence,
            "outcome, strict": lambda crime: _describe_outcome(crime["outcome_strict"]),
            "outcome, standard": lambda crime: _describe_outcome(crime["outcome_standard"]),
            "outcome, inclusive": lambda crime: _describe_outcome(crime["outcome_inclusive"]),
            "reason": lambda crime: crime["reason_name"],
            "decided by a person": _describe_decision_of_person,
            "crime record": _describe_record,
            "recorded": lambda crime: local_time(crime["recorded_at"], self.agency),
            "linked by": _describe_link,
            "cancellation": _describe_cancellation,
            "to be recorded by": lambda crime: local_time(crime["due_at"], self.agency),
            "time left": _describe_time_left,
        }
        for label, describe in lines.items():
            _add_row(table, label, *(describe(crime) for crime in crimes))
        self.console.print(table)

    def _read_rows(self, query: str) -> list[CallRow]:
        """Run a query that only the terminal shows, on this call."""
        text = read_query(SQL / f"{query}.sql")
        return read_rows_by_call(self.con, text, [self.story.call_id])[self.story.call_id]

    def _print_title(self, text: str) -> None:
        self.console.print()
        self.console.print(Text(text, style="bold"))

    def _print_pairs(self, pairs: Iterable[tuple[str, str | None]]) -> None:
        """Print names and values, without those that have none."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        for name, value in pairs:
            if value:
                _add_row(table, name, value)
        self.console.print(table)


def _make_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column))
    return table


def _add_row(table: Table, *cells: str | None) -> None:
    """Add a row of plain text: brackets hold masked text here, which rich would take for markup."""
    table.add_row(*(Text(cell or NOTHING) for cell in cells))


def _describe_disclosure(crime: CallRow) -> str:
    if crime["crime_number"]:
        return name_crime(crime["crime_number"]).lower()
    return "not a crime of the log: only a linked record says so"


def _describe_strongest_evidence(crime: CallRow) -> str:
    return f"{in_words(crime['evidence_kind'])}, {crime['evidence_strength']}"


def _describe_outcome(outcome: str | None) -> str:
    return in_words(outcome) if outcome else "not counted: its evidence is too weak"


def _describe_decision_of_person(crime: CallRow) -> str | None:
    return f"{crime['status']} by {crime['decided_by']}" if crime["decided_by"] else None


def _describe_record(crime: CallRow) -> str:
    if crime["shared_record_id"]:
        return (
            f"{crime['shared_record_id']}, which belongs to call {crime['recorded_under_call_id']}"
        )
    return crime["crime_record_id"] or "none"


def _describe_link(crime: CallRow) -> str | None:
    if crime["link_rung"] is None:
        return None
    return f"{in_words(crime['link_rung'])}, probability {crime['link_probability']:.2f}"


def _describe_cancellation(crime: CallRow) -> str | None:
    check = crime["cancellation_check"]
    if check == "no_record":
        return None
    if check == "not_assessable":
        return f"cancelled. {crime['check_meaning']}"
    return "cancelled, by the rules" if check == "met" else in_words(check)


def _describe_time_left(crime: CallRow) -> str | None:
    hours = crime["hours_left"]
    if hours is None:
        return None
    number = f"{abs(hours):,.0f}"
    unit = "hour" if number == "1" else "hours"
    return f"{number} {unit} {'left' if hours >= 0 else 'over'}"
