"""The report of a version: one self-contained HTML page, from the file's own tables.

It is for the chief officer, the registrar and the analyst. It names no log: the worklist, which
does, is a folder of its own (`cdi.report.worklist`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from markupsafe import Markup

from cdi.agency.code_maps import read_actions
from cdi.build.version import Version
from cdi.files import write_text
from cdi.monitoring.practices import LEAST_HISTORY
from cdi.render import render
from cdi.report.actions import measure_actions
from cdi.report.contract import Contract, Row
from cdi.report.readings import list_readings
from cdi.report.wording import PRACTICES, data_as_of, local_time
from cdi.sql import fetch_dicts, scalar

COMPARED_COUNTRY = "GB"  # whose published rates an agency is put beside


def write_report_page(
    con: duckdb.DuckDBPyConnection, version: Version, compared: Mapping[str, Any] | None
) -> None:
    """Write ``report.html`` and ``figures.json`` beside the private file.

    Args:
        con: The private file.
        version: Whose it is.
        compared: What changed since the published version; None if there is nothing to compare.
    """
    from cdi.report.charts import Drawing  # altair takes two seconds to import
    from cdi.report.findings import Findings

    agency = version.agency
    is_compared = agency.country == COMPARED_COUNTRY
    contract = Contract(
        con,
        version=version.name,
        is_simulated=agency.is_simulated,
        skipped=() if is_compared else ("published_rates",),
    )
    actions = measure_actions(con, read_actions(agency.folder))
    _give_other_figures(contract, actions, list_readings(con), compared)
    (release,) = fetch_dicts(con, "from release")
    page = render(
        "report.html.j2",
        agency=agency,
        is_simulated=agency.is_simulated,
        version=version.name,
        release=release,
        as_of=data_as_of(release),
        clock={name: local_time(release[name], agency) for name in CLOCKS},
        v=contract.values,
        show=contract.show,
        table=contract.table,
        list_shown=contract.list_shown,
        charts=Findings(Drawing(is_simulated=agency.is_simulated), contract).draw_all(),
        actions=actions,
        practices=_read_practices(con, contract.rows("practices")),
        weights=scalar(con, "select any_value(weights_version) from links"),
        compared=compared,
    )
    write_text(version.folder / "report.html", page)
    sentences = (
        render(f"{name}.html.j2", v=contract.values, release=release, show=contract.show)
        for name in ("headline", "in_time")
    )
    text = Markup(" ".join(sentences)).striptags()  # noqa: S704 -- of our own templates
    contract.write(version.folder / "figures.json", " ".join(text.split()))


def _give_other_figures(
    contract: Contract,
    actions: Sequence[Row],
    readings: list[Row],
    compared: Mapping[str, Any] | None,
) -> None:
    """Give the figures that no query of the published file has."""
    contract.give("actions", list(actions))
    contract.give("actions_set", len(actions))
    contract.give("actions_overdue", sum(row["state"] == "overdue" for row in actions))
    contract.give("readings", readings)
    changes = [
        {"part": part, "change": change, "number": number}
        for part in ("listed", "links")
        for change, number in (compared or {}).get(part, {}).items()
    ]
    contract.give("compared", changes)


def _read_practices(con: duckdb.DuckDBPyConnection, changed: Sequence[Row]) -> list[Row] | None:
    """Practices that changed in the newest four weeks, in words; None if none can be compared."""
    if scalar(con, "select count(distinct week_on) from practice_weeks") < LEAST_HISTORY:
        return None
    rows = []
    for row in changed:
        what = PRACTICES[row["practice"]].format(label=row["label"])
        rows.append({**row, "what": f"{what} ({row['detail']})" if row["detail"] else what})
    return rows


CLOCKS = ("calls_as_of", "crime_records_as_of")
