"""The generated page docs/walkthrough.md: three simulated logs followed through every model.

All rows are read from the tables of a published version; those of the landing and of staging, which
it does not keep, from the same models run again on the same landing. A model is on the page if its
table names a call, a record or a reported crime. Models stand in the order in which dbt builds
them, so a new one finds its place by itself. What the wide tables only pass on is left out there.
Keyed hashes differ from one state folder to the next, so they are shown as numbers: equal numbers
are equal hashes.
"""

import io
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.render import render
from cdi.report.explain import explain_call
from cdi.sql import connect, fetch_dicts, ident, scalar
from cdi.variant import Variant

VARIANT = Variant(paths.DEFAULT_SCENARIO, 2, 3)
PAGE = paths.REPO / "docs" / "walkthrough.md"
MAX_ROWS = 8
MANY_COLUMNS = 25  # of a row: then what is false is left out too
# what a table can name; the last is looked for only where the others are absent
KEYS = ("call_id", "crime_record_id", "reported_crime_id")
# what a pattern's levels are of, in their order (macro link_comparisons)
COMPARISONS = ("time", "distance", "address", "offence", "name", "birth_date", "reference", "taken")
# rooms whose wide tables repeat much of what came before
PASSES_ON = ("landing", "staging", "main")

Row = dict[str, Any]
Connection = duckdb.DuckDBPyConnection
STAGING = ("stg_calls", "stg_log_actions", "stg_crime_records")


@dataclass(frozen=True)
class Story:
    """A kind of log worth following, and how to find the first of its kind.

    Attributes:
        title: Heading.
        why: What is to be seen.
        condition: SQL over `crime` (fct_reported_crimes) and `call` (fct_calls).
        record: SQL over the crime's landed record.
    """

    title: str
    why: str
    condition: str
    record: str = ""


STORIES = (
    Story(
        "A crime that was recorded",
        "The record names its log in a form of its own, and the key rules read it all the same. "
        "Evidence in the log and the record agree, so the crime counts as recorded.",
        "crime.outcome = 'recorded' and crime.link_rung = 'canonical_key' "
        "and call.reported_crime_count = 1",
        "call_reference <> call_key",
    ),
    Story(
        "A crime that nobody recorded",
        "The log was opened and closed as something else, and no record is linked. "
        "Only its words tell of a crime, so it is on the registrar's list as suspected.",
        "crime.outcome = 'unrecorded' and crime.status = 'suspected' and not crime.is_in_frame "
        "and call.reported_crime_count = 1",
    ),
    Story(
        "A record without a usable reference",
        "No reference leads from the record to the log. "
        "Place, time, offence and person speak for it, each with its weight.",
        "crime.outcome = 'recorded' and crime.link_rung = 'scored' "
        "and crime.link_probability between 0.9 and 0.99 "
        "and call.reported_crime_count = 1",
    ),
)  # fmt: skip

ROOMS = {
    "landing": "A row is accepted as the source told it, with typed values and canonical keys. "
    "Personal data became keyed hashes on the way in, and nothing here is ever changed again.",
    "staging": "Of all accepted batches the newest row per key stays. "
    "Names and types are the same for every agency from here on.",
    "disclosure": "Each kind of evidence is gathered by itself, then the crimes that the log tells "
    "of are listed. Facts are asked of each, and the first row of the decision table that fits "
    "decides.",
    "linkage": "Each record looks for its call, from the strictest rung of the ladder to the "
    "loosest. A record belongs to one call at most, with the probability that it does.",
    "outcomes": "What the call tells is put against the records linked to it. "
    "Each reported crime ends in one outcome under each ruleset.",
    "main": "The published tables gather it for readers. "
    "The crime counts in the rates of its group, district and month.",
}
TITLES = {"main": "marts"}


@dataclass
class Sheet:
    """The rows of one log in one model."""

    name: str
    description: str
    header: list[str]
    rows: list[list[str]]
    more: int = 0


@dataclass
class Step:
    """One room of the house."""

    title: str
    text: str
    sheets: list[Sheet] = field(default_factory=list)


def make_walkthrough(say: Callable[[str], None]) -> Path:
    """Simulate the walk-through's own force in a state folder of its own, and write the page.

    Args:
        say: Is told each step as it begins.
    """
    from cdi_proofs.published import run_simulated

    os.environ["CDI_HOME"] = str(paths.home() / "walkthrough")
    with VARIANT.selected():
        run_simulated(say)
        PAGE.write_text(render_walkthrough(), encoding="utf-8")
    return PAGE


def render_walkthrough() -> str:
    """The page, from the version that is published in the state folder."""
    agency = load_agency(paths.SIMULATED)
    file = paths.published(agency.agency) / "current" / "recording.duckdb"
    version = plan_version(agency)
    with (
        build_part(version, *STAGING) as part,
        connect(part, read_only=True) as landed,
        connect(file, read_only=True) as published,
    ):
        logs = [_follow(published, landed, story) for story in STORIES]
        told = [_in_words(agency, log["call_id"], file) for log in logs]
        text = render(
            "walkthrough.md.j2",
            logs=[log | {"told": words} for log, words in zip(logs, told, strict=True)],
            variant=VARIANT,
        )
    # hashes of all that was learnt from, to the last bit: another place, another name
    for kind, learnt in version.weights.items():
        text = text.replace(learnt.version, f"{kind}-version")
    return text


def _follow(published: Connection, landed: Connection, story: Story) -> Row:
    """One log through all models."""
    call_id = _first_of_its_kind(published, landed, story)
    ids = {"call_id": [call_id]}
    for key in KEYS[1:]:
        query = f"select {key} from main.fct_reported_crimes where call_id = ? order by all"
        ids[key] = [row[0] for row in published.execute(query, [call_id]).fetchall() if row[0]]
    tables = _Tables(ids)
    steps = {room: Step(TITLES.get(room, room), text) for room, text in ROOMS.items()}
    steps["landing"].sheets = tables.landed(landed)
    for con, rooms in ((landed, ("staging",)), (published, tuple(ROOMS)[2:])):
        for schema, name in _models(con, rooms):
            steps[schema].sheets += tables.sheets(con, schema, name)
    steps["linkage"].sheets += tables.weights(published)
    steps["main"].sheets += tables.rate(published)
    return {
        "title": story.title,
        "why": story.why,
        "call_id": call_id,
        "steps": list(steps.values()),
        "truth": _truth(published, call_id),
    }


def _first_of_its_kind(published: Connection, landed: Connection, story: Story) -> str:
    found = published.execute(
        "select crime.call_id, crime.crime_record_id from main.fct_reported_crimes as crime "
        "inner join main.fct_calls as call on crime.call_id = call.call_id "
        f"where {story.condition} order by all"
    ).fetchall()
    if not story.record:
        return str(found[0][0])
    records = landed.execute(f"select record_key from landing.crime_records where {story.record}")
    fitting = {record for (record,) in records.fetchall()}
    return next(str(call) for call, record in found if record in fitting)


def _in_words(agency: Agency, call_id: str, file: Path) -> str:
    """What `make explain` prints; the version's name changes with each line of code, so it goes."""
    printed = io.StringIO()
    explain_call(agency, call_id, Console(file=printed, width=100))
    text = printed.getvalue().replace(f"version {file.resolve().parent.name}, ", "")
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _truth(con: Connection, call_id: str) -> list[Row]:
    """What is true of the log's crimes; the pipeline never reads it."""
    return fetch_dicts(
        con,
        "select offence, outcome_as_of, crime_id from read_parquet($file) "
        "where call_id = $call order by ordinal",
        {"file": str(paths.truth() / "crimes.parquet"), "call": call_id},
    )


# ---------------------------------------------------------------------- models


def _models(con: Connection, rooms: Sequence[str]) -> list[tuple[str, str]]:
    """The models that name a call, a record or a reported crime, in the order of the flow."""
    found = con.execute(
        "select distinct schema_name, table_name from duckdb_columns() "
        "where list_contains($keys, column_name) and list_contains($rooms, schema_name)",
        {"keys": list(KEYS), "rooms": list(rooms)},
    ).fetchall()
    depth = _depths()  # the tables of an audit are no models: no log's way goes through them
    models = [model for model in found if model[1] in depth]
    return sorted(models, key=lambda model: (rooms.index(model[0]), depth[model[1]], model[1]))


def _depths() -> dict[str, int]:
    """How many models stand before each, by the longest way."""
    needs = {
        file.stem: set(re.findall(r"ref\(['\"](\w+)['\"]\)", file.read_text(encoding="utf-8")))
        for file in paths.DBT_PROJECT.glob("models/*/*")
        if file.suffix in (".sql", ".py")
    }
    depth: dict[str, int] = {}

    def of(model: str) -> int:
        if model not in depth:
            before = [of(name) for name in needs[model] if name in needs]
            depth[model] = 1 + max(before, default=0)
        return depth[model]

    return {model: of(model) for model in needs}


def _description(con: Connection, schema: str, name: str) -> str:
    """First and last sentence of the model's description: what it is for, and its grain."""
    text = scalar(
        con,
        "select comment from (select schema_name, table_name, comment from duckdb_tables() "
        "union all select schema_name, view_name, comment from duckdb_views()) "
        "where schema_name = ? and table_name = ?",
        [schema, name],
    )
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z])", str(text).strip())
    return " ".join(dict.fromkeys([sentences[0], sentences[-1]]))


class _Tables:
    """Rows of one log, table by table; remembers which values were shown."""

    def __init__(self, ids: dict[str, list[Any]]) -> None:
        self.ids = ids
        self.seen = {("call_id", str(call_id)) for call_id in ids["call_id"]}
        self.hashes: dict[str, int] = {}
        self.next_hash = count(1)

    def landed(self, con: Connection) -> list[Sheet]:
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
            told = f"Accepted rows of `{dataset}`. One row per accepted row."
            rows = fetch_dicts(con, query, {"ids": self.ids[key]})
            sheets += self._sheets(f"landing.{dataset}", told, rows)
        return sheets

    def sheets(self, con: Connection, schema: str, name: str) -> list[Sheet]:
        """The log's rows in one model, if it has any."""
        columns = [row[0] for row in con.execute(f"describe {schema}.{ident(name)}").fetchall()]
        keys = [key for key in KEYS[:2] if key in columns] or list(KEYS[2:])
        condition = " or ".join(f"list_contains(${key}, {key})" for key in keys)
        rows = fetch_dicts(
            con,
            f"select * from {schema}.{ident(name)} where {condition} order by all",
            {key: self.ids[key] for key in keys},
        )
        return self._sheets(f"{schema}.{name}", _description(con, schema, name), rows)

    def weights(self, con: Connection) -> list[Sheet]:
        """What each level of the agreement between the log and its record weighs."""
        bound = {"record": self.ids["crime_record_id"], "comparisons": list(COMPARISONS)}
        rows = fetch_dicts(con, WEIGHTS, bound)
        name = "int_linkage__weights"
        return self._sheets(f"linkage.{name}", _description(con, "linkage", name), rows)

    def rate(self, con: Connection) -> list[Sheet]:
        """The cells of the rate, standard ruleset, that the log's first crime counts in."""
        rows = fetch_dicts(con, RATE, {"crime": self.ids["reported_crime_id"][0]})
        told = _description(con, "main", "recording_rate")
        return self._sheets("main.recording_rate", told, rows)

    # ------------------------------------------------------------------ cells

    def _sheets(self, name: str, description: str, rows: list[Row]) -> list[Sheet]:
        """What of the rows is to be shown: short rows as they are, long ones on their side."""
        if not rows:
            return []
        text = [{column: self._text(value) for column, value in row.items()} for row in rows]
        always = name.partition(".")[0] not in PASSES_ON
        columns = [c for c in text[0] if not self._is_known(c, text, always)]
        if len(columns) > MANY_COLUMNS:
            columns = [c for c in columns if any(row[c] not in ("", "no") for row in text)]
        columns = [c for c in columns if any(row[c] for row in text)]
        self.seen |= {(column, row[column]) for row in text for column in columns}
        text.sort(key=lambda row: [row[c] for c in columns if "hash" not in row[c]])
        more = max(0, len(text) - MAX_ROWS)
        shown = text[:MAX_ROWS]
        if len(columns) > max(8, len(shown)):
            header = ["column", *([""] * len(shown))]
            cells = [[f"`{column}`", *(row[column] for row in shown)] for column in columns]
        else:
            header = [f"`{column}`" for column in columns]
            cells = [[row[column] for column in columns] for row in shown]
        return [Sheet(name, description, header, cells, more)]

    def _is_known(self, column: str, rows: Iterable[Row], is_shown_again: bool) -> bool:
        """Whether no row says anything new in the column."""
        if is_shown_again and column != "call_id":
            return False
        return all(not row[column] or (column, row[column]) in self.seen for row in rows)

    def _text(self, value: Any) -> str:
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
        text = str(value)
        if re.fullmatch(r"[0-9a-f]{64}|\d{17,}", text):
            if text not in self.hashes:
                self.hashes[text] = next(self.next_hash)
            return f"hash {self.hashes[text]}"
        return re.sub(r"([|*<>`\\])", r"\\\1", " ".join(text.split()))


WEIGHTS = """
    with levels as (
        select distinct
            unnest($comparisons) as comparison,
            unnest(string_split(pattern, '/')) as level
        from linkage.int_linkage__scored
        where list_contains($record, crime_record_id)
    )

    select weights.comparison, weights.level, weights.weight
    from linkage.int_linkage__weights as weights
    semi join levels using (comparison, level)
    order by list_position($comparisons, weights.comparison)
"""

RATE = """
    select rates.*
    from main.recording_rate as rates
    inner join main.fct_reported_crimes as crimes on crimes.reported_crime_id = $crime
    where
        rates.ruleset = 'standard'
        and rates.universe = case when crimes.is_in_frame then 'frame' else 'all' end
        and rates.offence_group in ('all', crimes.offence_group)
        and rates.district in ('all', crimes.district)
        and rates.reported_month in ('all', cast(crimes.reported_month_on as varchar))
        and rates.disposition_code in ('all', crimes.disposition_code)
        and rates.route in ('all', crimes.route)
    order by rates.breakdown
"""
