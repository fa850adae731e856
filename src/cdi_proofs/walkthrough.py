"""The generated page docs/walkthrough.md: one simulated log followed through every model.

The published tables are read from a published version. It keeps only the rooms' tables that a page
reads, so the rooms come from the same models run again on the same landing. A model is on the page
if its table names a call, a record or a reported crime. Models stand in the order in which dbt
builds them, so a new one finds its place by itself. What the wide tables only pass on is left out.
Keyed hashes differ from one state folder to the next, so they are shown as numbers: equal numbers
are equal hashes.
"""

import io
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.build.dbt import PART
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.files import write_text
from cdi.render import render
from cdi.report.explain import explain_call
from cdi.sql import connect, fetch_dicts, ident, read_query, scalar
from cdi.variant import Variant
from cdi_proofs.published import run_simulated

VARIANT = Variant(paths.DEFAULT_SCENARIO, 2, 3)
PAGE = paths.REPO / "docs" / "walkthrough.md"
SQL = Path(__file__).parent / "sql"
MAX_ROWS = 8
MANY_COLUMNS = 25  # a row of more columns is shown without those that are false
# What a table can name. Reported crimes are looked for only where neither call nor record is named.
KEYS = ("call_id", "crime_record_id", "reported_crime_id")
# The comparisons whose levels make up a pattern, in their order (macro link_comparisons).
COMPARISONS = ("time", "distance", "address", "offence", "name", "birth_date", "reference", "taken")
# Rooms whose wide tables repeat much of what came before.
PASSES_ON = ("landing", "staging", "main")
# Models that need all others which a log passes through. They are built anew, because a published
# file lacks what no person reads.
LAST_MODELS = ("recording_rate", "unrecorded_crimes")
# The log to follow tells of two crimes. One has a record, which is linked to the log although no
# usable reference leads to it; the other was never recorded.
FOLLOWED = """
    crime.outcome = 'unrecorded'
    and call.reported_crime_count = 2
    and exists (
        from main.fct_reported_crimes as other
        where
            other.call_id = crime.call_id
            and other.outcome = 'recorded'
            and other.link_rung = 'scored'
    )
"""

Row = dict[str, Any]
Connection = duckdb.DuckDBPyConnection

ROOMS = {
    "landing": "A row is accepted as the source delivered it, with typed values and canonical "
    "keys. Personal data became keyed hashes on the way in, and no row is ever changed again.",
    "staging": "Of all accepted batches the newest row of each key stays. "
    "From here on names and types are the same for every agency.",
    "disclosure": "Each kind of evidence is gathered by itself, and then the crimes that the log "
    "reports are listed. Questions are answered for each of them, and the first row of the "
    "decision table that fits the answers decides.",
    "linkage": "Each record looks for its call, from the strictest rung of the ladder to the "
    "loosest. A record belongs to one call at most, with the probability that it does.",
    "outcomes": "The crimes that the log reports are matched with the records linked to it. "
    "Each reported crime ends in one outcome under each ruleset.",
    "main": "The published tables gather all this for readers. "
    "The crime counts in the rates of its group, district and month.",
}
TITLES = {"main": "marts"}


@dataclass
class Sheet:
    """The rows of the log in one model, as they are shown."""

    name: str
    description: str
    header: list[str]
    rows: list[list[str]]
    more: int = 0


@dataclass
class Room:
    """A room that the log passes, with its models."""

    title: str
    text: str
    sheets: list[Sheet] = field(default_factory=list)


def make_walkthrough(say: Callable[[str], None]) -> Path:
    """Simulate the walk-through's own force in a state folder of its own, and write the page.

    Args:
        say: Is told each step as it begins.
    """
    home = paths.home() / "walkthrough"
    # What an earlier state of the code landed and learnt would stand beside what this one does.
    for made in ("landing", "weights"):
        shutil.rmtree(home / made, ignore_errors=True)
    with paths.environment(CDI_HOME=str(home)), VARIANT.selected():
        run_simulated(say)
        write_text(PAGE, render_walkthrough())
    return PAGE


def render_walkthrough() -> str:
    """Write the page's text, from the version that is published in the state folder."""
    agency = load_agency(paths.SIMULATED)
    file = paths.current(agency.agency) / "recording.duckdb"
    version = plan_version(agency)
    with (
        build_part(version, *LAST_MODELS, variables=PART) as part,
        connect(part, read_only=True) as private,
        connect(file, read_only=True) as published,
    ):
        log = _follow_log(published, private)
        text = render(
            "walkthrough.md.j2",
            log=log | {"explanation": _explain_in_words(agency, log["call_id"], file)},
            variant=VARIANT,
        )
    # The names of weights are hashes of all that they were learnt from, to the last bit, so they
    # would be others on another machine.
    for kind, learnt in version.weights.items():
        text = text.replace(learnt.version, f"{kind}-version")
    return text


def _follow_log(published: Connection, private: Connection) -> Row:
    """The log with its rows in all models, room by room, and what is true of it."""
    call_id = str(
        scalar(
            published,
            "select crime.call_id from main.fct_reported_crimes as crime "
            "inner join main.fct_calls as call on crime.call_id = call.call_id "
            f"where {FOLLOWED} order by all limit 1",
        )
    )
    ids = {"call_id": [call_id]}
    for key in KEYS[1:]:
        query = f"select {key} from main.fct_reported_crimes where call_id = ? order by all"
        ids[key] = [row[0] for row in published.execute(query, [call_id]).fetchall() if row[0]]
    sheets = _SheetReader(ids, _read_numbers(published, ids))
    rooms = {name: Room(TITLES.get(name, name), text) for name, text in ROOMS.items()}
    rooms["landing"].sheets = sheets.read_landing(private)
    for con, names in ((private, tuple(ROOMS)[1:-1]), (published, ("main",))):
        for schema, name in _list_models(con, names):
            rooms[schema].sheets += sheets.read_model(con, schema, name)
    rooms["linkage"].sheets += sheets.read_weights(published)
    rooms["main"].sheets += sheets.read_rate(published)
    return {
        "call_id": call_id,
        "rooms": list(rooms.values()),
        "truth": _read_truth(published, call_id),
    }


def _read_numbers(con: Connection, ids: dict[str, list[str]]) -> dict[str, list[int]]:
    """The numbers that stand for the log's ids in the rooms."""
    queries = {
        "call_id": "select call_no from main.fct_calls where list_contains($ids, call_id)",
        "crime_record_id": "select crime_record_id from staging.stg_crime_records "
        "where list_contains($ids, published_record_id)",
        "reported_crime_id": "select reported.reported_crime_id "
        "from outcomes.int_outcomes__reported_crimes as reported "
        "inner join main.fct_calls as calls on reported.call_id = calls.call_no "
        "where list_contains($ids, calls.call_id || '#' || reported.place_in_call)",
    }
    return {
        key: [int(number) for (number,) in con.execute(query, {"ids": ids[key]}).fetchall()]
        for key, query in queries.items()
    }


def _explain_in_words(agency: Agency, call_id: str, file: Path) -> str:
    """What `make explain` prints, without the version's name, which changes with the code."""
    printed = io.StringIO()
    explain_call(agency, call_id, Console(file=printed, width=100))
    text = printed.getvalue().replace(f"version {file.resolve().parent.name}, ", "")
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _read_truth(con: Connection, call_id: str) -> list[Row]:
    """What is true of the log's crimes; the pipeline never reads it."""
    return fetch_dicts(
        con,
        "select offence, outcome_as_of, crime_id from read_parquet($file) "
        "where call_id = $call order by ordinal",
        {"file": str(paths.truth() / "crimes.parquet"), "call": call_id},
    )


def _list_models(con: Connection, rooms: Sequence[str]) -> list[tuple[str, str]]:
    """The models that name a call, a record or a reported crime, in the order of the flow."""
    tables = con.execute(
        "select distinct schema_name, table_name from duckdb_columns() "
        "where list_contains($keys, column_name) and list_contains($rooms, schema_name)",
        {"keys": list(KEYS), "rooms": list(rooms)},
    ).fetchall()
    depth = _depth_of_models()
    # The tables of an audit are no models: a log does not pass through them. The views for BI tools
    # repeat what the marts say.
    models = [table for table in tables if table[1] in depth and not table[1].startswith("bi_")]
    return sorted(models, key=lambda model: (rooms.index(model[0]), depth[model[1]], model[1]))


def _depth_of_models() -> dict[str, int]:
    """How many models stand before each, on the longest way from the sources."""
    needs = {
        file.stem: set(re.findall(r"ref\(['\"](\w+)['\"]\)", file.read_text(encoding="utf-8")))
        for file in paths.DBT_PROJECT.glob("models/*/*")
        if file.suffix in (".sql", ".py")
    }
    depth: dict[str, int] = {}

    def depth_of(model: str) -> int:
        if model not in depth:
            before = [depth_of(name) for name in needs[model] if name in needs]
            depth[model] = 1 + max(before, default=0)
        return depth[model]

    return {model: depth_of(model) for model in needs}


def _describe_model(con: Connection, schema: str, name: str) -> str:
    """First and last sentence of a model's description: what it is for, and its grain."""
    text = scalar(
        con,
        "select comment from (select schema_name, table_name, comment from duckdb_tables() "
        "union all select schema_name, view_name, comment from duckdb_views()) "
        "where schema_name = ? and table_name = ?",
        [schema, name],
    )
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z])", str(text).strip())
    return " ".join(dict.fromkeys([sentences[0], sentences[-1]]))


class _SheetReader:
    """Reads the rows of one log, table by table, and remembers which values were shown."""

    def __init__(self, ids: dict[str, list[str]], numbers: dict[str, list[int]]) -> None:
        self.ids = ids
        self.numbers = numbers
        self.shown = {("call_id", str(call_id)) for call_id in ids["call_id"]}
        self.hash_numbers: dict[str, int] = {}

    def read_landing(self, con: Connection) -> list[Sheet]:
        """The accepted rows of the call, its entries and its records."""
        sheets = []
        for dataset, thing, key in (
            ("calls", "call", "call_id"),
            ("log_actions", "call", "call_id"),
            ("crime_records", "record", "crime_record_id"),
        ):
            query = (
                f"from landing.{dataset} where list_contains"
                f"($ids, coalesce({thing}_key, upper({thing}_reference))) order by row_id"
            )
            description = f"Accepted rows of `{dataset}`. One row per accepted row."
            rows = fetch_dicts(con, query, {"ids": self.ids[key]})
            sheets += self._shape_sheet(f"landing.{dataset}", description, rows)
        return sheets

    def read_model(self, con: Connection, schema: str, name: str) -> list[Sheet]:
        """The log's rows in one model, if it has any."""
        described = con.execute(f"describe {schema}.{ident(name)}").fetchall()
        types = {column: kind for column, kind, *_ in described}
        keys = [key for key in KEYS[:2] if key in types] or list(KEYS[2:])
        condition = " or ".join(f"list_contains(${key}, {key})" for key in keys)
        rows = fetch_dicts(
            con,
            f"select * from {schema}.{ident(name)} where {condition} order by all",
            {key: (self.ids if types[key] == "VARCHAR" else self.numbers)[key] for key in keys},
        )
        return self._shape_sheet(f"{schema}.{name}", _describe_model(con, schema, name), rows)

    def read_weights(self, con: Connection) -> list[Sheet]:
        """What each level of the agreement between the log and its record weighs."""
        values = {"records": self.numbers["crime_record_id"], "comparisons": list(COMPARISONS)}
        rows = fetch_dicts(con, read_query(SQL / "walkthrough_weights.sql"), values)
        name = "int_linkage__weights"
        return self._shape_sheet(f"linkage.{name}", _describe_model(con, "linkage", name), rows)

    def read_rate(self, con: Connection) -> list[Sheet]:
        """The cells of the rate, standard ruleset, that the log's first crime counts in."""
        values = {"crime": self.ids["reported_crime_id"][0]}
        rows = fetch_dicts(con, read_query(SQL / "walkthrough_rate.sql"), values)
        description = _describe_model(con, "main", "recording_rate")
        return self._shape_sheet("main.recording_rate", description, rows)

    def _shape_sheet(self, name: str, description: str, rows: list[Row]) -> list[Sheet]:
        """Choose what of the rows is shown: short rows as they are, long ones as columns."""
        if not rows:
            return []
        texts = [
            {column: self._format_value(value) for column, value in row.items()} for row in rows
        ]
        is_shown_again = name.partition(".")[0] not in PASSES_ON
        columns = [c for c in texts[0] if not self._is_known(c, texts, is_shown_again)]
        if len(columns) > MANY_COLUMNS:
            columns = [c for c in columns if any(row[c] not in ("", "no") for row in texts)]
        columns = [c for c in columns if any(row[c] for row in texts)]
        self.shown |= {(column, row[column]) for row in texts for column in columns}
        # Hashes differ from one state folder to the next, so rows are ordered by everything else.
        texts.sort(key=lambda row: [row[c] for c in columns if "hash" not in row[c]])
        first_rows = texts[:MAX_ROWS]
        if len(columns) > max(8, len(first_rows)):
            header = ["column", *([""] * len(first_rows))]
            cells = [[f"`{column}`", *(row[column] for row in first_rows)] for column in columns]
        else:
            header = [f"`{column}`" for column in columns]
            cells = [[row[column] for column in columns] for row in first_rows]
        return [Sheet(name, description, header, cells, len(texts) - len(first_rows))]

    def _is_known(self, column: str, rows: Iterable[Row], is_shown_again: bool) -> bool:
        """Whether every value of the column is blank or was shown before."""
        if is_shown_again and column != "call_id":
            return False
        return all(not row[column] or (column, row[column]) in self.shown for row in rows)

    def _format_value(self, value: Any) -> str:
        """A value as it stands in a Markdown table."""
        if value is None or value == []:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M:%S}"
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, float):
            return f"{value:.3f}".rstrip("0").rstrip(".")
        if isinstance(value, list) and all(isinstance(each, int) for each in value):
            return f"{len(value)} hashes"  # the variants of a name or a street
        text = str(value)
        if re.fullmatch(r"[0-9a-f]{64}|\d{17,}", text):
            number = self.hash_numbers.setdefault(text, len(self.hash_numbers) + 1)
            return f"hash {number}"
        return re.sub(r"([|*<>`\\])", r"\\\1", " ".join(text.split()))
