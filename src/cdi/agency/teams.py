"""The teams of an agency, ``teams.csv``: who belongs to which team, and from which day."""

from datetime import date
from pathlib import Path
from typing import Any

from cdi.agency.code_maps import read_csv_of_people
from cdi.errors import AgencyError

TEAM_COLUMNS = {"author_code": "VARCHAR", "team": "VARCHAR", "valid_from": "DATE"}


def read_teams(folder: Path) -> list[dict[str, Any]]:
    """Read the teams of an agency.

    Args:
        folder: The agency's folder.

    Returns:
        The rows, with the first day of each as a date; none if the agency has no such file.

    Raises:
        AgencyError: AGENCY-TEAMS with file, line and fix, for every problem found.
    """
    file = folder / "teams.csv"
    if not file.exists() and not file.is_symlink():
        return []
    texts, problems = read_csv_of_people(file, tuple(TEAM_COLUMNS))
    rows: dict[tuple[str, date], dict[str, Any]] = {}
    for place, row in texts:
        problems += [f"{place}: {name} is blank" for name in row if not row[name].strip()]
        try:
            first_day = date.fromisoformat(row["valid_from"])
        except ValueError:
            if row["valid_from"].strip():
                problems.append(
                    f"{place}: valid_from '{row['valid_from']}' is not a date such as 2017-03-31"
                )
            continue
        key = row["author_code"], first_day
        if key in rows:
            problems.append(
                f"{place}: author_code '{row['author_code']}' has two teams from {first_day} on; "
                "keep one of them"
            )
        rows[key] = {**row, "valid_from": first_day}
    if problems:
        raise AgencyError(
            "AGENCY-TEAMS", "\n  ".join(problems), "correct the teams; docs/onboarding.md"
        )
    return list(rows.values())
