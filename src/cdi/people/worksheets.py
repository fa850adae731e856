"""Which worksheets a draw has, and what is on each: one per auditor, and one of the registrar.

When all logs were read once, the auditors get second sheets, with the logs that are read a second
time. The force crime registrar's sheet has the logs on which two auditors differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cdi import paths
from cdi.agency.model import Agency
from cdi.audit.draws import ADJUDICATOR, Draw, load_draw
from cdi.people.audit_sheet import SECOND, write_audit_sheet
from cdi.people.drawn_logs import read_drawn_logs
from cdi.people.saved_readings import draw_second_if_due, keep_others_out, read_differing

Row = Mapping[str, Any]


class Sheet(NamedTuple):
    """A worksheet that somebody fills in.

    Attributes:
        facts: Whose it is, see `cdi.people.audit_sheet.write_audit_sheet`.
        logs: What it shows of each log.
        codes: Codes and names of the offences to choose from.
    """

    facts: Mapping[str, Any]
    logs: Sequence[Mapping[str, Any]]
    codes: Sequence[tuple[str, str]]


def write_draw_worksheets(agency: Agency, draw: Draw) -> list[Path]:
    """Write the worksheets of a draw: one XLSX and one CSV file per auditor.

    If all logs were read once, the sheets of the second readings are written too; and the
    registrar's, if two auditors differ.

    Args:
        agency: Whose audit.
        draw: The draw.
    """
    with keep_others_out(agency):
        draw = draw_second_if_due(agency, draw)
    sheets = list_first_sheets(agency, draw) + list_second_sheets(agency, draw)
    logs, differing = read_differing(agency, draw)
    if count_undecided(logs, differing):
        sheets += list_registrars_sheet(agency, draw, differing)
    return write_sheets(agency, sheets)


def write_sheets(agency: Agency, sheets: Iterable[Sheet]) -> list[Path]:
    """Write worksheets into the folder of their draw.

    Args:
        agency: Whose audit.
        sheets: What to write.

    Returns:
        The XLSX and the CSV file of each, without those that are kept as they were filled in.
    """
    home = paths.audit(agency.agency)
    return [
        file
        for sheet in sheets
        for file in write_audit_sheet(home / sheet.facts["draw_id"] / "worksheets", *sheet)
    ]


def list_all_sheets(agency: Agency, draw_id: str) -> list[Sheet]:
    """List all sheets of an audit that is finished, as its readers had them.

    Args:
        agency: Whose audit.
        draw_id: Name of the draw.
    """
    draw = load_draw(agency.agency, draw_id)
    _, differing = read_differing(agency, draw)
    return [
        *list_first_sheets(agency, draw),
        *list_second_sheets(agency, draw),
        *(list_registrars_sheet(agency, draw, differing) if differing else ()),
    ]


def list_first_sheets(agency: Agency, draw: Draw) -> list[Sheet]:
    """List the sheets of the first readings."""
    return _list_sheets(agency, draw, draw.auditors, "")


def list_second_sheets(agency: Agency, draw: Draw) -> list[Sheet]:
    """List the sheets of the second readings, if they were drawn when all logs were read once."""
    if draw.first_counts is None:
        return []
    return _list_sheets(agency, draw, draw.seconds, SECOND)


def _list_sheets(agency: Agency, draw: Draw, readers: Sequence[str], part: str) -> list[Sheet]:
    """List the sheets of all auditors who have logs to read.

    Args:
        agency: Whose audit.
        draw: The draw.
        readers: Who reads each drawn log; empty where nobody does.
        part: Empty, or `SECOND`.
    """
    logs, codes = read_drawn_logs(agency, draw)
    # in draws of before, logs that are read twice stand among the others of the second auditor
    both = draw.seconds if draw.first_counts is None else [""] * len(draw.seconds)
    sheets = []
    for auditor in draw.facts["auditors"]:
        call_ids = sorted(
            call_id
            for call_id, *names in zip(draw.call_ids, readers, both, strict=True)
            if call_id in logs and auditor in names
        )
        if call_ids:
            facts = _describe_sheet(agency, draw, auditor, part)
            sheets.append(Sheet(facts, [logs[call_id] for call_id in call_ids], codes))
    return sheets


def _describe_sheet(agency: Agency, draw: Draw, auditor: str, part: str = "") -> dict[str, Any]:
    return {
        "agency": agency.agency,
        "draw_id": draw.draw_id,
        "auditor": auditor,
        "is_simulated": agency.is_simulated,
        "part": part,
    }


def count_undecided(logs: Iterable[Row], differing: Iterable[tuple[str, Any, Any]]) -> int:
    """Count the logs on which two auditors differ and nobody has decided.

    Args:
        logs: The readings that are kept.
        differing: The logs on which two auditors differ.
    """
    decided = {row["call_id"] for row in logs if row["auditor_code"] == ADJUDICATOR}
    return sum(call_id not in decided for call_id, *_ in differing)


def list_registrars_sheet(
    agency: Agency, draw: Draw, differing: Iterable[tuple[str, Sequence[Row], Sequence[Row]]]
) -> list[Sheet]:
    """List the registrar's sheet: logs on which two auditors differ, with what each found.

    Args:
        agency: Whose audit.
        draw: The draw.
        differing: These logs, and the crimes that each of the two auditors found.
    """
    contents, codes = read_drawn_logs(agency, draw)
    logs = [
        {
            **contents[call_id],
            "first_reading": _describe_reading(first),
            "second_reading": _describe_reading(second),
        }
        for call_id, first, second in differing
    ]
    return [Sheet(_describe_sheet(agency, draw, ADJUDICATOR), logs, codes)]


def _describe_reading(crimes: Sequence[Row]) -> str:
    """Describe what one auditor found in a log, one line per crime."""
    lines = [
        f"{crime['crime_number']}: {crime['offence_code']}, recorded {crime['recorded_code']} "
        f"{crime['record_reference']}".strip()
        for crime in crimes
    ]
    return "\n".join(lines) or "no crime"
