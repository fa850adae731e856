"""The tables in an agency's folder: code maps to the shared taxonomy, and the action register.

Every agency has the three maps of `CODE_MAPS`. Those of `OPTIONAL_MAPS` describe things that only
some agencies have.
"""

import csv
import functools
import re
from collections.abc import Collection, Mapping, Set
from datetime import date
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.model import Agency
from cdi.errors import AgencyError

CODE_MAPS: dict[str, tuple[str, ...]] = {
    "call_types": (
        "code",
        "name",
        "offence_group",
        "is_rape",
        "is_domestic_abuse",
        "incident_category",
        "is_crime_type_word_list",
        "note",
    ),
    "closures": ("code", "name", "reason_code", "expects_record", "note"),
    "offences": (
        "code",
        "name",
        "offence_group",
        "is_rape",
        "is_domestic_abuse",
        "is_crime_type_word_list",
        "note",
    ),
}
# Without the codes of these two no figure can be given: nobody knows which calls report a crime, or
# which records are of one.
NEEDED_MAPS = ("call_types", "offences")
# reasons for cancelling records, types of log entries (who speaks in them), qualifiers of calls,
# and routes by which crimes are reported
OPTIONAL_MAPS: dict[str, tuple[str, ...]] = {
    "cancellation_codes": ("code", "name", "cancellation_code", "note"),
    "entry_types": ("code", "name", "part", "note"),
    "qualifiers": ("code", "name", "qualifier", "note"),
    "routes": ("code", "name", "route", "note"),
}
# the action register: what was recommended to the agency, and what became of it
ACTION_COLUMNS = ("action_id", "recommendation", "owner", "due_on", "done_on", "domain", "note")
_FILLED_ACTION_COLUMNS = ("action_id", "recommendation", "owner", "due_on")
# What an entry of a log is: what the caller tells, what is told after the log was closed once, the
# conclusion at the close, or a note of the system.
ENTRY_PARTS = ("account", "reopening", "closing", "system")


@functools.cache  # each agency is checked against the same rows
def read_seed(seed: str) -> list[dict[str, str]]:
    """Read the rows of a dbt seed: the shared taxonomy is data, not code."""
    with (paths.DBT_PROJECT / "seeds" / f"{seed}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_seed_values(seed: str, column: str) -> frozenset[str]:
    """Read the values of a column of a dbt seed."""
    return frozenset(row[column] for row in read_seed(seed))


# The columns in which the codes of a map stand, by dataset.
CODED_COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "call_types": {
        "calls": ("initial_type_code", "final_type_code"),
        "audit_logs": ("initial_type_code", "final_type_code"),
    },
    "closures": {"calls": ("disposition_code",), "audit_logs": ("disposition_code",)},
    "offences": {
        "crime_records": ("offence_code",),
        "audit_findings": ("offence_code",),
        "audit_readings": ("offence_code",),
    },
    "routes": {"calls": ("source_channel",), "crime_records": ("route",)},
    "cancellation_codes": {"crime_records": ("cancellation_code",)},
    "entry_types": {"log_actions": ("action_type",)},
    "qualifiers": {"calls": ("qualifiers",), "audit_logs": ("qualifiers",)},
}
# What stands between the qualifiers of a log, each of which is a code of its own
# (int_disclosure__evidence_qualifiers splits them at the same characters).
QUALIFIER_SEPARATORS = "[/;,|]"
# What does not count where codes are compared loosely: blanks, slashes and dashes of any kind.
_LOOSE = re.compile(r"[\s/\-\u2010-\u2015]")
_LOOSE_SQL = r"[\s/\-\x{2010}-\x{2015}]"  # the same, as DuckDB writes it


def read_known_codes(agency: Agency, code_map: str) -> set[str]:
    """Read the codes that a run knows without a further row of a code map, each normalised.

    Args:
        agency: A loaded agency, so that each map can be read.
        code_map: A key of `CODED_COLUMNS`; an optional map that the agency does not have is blank.
    """
    file = agency.folder / f"{code_map}.csv"
    rows = read_csv_of_people(file, (CODE_MAPS | OPTIONAL_MAPS)[code_map])[0]
    codes = {row["code"] for _, row in rows}
    if code_map == "cancellation_codes":  # the shared codes need no map
        codes |= read_seed_values("cancellation_rules", "cancellation_code")
    return {normalise_code(agency, code_map, code) for code in codes}


def normalise_code(agency: Agency, code_map: str, code: str) -> str:
    """Give the form in which a code is compared with those of a map.

    Args:
        agency: The agency, which says whether the map's codes are compared loosely.
        code_map: The code map.
        code: A code of the map or of the source.
    """
    return _loosen(code) if code_map in agency.loose_code_maps else code


def _loosen(code: str) -> str:
    return _LOOSE.sub("", code).upper()


def spellings_query(code_map: str, columns: Mapping[str, Collection[str]]) -> str:
    """SQL for the rows that a loose code map needs further, one for each spelling in the data.

    With them all codes are compared as they stand, wherever they are compared.

    Args:
        code_map: The table of the code map.
        columns: The columns with its codes, by the table or view that has them.
    """
    used = " union ".join(
        f"select {column} as code from {table}"
        for table, names in columns.items()
        for column in names
    )
    same = " = ".join(
        f"regexp_replace(upper({code}), '{_LOOSE_SQL}', '', 'g')"
        for code in ("used.code", "mapped.code")
    )
    return (
        f"select mapped.* replace (used.code as code) from ({used}) as used "
        f"inner join {code_map} as mapped on {same} "
        f"where used.code not in (select code from {code_map})"
    )


def check_code_maps(folder: Path, loose: Collection[str]) -> None:
    """Check the code maps of an agency's folder.

    Args:
        folder: The agency's folder.
        loose: The code maps whose codes are compared loosely (`loose_code_maps` in agency.yaml).

    Raises:
        AgencyError: AGENCY-CODES with file, line and fix, for every problem found.
    """
    allowed: dict[str, Set[str]] = {
        "offence_group": read_seed_values("offence_groups", "offence_group") | {""},
        # A reason that the decision table does not know would send each such call to review.
        "reason_code": read_seed_values("recording_decisions", "closure_reason_code") | {""},
        "incident_category": read_seed_values("incident_categories", "incident_category") | {""},
        "qualifier": read_seed_values("qualifiers", "qualifier") | {""},
        "route": read_seed_values("routes", "route") | {""},
        "part": set(ENTRY_PARTS),
        # Never blank: a reason that is none of these cannot be checked, and it is left out.
        "cancellation_code": read_seed_values("cancellation_rules", "cancellation_code"),
    }
    flags = ("is_rape", "is_domestic_abuse", "expects_record")
    allowed |= {flag: {"true", "false"} for flag in flags}
    # Blank: the agency keeps no word list to compare with.
    allowed["is_crime_type_word_list"] = {"true", "false", ""}
    problems: list[str] = []
    for name, columns in (CODE_MAPS | OPTIONAL_MAPS).items():
        file = folder / f"{name}.csv"
        if not file.exists() and not file.is_symlink():
            if name in OPTIONAL_MAPS:
                continue
            problems.append(f"{file}: missing; write it with the columns {', '.join(columns)}")
            continue
        problems += _find_code_map_problems(file, columns, allowed, is_loose=name in loose)
    if problems:
        raise AgencyError(
            "AGENCY-CODES", "\n  ".join(problems), "correct the code maps; docs/onboarding.md"
        )


def list_empty_maps(agency: Agency) -> list[str]:
    """List the code maps that have no code yet, though a delivered source has the codes.

    Args:
        agency: A loaded agency, so that each map can be read.
    """
    # What people write has codes too, but every agency has it, also one without crime records.
    delivered = {name: each for name, each in agency.sources.items() if name not in BY_PEOPLE}
    return [
        code_map
        for code_map in CODE_MAPS
        if any(
            not set(CODED_COLUMNS[code_map].get(dataset, ())).isdisjoint(source.columns)
            for dataset, source in delivered.items()
        )
        and not read_csv_of_people(agency.folder / f"{code_map}.csv", CODE_MAPS[code_map])[0]
    ]


def check_needed_maps(agency: Agency) -> None:
    """Check that the code maps without which there is no figure have codes.

    `load_agency` does not ask for it, since the folder of a new agency begins without codes.

    Args:
        agency: A loaded agency.

    Raises:
        AgencyError: AGENCY-EMPTY-MAP with each file and fix.
    """
    empty = [name for name in list_empty_maps(agency) if name in NEEDED_MAPS]
    if empty:
        raise AgencyError(
            "AGENCY-EMPTY-MAP",
            "\n  ".join(
                f"{agency.folder / name}.csv: has no code yet, so every code of the source is "
                "unknown, and no figure can be given"
                for name in empty
            ),
            "write a row for each code (docs/onboarding.md explains the columns); "
            f"{paths.CDI} check-agency {agency.agency} --connect lists the most frequent "
            "codes of the source",
        )


def _find_code_map_problems(
    file: Path, columns: tuple[str, ...], allowed: dict[str, Set[str]], *, is_loose: bool
) -> list[str]:
    rows, problems = read_csv_of_people(file, columns)
    codes = set()
    loose_codes: dict[str, str] = {}
    for place, row in rows:
        if not row["code"] or row["code"] in codes:
            problems.append(
                f"{place}: code '{row['code']}' is blank or there twice; keep one row per code"
            )
        codes.add(row["code"])
        first = loose_codes.setdefault(_loosen(row["code"]), row["code"])
        if is_loose and first != row["code"]:
            problems.append(
                f"{place}: code '{row['code']}' is the same as '{first}' without case, blanks, "
                "dashes and slashes; keep one of them"
            )
        problems += [
            f"{place}: {column} '{row[column]}' is not one of {sorted(values - {''})}"
            for column, values in allowed.items()
            if column in row and row[column] not in values
        ]
    return problems


def read_csv_of_people(
    file: Path, columns: tuple[str, ...]
) -> tuple[list[tuple[str, dict[str, str]]], list[str]]:
    """Read a CSV file that people write.

    Args:
        file: The file.
        columns: Its header.

    Returns:
        The rows, each with its place (`file:line`), and the problems found.
    """
    rows: list[tuple[str, dict[str, str]]] = []
    problems: list[str] = []
    if not file.is_file():  # reading a pipe would wait for ever
        return [], [f"{file}: is a folder, a pipe, or a link that leads nowhere"]
    # The last line that could be read. An unclosed quote swallows all lines after it, so that the
    # error names the line after this one, where the quote begins.
    line = 0
    # Spreadsheets put a byte-order mark before UTF-8; utf-8-sig skips it.
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle, strict=True)
        try:
            if tuple(reader.fieldnames or ()) != columns:
                return [], [f"{file}:1: header must be {','.join(columns)}"]
            line = reader.line_num
            for row in reader:
                line = reader.line_num
                place = f"{file}:{line}"
                # DictReader puts surplus fields under the key None, and gives absent ones the value
                # None.
                if None in row or None in row.values():
                    problems.append(
                        f"{place}: does not have {len(columns)} fields; put text with a comma in "
                        "quotation marks"
                    )
                else:
                    rows.append((place, row))
        except UnicodeDecodeError:
            problems.append(f"{file}: is not UTF-8; save it as UTF-8")
        except csv.Error as error:
            problems.append(f"{file}:{line + 1}: is not a line of CSV: {error}")
    return rows, problems


def read_actions(folder: Path) -> list[dict[str, Any]]:
    """Read the action register of an agency, ``actions.csv``.

    Args:
        folder: The agency's folder.

    Returns:
        The rows, with dates (`done_on` is None until the action is done); none if the agency keeps
        no register.

    Raises:
        AgencyError: AGENCY-ACTIONS with file, line and fix, for every problem found.
    """
    file = folder / "actions.csv"
    if not file.exists() and not file.is_symlink():
        return []
    domains = {"force", "rape", "domestic_abuse"}
    domains |= read_seed_values("offence_groups", "offence_group")
    rows: list[dict[str, Any]] = []
    texts, problems = read_csv_of_people(file, ACTION_COLUMNS)
    for place, row in texts:
        problems += [
            f"{place}: {name} is blank" for name in _FILLED_ACTION_COLUMNS if not row[name].strip()
        ]
        if row["action_id"] in {earlier["action_id"] for earlier in rows}:
            problems.append(
                f"{place}: action_id '{row['action_id']}' is there twice; keep one row per action"
            )
        if row["domain"] not in domains and not row["domain"].startswith("district "):
            problems.append(
                f"{place}: domain '{row['domain']}' is not force, rape, domestic_abuse, "
                "`district X` or an offence group"
            )
        dates = {}
        for name in ("due_on", "done_on"):
            try:
                dates[name] = date.fromisoformat(row[name]) if row[name] else None
            except ValueError:
                problems.append(f"{place}: {name} '{row[name]}' is not a date such as 2017-03-31")
        rows.append({**row, **dates})
    if problems:
        raise AgencyError(
            "AGENCY-ACTIONS", "\n  ".join(problems), "correct the register; docs/onboarding.md"
        )
    return rows
