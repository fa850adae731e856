"""Reads a report as people do, and holds its numbers against figures.json and the published file.

It uses none of the project's code: the formats are written down here once more.
"""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb

NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?%?")
VOID = {"meta", "br", "link", "img", "input", "hr"}
# what is no figure of the agency: dates, limits of the rules, and how sure an interval is
NO_FIGURE = re.compile(
    r"\d{4}-\d\d-\d\d|\d{1,2} [A-Z][a-z]+ \d{4}(?:, \d{1,2}(?::\d\d)?[ap]m)?|[A-Z][a-z]+ \d{4}"
    r"|statement of 2018|N100|(?:95|90)% (?:confidence|limits)|(?:24|72) hours|30 days"
    r"|19 times in 20|Of 100 crimes|It takes 24|needs \d+ (?:weeks|recorded crimes in \w+ weeks)"
    r"|begin at 0%|\(\d+ rows?\)|Apache 2\.0"
)
# how a number of each unit is written
FORMATS = {
    "count": "{:,.0f}",
    "points": "{:.2f}",
    "signed points": "{:+.1f}",
    "tenths": "{:.1f}",
    "decimal": "{:.2f}",
}


def write_value(value: float, unit: str) -> str:
    """A value as a page has to show it."""
    if unit == "share":
        return write_share(value)
    if unit == "rounded count":
        return f"{round(value / 100) * 100 if value >= 1000 else value:,}"
    if unit == "lower limit of count":
        return f"{value - value % 100 if value >= 1000 else value:,}"
    if unit == "upper limit of count":
        return f"{value + -value % 100 if value >= 1000 else value:,}"
    return FORMATS[unit].format(value)


def write_share(value: float) -> str:
    """A share as a page has to show it: not quite all is not all, and not quite none not none."""
    if 0 < value < 0.0005:
        return "less than 0.1%"
    return "more than 99.9%" if 0.9995 <= value < 1 else f"{value:.1%}"


@dataclass
class Page(HTMLParser):
    """What a report shows.

    Attributes:
        numbers: Id, exact value and text of each marked number.
        parts: The text of each part that shows a whole table, by its id.
        tables: Each table as rows of cells.
        rest: All other text, without charts and code.
    """

    html: str
    numbers: list[tuple[str, float, str]] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    tables: list[list[list[str]]] = field(default_factory=list)
    rest: str = ""

    def __post_init__(self) -> None:
        """Read the main part of the page."""
        super().__init__()
        self._open: list[tuple[str, dict[str, str]]] = []
        main = self.html.partition("<main")[2].partition(">")[2].partition("</main>")[0]
        name = re.findall(r"<title>Crime recording · (.*?)</title>", self.html)[0]
        self.feed(main.replace(name.removesuffix(" (SIMULATED)"), ""))  # a name may have a year

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        if tag in VOID:
            return
        found = {name: value or "" for name, value in attrs}
        self._open.append((tag, found))
        if tag == "data":
            self.numbers.append((found["data-figure"], float(found["value"]), ""))
        elif tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
        for name in self._list_parts():
            self.parts[name] = self.parts.get(name, "") + " "

    def _list_parts(self) -> list[str]:
        """Ids of the tables that are open, the outermost first."""
        return [
            found["data-figure"]
            for tag, found in self._open
            if "data-figure" in found and tag != "data"
        ]

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and those in it that need no end."""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Put text to what it belongs to."""
        tags = [tag for tag, _ in self._open]
        if "svg" in tags:
            return
        if any(tag in ("th", "td") for tag in tags):
            self.tables[-1][-1][-1] += data
        figure_ids = self._list_parts()
        if "data" in tags:
            name, value, text = self.numbers[-1]
            self.numbers[-1] = (name, value, text + data)
        elif figure_ids:
            self.parts[figure_ids[0]] = self.parts.get(figure_ids[0], "") + data
        elif not {"code", "table"} & set(tags):
            self.rest += data


def read_figures(folder: Path) -> list[dict[str, Any]]:
    """The figures of a version."""
    figures: list[dict[str, Any]] = json.loads((folder / "figures.json").read_text("utf-8"))[
        "figures"
    ]
    return figures


def find_problems(html: str, figures: list[dict[str, Any]]) -> list[str]:
    """All that breaks the number contract on a page."""
    page, by_id = Page(html), {figure["id"]: figure for figure in figures}
    problems = [f"{name} has no entry" for name, _, _ in page.numbers if name not in by_id]
    problems += [f"{name} has no entry" for name in page.parts if name not in by_id]
    shown = {name for name, _, _ in page.numbers} | set(page.parts)
    problems += [f"{name} is not on the page" for name in by_id if name not in shown]
    for name, value, text in page.numbers:
        figure = by_id.get(name, {"value": value, "unit": "decimal"})
        if value != figure["value"] or text != write_value(figure["value"], figure["unit"]):
            problems.append(f"{name}: the page says {text} ({value})")
    problems += [f"a number without an id: {text}" for text in _unmarked(page.rest)]
    problems += _shared_labels(page, by_id)
    for name, text in page.parts.items():
        problems += _foreign_numbers(name, text, by_id.get(name, {"rows": []}))
    return problems


def _unmarked(text: str) -> list[str]:
    return NUMBER.findall(NO_FIGURE.sub(" ", " ".join(text.split())))


def _shared_labels(page: Page, by_id: dict[str, Any]) -> list[str]:
    """Labels with two numbers: of marked figures, and in the tables a row and a column."""
    values: dict[tuple[str, str], set[str]] = {}
    for name, _, text in page.numbers:
        values.setdefault((by_id.get(name, {}).get("label", name), ""), set()).add(text)
    for header, *rows in page.tables:
        for row in rows:
            is_number = [NUMBER.fullmatch(cell.strip()) for cell in row]
            words = [cell for cell, number in zip(row, is_number, strict=True) if not number]
            for column, cell, number in zip(header, row, is_number, strict=False):
                if header[0] == "Figure":  # the list of all figures
                    words, column = row[:1], ""
                if number:
                    label = (" / ".join(words), column)
                    values.setdefault(label, set()).add(cell.strip())
    return [f"one label, two numbers: {label} {v}" for label, v in values.items() if len(v) > 1]


def _foreign_numbers(name: str, text: str, figure: dict[str, Any]) -> list[str]:
    """Numbers of a part that are in no row of its table, however they are rounded."""
    cells = [cell for row in figure["rows"] for cell in row]
    numbers = [cell for cell in cells if isinstance(cell, int | float)]
    own = {number for cell in cells for number in NUMBER.findall(str(cell))}
    for number in numbers:
        own |= {f"{number:,}", f"{number:,.0f}", f"{number:.1f}", f"{number:+.1f}"}
        own |= set(NUMBER.findall(write_share(number)))
    words = NO_FIGURE.sub(" ", " ".join(text.split()))
    return [f"{name}: {number} is in none of its rows" for number in NUMBER.findall(words)
            if number not in own and number.lstrip("-+") not in own]  # fmt: skip


def find_differences(folder: Path) -> list[str]:
    """Entries of figures.json that their own query does not give again, by a plain connection."""
    differences = []
    with duckdb.connect(str(folder / "recording.duckdb"), read_only=True) as con:
        for figure in read_figures(folder):
            if "sql" not in figure:
                continue
            result = con.execute(figure["sql"])
            columns = [column[0] for column in result.description or ()]
            found = json.loads(json.dumps(result.fetchall(), default=str))
            wanted = figure["rows"] if "rows" in figure else [[figure["value"]]]
            if found != wanted or columns != figure.get("columns", [figure["id"]]):
                differences.append(f"{figure['id']}: {found} instead of {wanted}")
    return differences
