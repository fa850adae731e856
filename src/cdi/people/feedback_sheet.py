"""The monthly feedback sheet: what people confirmed as missed, and why, for the training of a team.

It has one line for each confirmed miss, and a second sheet that says what the causes mean and how
often each was found. A sergeant prints it, so it is landscape and repeats its header.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, Any

import duckdb
from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from cdi import paths
from cdi.agency.model import Agency
from cdi.errors import CdiError
from cdi.people.sheet_cells import make_heading, make_xlsx_cell, set_up_print
from cdi.sql import connect, fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
LONGEST_WORDS = 160  # letters of what a log says, as much as a printed line holds
# Of each column its name in the rows, its heading and its width.
COLUMNS = (
    ("reported_month", "Month", 10),
    ("team", "Team", 16),
    ("call_id", "Log", 22),
    ("what_was_missed", "What was not recorded", 30),
    ("miss_cause_name", "Why it was not recorded", 34),
    ("words", "Words of the log that report it (masked)", 52),
    ("closed_as", "How the log was closed", 34),
    ("supervisor_code", "Closed by", 11),
    ("recorded_since", "Recorded since", 10),
)
NOTES = (
    "For the training of the team: each line is a log that people read and confirmed.",
    "People read what the worklist shows them. So these are not all missed crimes, and numbers of "
    "them do not say how good a team is.",
    "Names held in the systems' own fields are masked; others may remain. Treat as personal data.",
)


@contextmanager
def open_published(agency: Agency) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published version of an agency to read from it.

    Args:
        agency: Whose version.

    Yields:
        A connection.

    Raises:
        CdiError: FEEDBACK-UNPUBLISHED if no version is published.
    """
    file = paths.current(agency.agency).resolve() / "recording.duckdb"
    if not file.is_file():
        raise CdiError(
            "FEEDBACK-UNPUBLISHED",
            f"no version of {agency.agency} is published",
            f"run the pipeline first: {paths.name_run(agency.agency)}",
        )
    with connect(file, read_only=True) as con:
        yield con


def read_feedback(
    con: duckdb.DuckDBPyConnection,
    month: date | None,
    team: str | None,
    supervisor: str | None = None,
) -> list[dict[str, Any]]:
    """Read the confirmed misses.

    Args:
        con: A published file.
        month: First day of the month in which they were reported; None for every month.
        team: One team; None for all.
        supervisor: Code of the one who closed the logs; None for all.

    Returns:
        The rows, with the columns of the sheet.

    Raises:
        CdiError: FEEDBACK-TEAM if the version knows no such team, FEEDBACK-SUPERVISOR if nothing
            is confirmed in logs that this supervisor closed.
    """
    listed = con.execute("select distinct team from confirmed_misses order by team").fetchall()
    teams = [name for (name,) in listed]
    if team is not None and team not in teams:
        raise CdiError(
            "FEEDBACK-TEAM",
            f"nothing was confirmed for a team '{team}'",
            f"choose one of {', '.join(teams) or '(none)'}; docs/feedback.md says where teams "
            "come from",
        )
    closed = "from confirmed_misses where supervisor_code = $supervisor limit 1"
    if supervisor is not None and not fetch_dicts(con, closed, {"supervisor": supervisor}):
        raise CdiError(
            "FEEDBACK-SUPERVISOR",
            f"nothing was confirmed in a log that '{supervisor}' closed",
            "take the code from the column 'Closed by' of the sheet without --supervisor",
        )
    chosen = {"month": month, "team": team, "supervisor": supervisor}
    rows = fetch_dicts(con, read_query(SQL / "feedback.sql"), chosen)
    return [
        row
        | {
            "words": row["words"] and row["words"][:LONGEST_WORDS],
            "recorded_since": "yes" if row["is_recorded_since"] else "no",
        }
        for row in rows
    ]


def write_feedback(
    target: Path | IO[bytes],
    con: duckdb.DuckDBPyConnection,
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write the sheet as XLSX.

    Args:
        target: The file, or an open binary file such as the body of a response.
        con: The published file from which the rows were read.
        rows: As `read_feedback` gives them.
    """
    (facts,) = fetch_dicts(con, "select agency_name, is_simulated, as_of from release")
    causes = fetch_dicts(con, "from rules.miss_causes order by cause_order")
    title = f"Feedback on missed crimes, {facts['agency_name']}"
    if facts["is_simulated"] and "SIMULATED" not in title:
        title = f"SIMULATED: {title}"
    book = Workbook(write_only=True)
    book.properties.title = title
    book.properties.creator = "cdi"
    # The time of the data, so that equal versions write equal files.
    book.properties.created = book.properties.modified = facts["as_of"]
    _write_misses(book, rows, title)
    _write_causes(book, rows, causes, title)
    book.save(target)


def _write_misses(book: Workbook, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    sheet = book.create_sheet("feedback")
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(COLUMNS))}{len(rows) + 1}"
    set_up_print(sheet, title)
    sheet.print_title_rows = "1:1"
    for place, (_, _, width) in enumerate(COLUMNS, 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.append([make_heading(sheet, heading) for _, heading, _ in COLUMNS])
    for row in rows:
        sheet.append([make_xlsx_cell(sheet, row[name]) for name, _, _ in COLUMNS])


def _write_causes(
    book: Workbook,
    rows: Sequence[Mapping[str, Any]],
    causes: Sequence[Mapping[str, Any]],
    title: str,
) -> None:
    counts = Counter(row["miss_cause_name"] for row in rows)
    sheet = book.create_sheet("causes")
    set_up_print(sheet, title)
    for letter, width in zip("ABC", (44, 100, 12), strict=True):
        sheet.column_dimensions[letter].width = width
    for line in (title, *NOTES, ""):
        sheet.append([line])
    sheet.append([make_heading(sheet, text) for text in ("Why", "What it means", "Crimes here")])
    for cause in causes:
        name = cause["miss_cause_name"]
        sheet.append([name, cause["meaning"], counts[name]])
