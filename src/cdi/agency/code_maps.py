"""The code maps of an agency's folder: its codes, mapped to the shared taxonomy."""

import csv
from datetime import date
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.errors import AgencyError

CODE_MAPS: dict[str, tuple[str, ...]] = {
    "call_types": (
        "code", "name", "offence_group", "is_rape", "is_domestic_abuse", "incident_category",
        "is_crime_type_word_list", "note",
    ),
    "closures": ("code", "name", "reason_code", "expects_record", "note"),
    "offences": (
        "code", "name", "offence_group", "is_rape", "is_domestic_abuse",
        "is_crime_type_word_list", "note",
    ),
}  # fmt: skip
# maps of what only some agencies have: entries of logs by who speaks, qualifiers, ways to report
OPTIONAL_MAPS: dict[str, tuple[str, ...]] = {
    "entry_types": ("code", "name", "part", "note"),
    "qualifiers": ("code", "name", "qualifier", "note"),
    "routes": ("code", "name", "route", "note"),
}
# what was recommended to an agency, and what became of it: the report's action register
ACTION_COLUMNS = (
    "action_id", "recommendation", "owner", "due_on", "done_on", "domain", "note",
)  # fmt: skip
# what an entry of a log is: told, told after it was closed once, concluded, or none of these
ENTRY_PARTS = ("account", "reopening", "closing", "system")


def read_seed_values(seed: str, column: str) -> set[str]:
    """The values of one column of a dbt seed: the taxonomy is data, not Python."""
    with (paths.DBT_PROJECT / "seeds" / f"{seed}.csv").open(newline="", encoding="utf-8") as file:
        return {row[column] for row in csv.DictReader(file)}


def check_code_maps(folder: Path) -> None:
    """Check the code maps of an agency's folder.

    Raises:
        AgencyError: With file, line and fix, for every problem found.
    """
    allowed = {
        "offence_group": read_seed_values("offence_groups", "offence_group") | {""},
        # a reason that no row of the decision table answers would go to review, call by call
        "reason_code": read_seed_values("recording_decisions", "closure_reason_code") | {""},
        "incident_category": read_seed_values("incident_categories", "incident_category") | {""},
        "qualifier": read_seed_values("qualifiers", "qualifier") | {""},
        "route": read_seed_values("routes", "route") | {""},
        "part": set(ENTRY_PARTS),
    }
    flags = ("is_rape", "is_domestic_abuse", "expects_record")
    allowed |= {flag: {"true", "false"} for flag in flags}
    # blank: no second map is kept, the agency's own mapping answers
    allowed["is_crime_type_word_list"] = {"true", "false", ""}
    problems: list[str] = []
    for name, columns in (CODE_MAPS | OPTIONAL_MAPS).items():
        file = folder / f"{name}.csv"
        if not file.is_file() and name in OPTIONAL_MAPS:
            continue
        if not file.is_file():
            problems.append(f"{file}: missing; write it with the columns {', '.join(columns)}")
            continue
        problems += _code_map_problems(file, columns, allowed)
    if problems:
        raise AgencyError(
            "AGENCY-CODES", "\n  ".join(problems), "correct the code maps; docs/onboarding.md"
        )


def _code_map_problems(
    file: Path, columns: tuple[str, ...], allowed: dict[str, set[str]]
) -> list[str]:
    rows, problems = _read_csv(file, columns)
    seen = set()
    for at, row in rows:
        if not row["code"] or row["code"] in seen:
            problems.append(f"{at}: code '{row['code']}' is blank or twice; keep one row")
        seen.add(row["code"])
        problems += [
            f"{at}: {column} '{row[column]}' is not one of {sorted(values - {''})}"
            for column, values in allowed.items()
            if column in row and row[column] not in values
        ]
    return problems


def _read_csv(
    file: Path, columns: tuple[str, ...]
) -> tuple[list[tuple[str, dict[str, str]]], list[str]]:
    """The rows of a file that people write, each after file and line, and what is wrong with it."""
    rows: list[tuple[str, dict[str, str]]] = []
    problems: list[str] = []
    line = 0  # the last that could be read: an unclosed quote is told where it begins
    # spreadsheets put a mark before UTF-8
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle, strict=True)
        try:
            if tuple(reader.fieldnames or ()) != columns:
                return [], [f"{file}:1: header must be {','.join(columns)}"]
            line = reader.line_num
            for row in reader:
                line = reader.line_num
                at = f"{file}:{line}"
                if None in row or None in row.values():
                    problems.append(f"{at}: has not {len(columns)} fields; quote commas in notes")
                else:
                    rows.append((at, row))
        except UnicodeDecodeError:
            problems.append(f"{file}: is not UTF-8; save it as UTF-8")
        except csv.Error as error:
            problems.append(f"{file}:{line + 1}: is no line of CSV: {error}")
    return rows, problems


def read_actions(folder: Path) -> list[dict[str, Any]]:
    """The action register of an agency's folder, ``actions.csv``; empty if it keeps none.

    Args:
        folder: Of the agency.

    Returns:
        The rows, with dates; `done_on` is None until it is done.

    Raises:
        AgencyError: AGENCY-ACTIONS with file, line and fix, for every problem found.
    """
    file = folder / "actions.csv"
    if not file.is_file():
        return []
    known = read_seed_values("offence_groups", "offence_group") | {
        "force",
        "rape",
        "domestic_abuse",
    }
    rows: list[dict[str, Any]] = []
    written, problems = _read_csv(file, ACTION_COLUMNS)
    for at, row in written:
        problems += [
            f"{at}: {name} is blank" for name in ACTION_COLUMNS[:4] if not row[name].strip()
        ]
        if row["action_id"] in {known_row["action_id"] for known_row in rows}:
            problems.append(f"{at}: action_id '{row['action_id']}' is twice; keep one row")
        if row["domain"] not in known and not row["domain"].startswith("district "):
            problems.append(
                f"{at}: domain '{row['domain']}' is not force, rape, domestic_abuse, "
                "`district X` or an offence group"
            )
        dates = {}
        for name in ("due_on", "done_on"):
            try:
                dates[name] = date.fromisoformat(row[name]) if row[name] else None
            except ValueError:
                problems.append(f"{at}: {name} '{row[name]}' is no date such as 2017-03-31")
        rows.append({**row, **dates})
    if problems:
        raise AgencyError(
            "AGENCY-ACTIONS", "\n  ".join(problems), "correct the register; docs/onboarding.md"
        )
    return rows
