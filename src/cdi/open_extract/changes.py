"""What changed from release to release, for readers of the open extract.

Only open folders are read. The list goes on from release to release: each one repeats what the
release before said and adds what is new, because a reader may have missed some releases.
"""

from pathlib import Path

import duckdb

from cdi.errors import StateError
from cdi.files import read_json
from cdi.open_extract.package import PACKAGE
from cdi.open_extract.tables import TABLES
from cdi.sql import fetch_dicts, ident, literal, scalar

Change = dict[str, str]  # `released_on`: the release's as-of day; `change`: a sentence


def list_changes(con: duckdb.DuckDBPyConnection, before: Path | None) -> list[Change]:
    """List what changed in this release and in those before it.

    Args:
        con: A connection to the ``open.duckdb`` of this release.
        before: The open folder of the release before; None if there is none.

    Returns:
        The changes, the newest first. If the list of the release before cannot be read, or an older
        program made that release, the list begins anew and says so.
    """
    as_of_on = scalar(con, "select as_of_on from release").isoformat()
    earlier: list[Change] = []
    if before is None:
        sentences = ["This is the first release."]
    else:
        sentences = _compare_releases(con, before / "open.duckdb")
        earlier = _read_changes(before / PACKAGE)
        if not earlier:
            sentences.append("This list begins with this release. There were releases before it.")
    return [{"released_on": as_of_on, "change": sentence} for sentence in sentences] + earlier


def _read_changes(file: Path) -> list[Change]:
    """Read the list of the release before; it is empty if there is none."""
    try:
        changes: list[Change] = read_json(file).get("changes", [])
    except StateError:
        return []
    return changes


def _compare_releases(con: duckdb.DuckDBPyConnection, before: Path) -> list[str]:
    """Say in sentences how this release differs from the one before, if that can be read."""
    try:
        con.execute(f"attach {literal(str(before))} as earlier (read_only)")
    except duckdb.Error:
        return []
    try:
        (quarters,) = fetch_dicts(
            con,
            "select list_sort(list_filter(now, lambda q: not list_contains(old, q))) as added, "
            "list_sort(list_filter(old, lambda q: not list_contains(now, q))) as removed "
            "from (select coalesce(list(quarter), []) as now from main.quarters) "
            "cross join (select coalesce(list(quarter), []) as old from earlier.main.quarters)",
        )
        corrected = _find_corrected_quarters(con)
        has_new_audit = _differ(con, "audited_rates", "select {columns} from {table}")
    except duckdb.Error:
        return []
    finally:
        con.execute("detach earlier")
    sentences = [f"The quarter {quarter} was added." for quarter in quarters["added"]]
    sentences += [f"The quarter {quarter} was withdrawn." for quarter in quarters["removed"]]
    sentences += [
        f"Correction: figures of the quarter {quarter} changed in {', '.join(tables)}."
        for quarter, tables in sorted(corrected.items())
    ]
    if has_new_audit:
        sentences.append("The rates of audits (audited_rates) were added to or changed.")
    return sentences


def _find_corrected_quarters(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Find the quarters that both releases show, but differently, and in which tables."""
    both = "select quarter from main.quarters intersect select quarter from earlier.main.quarters"
    corrected: dict[str, list[str]] = {}
    for (quarter,) in con.execute(both).fetchall():
        for name, table in TABLES.items():
            query = f"select {{columns}} from {{table}} where quarter = {literal(quarter)}"
            if "quarter" in table.key and _differ(con, name, query):
                corrected.setdefault(quarter, []).append(name)
    return corrected


def _differ(con: duckdb.DuckDBPyConnection, name: str, query: str) -> bool:
    """Whether a query finds other rows in the two releases, in the columns that both have."""
    columns = ", ".join(
        ident(column)
        for (column,) in con.execute(
            "select column_name from duckdb_columns() where table_name = $name "
            "and column_name <> 'agency_name' "
            "group by column_name having count(*) = 2 order by column_name",
            {"name": name},
        ).fetchall()
    )
    if not columns:
        return False
    now, old = (
        query.format(columns=columns, table=f"{place}.{ident(name)}")
        for place in ("main", "earlier.main")
    )
    return bool(
        con.execute(
            f"select exists(({now}) except ({old})) or exists(({old}) except ({now}))"
        ).fetchall()[0][0]
    )
