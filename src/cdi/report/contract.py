"""The number contract: every figure of the report has an id, a label, a base in words and a query.

The figures are declared in ``figures.yaml``, and the template takes each number from here. What the
page showed is written to ``figures.json``, so that anybody can run the query of a figure against
the published file and find the same number.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import duckdb
import yaml
from markupsafe import Markup

from cdi.files import write_text
from cdi.people.sheet_cells import make_csv_cell, mark_as_utf8
from cdi.render import NOTHING
from cdi.shares import write_percent
from cdi.sql import fetch_dicts, ident, read_query

DECLARED = Path(__file__).with_name("figures.yaml")
SQL = Path(__file__).parent / "sql" / "figures"

Row = dict[str, Any]


def _round_count(count: int, round_hundreds: Callable[[float], int] = round) -> str:
    """A count that is an estimate: of thousands the hundreds are enough."""
    return f"{100 * round_hundreds(count / 100) if count >= 1000 else count:,}"


# How a value of each unit is written on the page.
UNITS: dict[str, Callable[[Any], str]] = {
    "count": lambda value: f"{value:,.0f}",
    "rounded count": _round_count,
    # The limits of an interval are rounded outwards, so that it holds no less than it should.
    "lower limit of count": partial(_round_count, round_hundreds=math.floor),
    "upper limit of count": partial(_round_count, round_hundreds=math.ceil),
    "share": write_percent,
    "points": lambda value: f"{value:.2f}",
    "signed points": lambda value: f"{value:+.1f}",
    "tenths": lambda value: f"{value:.1f}",
    "decimal": lambda value: f"{value:.2f}",
}


class Table(NamedTuple):
    """A figure that is a whole table.

    Attributes:
        figure_id: Its id.
        label: What it shows.
        rows: Its rows.
        mark: What each row says of itself where it leaves the page: what is counted, in which
            version, and whether it is simulated.
    """

    figure_id: str
    label: str
    rows: Sequence[Row]
    mark: Mapping[str, str]

    @property
    def csv_link(self) -> str:
        """The rows as an address that holds a CSV file: it needs no other file and no script."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [*self.rows[0], *self.mark], lineterminator="\r\n")
        writer.writeheader()
        # codes and districts are texts of the agency, and a spreadsheet must not run them
        writer.writerows(
            {name: make_csv_cell(value) for name, value in {**row, **self.mark}.items()}
            for row in self.rows
        )
        content = quote(mark_as_utf8(text.getvalue()), safe=",:/()")
        return f"data:text/csv;charset=utf-8,{content}"


class Contract:
    """The figures of one version, and which of them the page has shown.

    Attributes:
        values: What the queries of one row gave, by the name of the column; figures and texts.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        *,
        version: str,
        is_simulated: bool,
        skipped: Sequence[str] = (),
    ) -> None:
        """Run the declared queries.

        Args:
            con: A published (or private) file.
            version: The version's name.
            is_simulated: Whether its data are simulated.
            skipped: Names of queries that are not for this agency.
        """
        self._version = version
        self._is_simulated = is_simulated
        self.values: dict[str, Any] = {}
        self._rows: dict[str, list[Row]] = {}
        self._shown: dict[str, None] = {}  # in the order of the page
        self._declared: dict[str, dict[str, Any]] = {}
        for group in yaml.safe_load(DECLARED.read_text(encoding="utf-8")):
            self._declare(group)
            if "query" in group:
                name = group["query"]
                rows = [] if name in skipped else fetch_dicts(con, _read_sql(name))
                self._take(group, rows)

    def _declare(self, group: Mapping[str, Any]) -> None:
        shared = {key: group[key] for key in ("base", "query", "file") if key in group}
        if "table" in group:
            name = group.get("query") or group["source"]
            self._declared[name] = {"label": group["table"], **shared}
        for figure_id, figure in group.get("figures", {}).items():
            self._declared[figure_id] = shared | figure

    def _take(self, group: Mapping[str, Any], rows: list[Row]) -> None:
        if "table" in group:
            self._rows[group["query"]] = rows
        else:
            self.values |= dict.fromkeys(group["figures"]) | (rows[0] if rows else {})

    def give(self, figure_id: str, value: Any) -> None:
        """Give a figure that no query of the published file has.

        Args:
            figure_id: A declared one.
            value: A number, or the rows of a table.
        """
        if isinstance(value, list):
            self._rows[figure_id] = value
        else:
            self.values[figure_id] = value

    def show(self, figure_id: str) -> Markup | str:
        """A number as the page shows it, marked with its id; a dash if there is none.

        Args:
            figure_id: A declared one.
        """
        figure, value = self._declared[figure_id], self.values[figure_id]
        if value is None:
            return NOTHING
        self._shown[figure_id] = None
        text = UNITS[figure["unit"]](value)
        return Markup('<data data-figure="{}" value="{}">{}</data>').format(figure_id, value, text)

    def table(self, figure_id: str) -> Table | None:
        """A table that the page shows; None if it has no rows.

        Args:
            figure_id: A declared one.
        """
        if not (rows := self._rows[figure_id]):
            return None
        self._shown[figure_id] = None
        figure = self._declared[figure_id]
        mark = {
            "counted": figure["base"],
            "version": self._version,
            "data": "SIMULATED" if self._is_simulated else "",
        }
        return Table(figure_id, figure["label"], rows, mark)

    def rows(self, figure_id: str) -> list[Row]:
        """The rows of a table, for those who only look at them."""
        return self._rows[figure_id]

    def list_shown(self) -> list[Row]:
        """All figures that the page has shown so far, as they stand in ``figures.json``."""
        return [self._describe(figure_id) for figure_id in self._shown]

    def _describe(self, figure_id: str) -> Row:
        figure = self._declared[figure_id]
        described = {"id": figure_id, "label": figure["label"], "base": figure["base"]}
        if "unit" in figure:
            value = self.values[figure_id]
            described |= {
                "unit": figure["unit"],
                "value": value,
                "text": UNITS[figure["unit"]](value),
            }
        else:
            rows = self._rows[figure_id]
            described["columns"] = list(rows[0])
            described["rows"] = [list(row.values()) for row in rows]
        if "query" in figure:
            query = _read_sql(figure["query"])
            column = f"select {ident(figure_id)} from (\n{query}\n)"
            described["sql"] = column if "unit" in figure else query
        else:
            described["file"] = figure["file"]
        return described

    def write(self, file: Path, headline: str) -> None:
        """Write ``figures.json``.

        Args:
            file: Where.
            headline: The sentence with which the report begins.
        """
        facts = {
            "version": self._version,
            "is_simulated": self._is_simulated,
            "headline": headline,
            "figures": self.list_shown(),
        }
        write_text(file, f"{json.dumps(facts, indent=1, default=str)}\n")


def _read_sql(name: str) -> str:
    return read_query(SQL / f"{name}.sql").strip()
