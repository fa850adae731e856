"""Readings of auditors, as they are kept: by worksheet many at once, at the desk one by one.

``audit/<agency>/findings/`` has one CSV file per draw, auditor, and first or second reading. It is
a source like any other, and the next extraction lands it. By both roads, readings are checked by
the same rules before they are kept, and a line of the register says that they were. Readings of a
log take the place of those that were kept of it before; other logs stay as they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdi import paths
from cdi.agency.datasets import READINGS
from cdi.agency.model import Agency
from cdi.audit.draws import ADJUDICATOR, Draw, load_draw
from cdi.audit.findings import differing_logs, refuse_changed
from cdi.audit.register import Register, utc_now
from cdi.audit.second_readings import draw_second_readings
from cdi.errors import AuditError
from cdi.files import sha256_of_file, sha256_of_json, wait_for_lock
from cdi.landing.extract import read_file_as_batch
from cdi.people.audit_sheet import CRIME, HEADER, MOMENT, READ, SECOND
from cdi.people.drawn_logs import read_headline_codes
from cdi.people.reading_files import (
    Row,
    place_of_row,
    read_delivered,
    read_file,
    read_rows,
    write_rows,
)
from cdi.scratch import scratch_folder
from cdi.sealed_files import write_sealed

# What is said of a crime; its log and its number are known.
OF_CRIME = tuple(name for name in CRIME if name not in ("call_reference", "crime_number"))

_MOST_LOGS = 10  # that are named of those with the same problem
# the fields as people see them, and how to fill in those that are no texts
_LABELS = {name: f"“{label.partition(' (')[0]}”" for name, label in (CRIME | READ).items()}
_HOW_TO_WRITE = {
    **dict.fromkeys(("due_count", "recorded_count"), "as a figure, for example 2"),
    "crime_number": "as a figure, 1, 2, 3 within the log",
    **dict.fromkeys(
        ("audited_at", "recorded_at"), "as date and time, for example 2026-01-31 14:30"
    ),
}


class RefusedReadingsError(AuditError):
    """Readings break rules of the landing.

    Args:
        rule_id: As in `CdiError`.
        message: As in `CdiError`.
        fix: As in `CdiError`.
        problems: Each rule that is broken, with its reason.
    """

    def __init__(self, rule_id: str, message: str, fix: str, problems: Sequence[str] = ()) -> None:
        """Keep the problems one by one beside the message."""
        super().__init__(rule_id, message, fix)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Reading:
    """What somebody found in a log, as they typed it.

    Attributes:
        due_count: How many crimes should be recorded.
        recorded_count: How many of them are.
        crimes: The crimes, each with the columns of `OF_CRIME`.
    """

    due_count: str
    recorded_count: str
    crimes: Sequence[Mapping[str, str]]


@contextmanager
def keep_others_out(agency: Agency) -> Iterator[None]:
    """Keep all others who write readings out during the block."""
    with wait_for_lock(paths.audit(agency.agency)):
        yield


def read_differing(
    agency: Agency, draw: Draw
) -> tuple[list[Row], list[tuple[str, list[Row], list[Row]]]]:
    """Read the logs that were read, and those on which two auditors differ in headline offences."""
    logs, crimes = read_delivered(agency, draw.draw_id)
    headline = read_headline_codes(agency)
    counted = [row for row in crimes if row["offence_code"] in headline]
    return logs, differing_logs(draw, logs, counted)


def find_reading(
    agency: Agency, draw_id: str, auditor: str, call_id: str
) -> tuple[Reading | None, str]:
    """Find what is kept of an auditor's reading of a log.

    Returns:
        The reading, None if there is none; and what tells this reading from any other one, blank if
        there is none.
    """
    rows = _rows_of_reading(read_rows(agency, draw_id), auditor, call_id)
    return (_make_reading(rows), _hash_reading(rows)) if rows else (None, "")


def save_reading(
    agency: Agency,
    draw_id: str,
    auditor: str,
    call_id: str,
    reading: Reading,
    seen: str,
    by: str,
) -> None:
    """Keep one reading of one log; it is on the disk when this returns.

    What is kept already is not written again, so a form that is sent twice writes once. It may be
    sent again after the process was killed, whether the reading had been written by then or not.

    Args:
        agency: Whose audit.
        draw_id: Name of the draw.
        auditor: Whose reading it is; `FCR` for the registrar's decision.
        call_id: The log.
        reading: What was found.
        seen: Which reading the person saw before; see `find_reading`.
        by: The name that the person signed in with.

    Raises:
        RefusedReadingsError: AUDIT-REFUSED, with the rules that it breaks.
        AuditError: AUDIT-CONFLICT if another reading was kept since the person looked; AUDIT-SECOND
            if it changes a first reading after the second ones were drawn; AUDIT-AGREED if the
            registrar decides a log on which no two auditors differ. Nothing is kept then.
    """
    rows = _make_rows(agency, draw_id, auditor, call_id, reading)
    with keep_others_out(agency):
        draw = load_draw(agency.agency, draw_id)
        refuse_bad_rows(agency, f"the reading of {call_id}", rows)
        kept = _rows_of_reading(read_rows(agency, draw_id), auditor, call_id)
        if _without_time(kept) != _without_time(rows):
            if _hash_reading(kept) != seen:
                raise AuditError(
                    "AUDIT-CONFLICT",
                    f"another reading of {call_id} was saved since you opened it",
                    "look at what is kept, and save yours if it is to take its place",
                )
            keep_readings(agency, draw, auditor, rows, "reading", by=by)
        draw_second_if_due(agency, draw)


def refuse_bad_rows(agency: Agency, name: str, rows: Sequence[Row]) -> None:
    """Refuse readings that the landing would refuse, before anything is kept.

    Args:
        agency: Whose audit.
        name: Of what was delivered.
        rows: What was read.

    Raises:
        RefusedReadingsError: AUDIT-REFUSED, with the rules that they break.
    """
    logs_by_problem: dict[str, dict[str, None]] = {}
    for call_id, problem in _find_problems(agency, rows):
        logs_by_problem.setdefault(problem, {})[call_id] = None
    if logs_by_problem:
        lines = [f"{_name_logs(list(logs))}: {told}" for told, logs in logs_by_problem.items()]
        raise RefusedReadingsError(
            "AUDIT-REFUSED",
            f"{name} was not taken:\n    " + "\n    ".join(lines),
            "correct it and deliver it again",
            list(logs_by_problem),
        )


def _name_logs(call_ids: Sequence[str]) -> str:
    """Name logs with the same problem: the first ones, and how many more there are."""
    more = len(call_ids) - _MOST_LOGS
    named = ", ".join(call_ids[:_MOST_LOGS])
    return f"{'log' if len(call_ids) == 1 else 'logs'} {named}" + (
        f" and {more} more" if more > 0 else ""
    )


def _find_problems(agency: Agency, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Find what speaks against readings, with the log, in the order of the rules."""
    from cdi.quality.checks import find_refusals  # Great Expectations takes seconds to import

    with scratch_folder() as scratch:
        file, folder = scratch / "readings.csv", scratch / "batch"
        folder.mkdir()
        write_rows(file, rows)
        refusals = find_refusals(agency, read_file_as_batch(agency, READINGS, file, folder))
    told = {
        (row["call_reference"], _say_for_auditor(problem, row, rows))
        for ordinal, problems in refusals.items()
        for row in (rows[ordinal - 1],)
        for problem in problems
    }
    return sorted(told, key=lambda each: each[::-1])


def _say_for_auditor(problem: str, row: Row, rows: Iterable[Row]) -> str:
    """Say a problem in the words of the form and the sheet, where these make it plainer."""
    rule_id, _, detail = problem.partition(": ")
    crime = "" if row["crime_number"] == "0" else f" of crime {row['crime_number']}"
    if rule_id == "TYPE-VALUE":
        told = [
            f"Write {_LABELS.get(name, name)}{crime} {_HOW_TO_WRITE.get(name, 'in fewer letters')}"
            for name in detail.split(", ")
        ]
        return f"{rule_id}: {'. '.join(told)}"
    if rule_id == "RDG-05":
        return f"{rule_id}: {_compare_counts(row, rows) or detail}"
    return problem


def _compare_counts(row: Row, rows: Iterable[Row]) -> str:
    """Say how the counts of a log differ from its rows of crimes; blank if a count is no figure."""
    of_log = [other for other in rows if other["call_reference"] == row["call_reference"]]
    crimes = [other for other in of_log if other["crime_number"] != "0"]
    recorded = sum(crime["recorded_code"] == "Y" for crime in crimes)
    told = []
    for log in (other for other in of_log if other["crime_number"] == "0"):
        if log["due_count"].isdigit() and int(log["due_count"]) != len(crimes):
            count = {0: "no crime row", 1: "1 crime row"}.get(
                len(crimes), f"{len(crimes)} crime rows"
            )
            told.append(f"You counted {log['due_count']}, but filled in {count}")
        if log["recorded_count"].isdigit() and int(log["recorded_count"]) != recorded:
            told.append(
                f"You counted {log['recorded_count']} as recorded, "
                f"but marked {recorded or 'none'} as recorded"
            )
    return ". ".join(told)


def keep_readings(
    agency: Agency, draw: Draw, auditor: str, rows: Sequence[Row], kind: str, **facts: str
) -> None:
    """Put readings into the source; the caller has checked them and keeps others out.

    Args:
        agency: Whose audit.
        draw: The draw.
        auditor: Who read.
        rows: What was read.
        kind: Of the line in the register: `delivery` of a worksheet, or `reading` of one log.
        facts: What else the line tells.

    Raises:
        AuditError: AUDIT-SECOND or AUDIT-AGREED, see `save_reading`; nothing is kept then.
    """
    read = [{**row, "call_id": row["call_reference"]} for row in rows]
    refuse_changed(draw, [row for row in read if row["crime_number"] == "0"])
    if auditor == ADJUDICATOR:
        _refuse_agreed(agency, draw, rows)
    folder = paths.findings(agency.agency)
    folder.mkdir(parents=True, exist_ok=True)
    for part, some in split_parts(draw, auditor, rows).items():
        stem = "_".join(filter(None, (draw.draw_id, auditor, part)))
        file = folder / f"{stem}.csv"
        read_now = {row["call_reference"] for row in some}
        others = [row for row in read_file(agency, file) if row["call_reference"] not in read_now]
        # The register keeps a line of each delivery.
        with write_sealed(agency.agency, file) as written:
            write_rows(written, sorted([*others, *some], key=place_of_row))
            Register(agency.agency).append(
                kind,
                utc_now(),
                draw_id=draw.draw_id,
                auditor=auditor,
                rows=len(some),
                file=file.name,
                sha256=sha256_of_file(written),
                **facts,
            )


def split_parts(draw: Draw, auditor: str, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Part first readings from second ones (`SECOND`): they are kept in files of their own."""
    twice = set()
    if draw.first_counts is not None:
        twice = set(zip(draw.call_ids, draw.seconds, strict=True))
    parts: dict[str, list[Row]] = {}
    for row in rows:
        is_second = (row["call_reference"], auditor) in twice
        parts.setdefault(SECOND if is_second else "", []).append(row)
    return parts


def draw_second_if_due(agency: Agency, draw: Draw) -> Draw:
    """Draw the second readings once all first readings are kept."""
    if not draw.awaits_second:
        return draw
    logs, _ = read_delivered(agency, draw.draw_id)
    read = {(row["call_id"], row["auditor_code"]): row for row in logs}
    first = {
        call_id: read.get((call_id, auditor))
        for call_id, auditor in zip(draw.call_ids, draw.auditors, strict=True)
        if call_id is not None
    }
    counts = {
        call_id: (int(row["due_count"]), int(row["recorded_count"]))
        for call_id, row in first.items()
        if row is not None
    }
    if len(counts) < len(first):
        return draw
    return draw_second_readings(agency.agency, draw, counts, utc_now())


def _refuse_agreed(agency: Agency, draw: Draw, rows: Iterable[Row]) -> None:
    """Refuse a decision of the registrar on a log on which no two auditors differ."""
    _, differing = read_differing(agency, draw)
    agreed = {row["call_reference"] for row in rows} - {call_id for call_id, *_ in differing}
    if agreed:
        raise AuditError(
            "AUDIT-AGREED",
            f"no two auditors differ on {len(agreed)} of these logs, first {min(agreed)}",
            f"leave them blank: {ADJUDICATOR} decides where two readings differ, and nowhere else",
        )


def _make_rows(
    agency: Agency, draw_id: str, auditor: str, call_id: str, reading: Reading
) -> list[dict[str, str]]:
    """Make the rows of a reading that is saved now: one of its log, one of each crime."""
    of_all = dict.fromkeys(HEADER, "") | {
        "draw_id": draw_id,
        "call_reference": call_id,
        "auditor_code": auditor,
        "audited_at": f"{datetime.now(agency.zone):{MOMENT}}",
    }
    counts = {"due_count": reading.due_count, "recorded_count": reading.recorded_count}
    rows = [of_all | counts | {"crime_number": "0"}]
    for number, crime in enumerate(reading.crimes, start=1):
        said = {name: crime.get(name, "") for name in OF_CRIME}
        rows.append(of_all | said | {"crime_number": f"{number}"})
    return rows


def _make_reading(rows: Sequence[Mapping[str, str]]) -> Reading:
    """Make a reading of the rows that are kept of it."""
    log, *crimes = sorted(rows, key=place_of_row)
    said = [{name: crime[name] for name in OF_CRIME} for crime in crimes]
    return Reading(log["due_count"], log["recorded_count"], said)


def _rows_of_reading(
    rows: Iterable[Mapping[str, str]], auditor: str, call_id: str
) -> list[Mapping[str, str]]:
    wanted = (auditor, call_id)
    return [row for row in rows if (row["auditor_code"], row["call_reference"]) == wanted]


def _without_time(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What a reading says, whenever it was read."""
    return [{**row, "audited_at": ""} for row in rows]


def _hash_reading(rows: Sequence[Row]) -> str:
    """Hash a reading with its time, so that the same said later is another one."""
    return sha256_of_json(list(rows)) if rows else ""
