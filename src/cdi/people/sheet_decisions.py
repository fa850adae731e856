"""Takes in a filled-in worklist: good rows become decisions, and the others are handed back."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cdi import paths
from cdi.agency.key_rules import find_canonical
from cdi.agency.model import Agency
from cdi.files import sha256_of_json, wait_for_lock
from cdi.people.decision_file import (
    Row,
    describe_decision,
    keep_decisions,
    read_decisions,
    read_number,
    standing_decisions,
)
from cdi.people.decisions import NOBODY, find_problems, make_row
from cdi.people.filled_sheet import (
    FilledSheet,
    read_legitimate_reasons,
    read_worklist_sheet,
    write_refused_rows,
)
from cdi.sql import connect, scalar


class TakenIn(NamedTuple):
    """What became of a sheet.

    Attributes:
        added: How many decisions were saved.
        repeated: How many had been saved before and count still.
        refused: By the number of the row, all that speaks against it; nothing of it was saved.
        refused_file: The sheet of these rows, to be corrected; None if there is none, or if the
            folder of the given sheet takes no file.
        overturned: For each earlier decision that no longer counts now, a sentence that names both.
    """

    added: int
    repeated: int
    refused: dict[int, list[str]]
    refused_file: Path | None
    overturned: list[str]


def add_decisions_of_sheet(agency: Agency, file: Path) -> TakenIn:
    """Add the decisions of a filled-in worklist, and hand back the rows that cannot be taken.

    The reference of a row is made from its content, so that giving a sheet again adds nothing. If
    somebody took a decision back since, or decided otherwise, its row is handed back.

    Args:
        agency: The agency whose worklist it is.
        file: ``worklist.xlsx`` or ``worklist.csv`` of a version, with decisions filled in.

    Returns:
        What was added, what was not, and which earlier decisions it overturns.

    Raises:
        CdiError: DECIDE-SHEET if it is not such a sheet.
        StateError: STATE-DAMAGED if the file of decisions is not as it was written.
    """
    sheet = read_worklist_sheet(file)
    rows = {
        number: make_row(agency, _add_what_was_seen(sheet, number), _hash_decision(decision))
        for number, decision in sheet.decisions.items()
    }
    # Two people may give the same sheet at once: the second must see what the first wrote.
    with wait_for_lock(paths.decisions(agency.agency)):
        before = read_decisions(agency)
        known = {row["decision_reference"] for row in before}
        new = {
            number: row for number, row in rows.items() if row["decision_reference"] not in known
        }
        for number, problems in _find_problems_of_rows(agency, new).items():
            sheet.problems.setdefault(number, []).extend(problems)
        repeated = {number: row for number, row in rows.items() if number not in new}
        outdated = _find_outdated(agency, before, repeated)
        for number, problem in outdated.items():
            sheet.problems.setdefault(number, []).append(problem)
        good = {number: row for number, row in new.items() if number not in sheet.problems}
        overturned = _name_overturned(agency, before, good)
        if good:
            keep_decisions(agency, list(good.values()))
    return TakenIn(
        len(good),
        len(repeated) - len(outdated),
        dict(sorted(sheet.problems.items())),
        _hand_back(file, sheet),
        overturned,
    )


def _add_what_was_seen(sheet: FilledSheet, number: int) -> dict[str, Any]:
    """Note the version of the sheet, whose rows stand in the order of the list, and its word."""
    decision, cells = sheet.decisions[number], sheet.cells[number]
    return {
        **decision,
        "version_seen": decision["version"],
        "seen_likelihood": str(cells.get("likelihood") or "").strip(),
        "selection": "order",
    }


def _hash_decision(decision: Mapping[str, Any]) -> str:
    """Make the reference of a decision of a sheet: the same content has the same reference."""
    return f"D{sha256_of_json(decision)[:12]}"


def _find_problems_of_rows(agency: Agency, rows: Mapping[int, Row]) -> dict[int, list[str]]:
    """Find what the rules and the published version say against rows, by their number.

    A row that lacks who decided is checked as if somebody had: all its problems are told at once.
    """
    checked = {
        number: row | {"decided_by": row["decided_by"] or NOBODY}
        for number, row in rows.items()
        if row["decision_kind"] in ("confirmed", "dismissed")
    }
    if not checked:
        return {}
    numbers = list(checked)
    found = {}
    for ordinal, problems in find_problems(agency, list(checked.values())).items():
        number = numbers[ordinal - 1]
        is_named = bool(rows[number]["decided_by"])
        told = [p for p in problems if is_named or not p.startswith(f"{NOBODY} may not")]
        if told:
            found[number] = [_say_for_sheet(p, checked[number]) for p in told]
    return found


def _say_for_sheet(problem: str, row: Row) -> str:
    """Say a problem in the words of the sheet, where its columns make it plainer."""
    rule_id = problem.partition(":")[0]
    if rule_id == "DEC-04":
        code = row["reason_code"]
        told = f'"{code}" is not an accepted reason_code' if code else "reason_code is empty"
        count = len(read_legitimate_reasons())
        return f'{told}. A dismissal needs one of the {count} codes on the sheet "reasons"'
    if rule_id == "DEC-06":
        return "second_person is the same as decided_by. A different person must agree"
    return problem.removesuffix(".")


def _find_outdated(
    agency: Agency, before: Sequence[Row], rows: Mapping[int, Row]
) -> dict[int, str]:
    """Say of rows that were saved before, by their number, that something else counts since."""
    standing = standing_decisions(agency, before)
    calls = find_canonical(agency, "call", sorted({row["call_reference"] for row in rows.values()}))
    problems = {}
    for number, row in rows.items():
        call_id = calls[row["call_reference"]]
        counting = standing.get((call_id, read_number(row))) or standing.get((call_id, None))
        if counting is not None and counting["decision_kind"] != row["decision_kind"]:
            problems[number] = (
                f"it was saved before, and then {describe_decision(counting)}. To decide so again, "
                "write another note"
            )
    return problems


def _name_overturned(agency: Agency, before: Sequence[Row], rows: Mapping[int, Row]) -> list[str]:
    """Name each decision that counted before and that a row of the sheet overturns."""
    # keyed together, as each of the references has to be read by the agency's rules
    new = standing_decisions(agency, list(rows.values()))
    old = standing_decisions(agency, before)
    key_of_row = {row["decision_reference"]: key for key, row in new.items()}
    sentences = []
    for number, row in rows.items():
        call_id, crime_number = key_of_row[row["decision_reference"]]
        overturned = old.get((call_id, crime_number)) or old.get((call_id, None))
        if overturned is None or overturned["decision_kind"] in ("undone", row["decision_kind"]):
            continue
        sentence = (
            f"row {number}: {call_id}#{crime_number} {row['decision_kind']} by "
            f"{row['decided_by']} overturns: {describe_decision(overturned)}"
        )
        if _is_later_than_version(agency, overturned, row["version_seen"]):
            sentence += f", after version {row['version_seen']} of the sheet was made"
        sentences.append(sentence)
    return sentences


def _is_later_than_version(agency: Agency, decision: Row, version: str) -> bool:
    """Find out whether a decision is not in a version; False if the version is gone."""
    # what stands in the sheet is looked up and not made a path of
    kept = (paths.published(agency.agency) / "versions").glob("[!.]*/recording.duckdb")
    file = next((file for file in kept if file.parent.name == version), None)
    if file is None:
        return False
    with connect(file, read_only=True) as con:
        query = "select count(*) from staging.stg_decisions where decision_reference = $reference"
        return not scalar(con, query, {"reference": decision["decision_reference"]})


def _hand_back(file: Path, sheet: FilledSheet) -> Path | None:
    """Write the refused rows beside the sheet, if there are any and its folder takes a file."""
    if not sheet.problems:
        return None
    with contextlib.suppress(OSError):  # what is wrong is told in any case
        return write_refused_rows(file, sheet, read_legitimate_reasons())
    return None
