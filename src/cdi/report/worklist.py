"""The registrar's worklist of a version, restricted: a page, a sheet, and a page per log.

A log's page shows what `make explain` prints of the call, and the records that it could be.
"""

import hashlib
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb

from cdi.agency.model import Agency
from cdi.build.version import Version
from cdi.files import write_text
from cdi.people.worklist_sheet import LOG_ADDRESS, write_worklist_csv, write_worklist_xlsx
from cdi.render import render
from cdi.report.log import read_logs
from cdi.report.wording import data_as_of, deadline_in_words
from cdi.sql import fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
PAGES = 400  # rows that have a page, unless more are to be recorded or read now
SHEET_ROWS = 2_000
FIRST_ROWS = 40  # of each list, until the reader asks for more
FOLDER = "worklist"
LATER = "later"  # the list of rows that nobody has to act on now
LISTS = {  # of the page, by the column `page_list` of its rows
    "to_record": "Confirmed: to be recorded in time",
    "in_time": "To read now: still in time",
    "overdue": "To read now: overdue",
    LATER: "If there is time left, and what is decided",
}
_LONGEST_NAME = 100  # of a page's file
Row = dict[str, Any]


def write_worklist(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Write the folder ``worklist/`` beside the private file.

    Args:
        con: The private file.
        version: Whose it is.
    """
    folder = version.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    (release,) = fetch_dicts(con, "from release")
    query = read_query(SQL / "worklist_rows.sql")
    listed = fetch_dicts(con, query, {"rows": SHEET_ROWS})
    rows = [
        _add_sheet_columns(row, number, version, release["as_of"])
        for number, row in enumerate(listed, 2)
    ]
    reasons = con.execute(
        "select reason_code, reason_name from rules.reasons where is_legitimate order by all"
    ).fetchall()
    title = f"Worklist of {version.agency.name}, version {version.name}"
    if version.agency.is_simulated and "SIMULATED" not in title:
        title = f"SIMULATED: {title}"
    paged_rows = choose_paged_rows(rows)
    pages = name_pages(row["call_id"] for row in paged_rows)
    linked_rows = [
        row | {LOG_ADDRESS: find_log_address(row["call_id"], pages, version.agency)} for row in rows
    ]
    write_worklist_csv(folder / "worklist.csv", rows)
    write_worklist_xlsx(folder / "worklist.xlsx", linked_rows, reasons, title, release["as_of"])

    common = {
        "agency": version.agency,
        "is_simulated": version.agency.is_simulated,
        "release": release,
        "version": version.name,
        "likelihoods": {
            row["likelihood"]: row for row in fetch_dicts(con, "from likelihood_yields")
        },
    }
    (totals,) = fetch_dicts(con, read_query(SQL / "worklist_totals.sql"))
    page = render(
        "worklist.html.j2",
        **common,
        as_of=data_as_of(release),
        totals=totals,
        lists=[
            (name, title, [row for row in paged_rows if row["page_list"] == name])
            for name, title in LISTS.items()
        ],
        has_rows_without_page=totals["listed"] > len(paged_rows),
        yields={row["reading_part"]: row for row in fetch_dicts(con, "from worklist_yield")},
        accuracy=fetch_dicts(con, "from worklist_accuracy where audited_count > 0"),
        severities=_count_severities(con, paged_rows),
        evidence=sorted(Counter(_name_evidence(row) for row in paged_rows).items()),
        pages=pages,
        rapes=fetch_dicts(con, read_query(SQL / "rape_reports_to_keep.sql")),
        cancelled=fetch_dicts(con, read_query(SQL / "wrongly_cancelled.sql")),
        unchecked=fetch_dicts(con, read_query(SQL / "figures" / "cancelled_unchecked.sql")),
        first_rows=FIRST_ROWS,
        sheet_rows=len(rows),
    )
    write_text(folder / "index.html", page)
    if pages:  # without a page there is no log to read
        _write_log_pages(con, version, paged_rows, pages, common | {"reasons": reasons})


def _write_log_pages(
    con: duckdb.DuckDBPyConnection,
    version: Version,
    rows: Sequence[Row],
    pages: Mapping[str, str],
    common: Mapping[str, Any],
) -> None:
    """Write the page of each log, in the order of the list, each with a link to its neighbours."""
    calls = list(pages)
    views = read_logs(con, version.agency, calls)
    suspected: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        suspected[row["call_id"]].append(row)
    for place, call_id in enumerate(calls):
        page = render(
            "log.html.j2",
            **common,
            log=views[call_id],
            call_id=call_id,
            suspected=suspected[call_id],
            pages=pages,
            before=pages[calls[place - 1]] if place else None,
            after=pages[calls[place + 1]] if place + 1 < len(calls) else None,
        )
        # The folder is private and new, and it is synced as a whole: to do so once for each of
        # perhaps thousands of pages would take minutes.
        (version.folder / FOLDER / "logs" / pages[call_id]).write_text(page, encoding="utf-8")


def _count_severities(con: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Count rows by severity, the gravest first; a severity without rows is left out."""
    counts = Counter(row["severity"] for row in rows)
    query = "select severity from rules.severities order by severity_rank"
    return [(name, counts[name]) for (name,) in con.execute(query).fetchall() if counts[name]]


def _name_evidence(row: Row) -> str:
    return "likely" if row["is_likely"] else "possible"


def choose_paged_rows(rows: Sequence[Row]) -> Sequence[Row]:
    """Choose the rows that have a page: all to be recorded or read now, and as many more as fit.

    Args:
        rows: Of the worklist, in the order of its page.
    """
    return rows[: max(PAGES, sum(row["page_list"] != LATER for row in rows))]


def _add_sheet_columns(row: Row, number: int, version: Version, as_of: datetime) -> Row:
    """A row of the list with its number in the sheet, and the columns that people fill in."""
    has_limit = row["hours_left"] is not None  # a dismissed crime has none
    deadline = deadline_in_words(row["due_at"], as_of, version.agency) if has_limit else None
    return row | {
        "sheet_row": number,
        "time_limit": deadline or "No record needed",
        "record_by": row["local_due_at"] if has_limit else None,
        "to_read": when_to_read_in_words(row),
        "evidence": _name_evidence(row),
        "decision": None,
        "decided_by": None,
        "second_person": None,
        "reason_code": None,
        "note": None,
        "version": version.name,
        "data": "SIMULATED" if version.agency.is_simulated else None,
    }


def find_log_address(call_id: str, pages: Mapping[str, str], agency: Agency) -> str | None:
    """Find where a reader of the sheet reads a log.

    Args:
        call_id: The log.
        pages: Names of the pages by log.
        agency: Whose log.

    Returns:
        Its address on the desk, if the agency says where that is; or else its page beside the
        sheet; None if it has none.
    """
    if agency.alerts.desk_url:
        # Where the desk runs alone, its address may end with /desk already.
        site = agency.alerts.desk_url.rstrip("/").removesuffix("/desk")
        return f"{site}/desk/{agency.agency}/log?call={quote(call_id, safe='')}"
    return f"logs/{pages[call_id]}" if call_id in pages else None


def when_to_read_in_words(row: Row) -> str:
    """When the log of a row is to be read, or that nobody need read it."""
    if row["reading_part"] is None:
        return "decided"
    return "now" if row["reading_part"] == "now" else "if there is time left"


def name_pages(calls: Iterable[str]) -> dict[str, str]:
    """A file name for each call's page: the call's number, of letters that any system takes.

    A number that no system takes as a file name, since it is too long, is hashed.

    Args:
        calls: Ids of the calls; one that comes again keeps its first name.

    Returns:
        The name by call. No two differ by their case only, as some systems read these as one.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for call_id in dict.fromkeys(calls):
        name = page_stem(call_id)
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        names[call_id] = f"{name}.html"
    return names


def page_stem(call_id: str) -> str:
    """What the name of a call's page begins with; only underscores and the ending may follow."""
    name = re.sub(r"[^A-Za-z0-9-]+", "_", call_id)
    return name if len(name) <= _LONGEST_NAME else hashlib.sha256(call_id.encode()).hexdigest()
