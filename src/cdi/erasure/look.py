"""Find what must be erased: all forms of a reference, its own texts, and the files that hold them."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE, DATASETS, DECISIONS, MOMENTS, READINGS
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency
from cdi.erasure.traces import Wanted, find_traces
from cdi.landing.batches import Batch, accepted_batches, read_batch
from cdi.landing.tombstones import columns_that_take_row, things_of_reference
from cdi.sql import Params, connect, ident, literal

# parts of a text by which it is looked for: of plain characters, so that no file type writes them
# in another way, and long enough to be nobody else's
_PLAIN = re.compile(r"[A-Za-z0-9 ]{30,}")


# ---------------------------------------------------------------------- the two commands


def look_for_reference(agency: Agency, reference: str) -> dict[Path, str]:
    """What `erase` would touch: the files that hold the reference or its text, and where in them.

    Args:
        agency: Whose reference.
        reference: Of a call or a crime record, as people type it.
    """
    return dict(
        find_traces(agency.agency, wanted_of(agency, things_of_reference(agency, reference)))
    )


# ---------------------------------------------------------------------- what to look for


def wanted_of(agency: Agency, things: dict[str, set[str]]) -> Wanted:
    """All forms of a reference, as people typed them, and the parts of its own texts."""
    names = {name for some in things.values() for name in some}
    for thing, known in things.items():
        for typed, key in _typed_references(agency, thing):
            if key in known or typed.upper() in known:
                names.add(typed)
    return Wanted(frozenset(names), frozenset(_own_texts(agency, things)))


def batches_on_disk(agency: Agency, dataset: str) -> list[Batch]:
    """Every batch of a dataset that is on disk, whatever became of it."""
    files = paths.landing(agency.agency, dataset).glob("*/[!.]*/manifest.json")
    return [read_batch(file.parent) for file in sorted(files)]


def _typed_references(agency: Agency, thing: str) -> Iterator[tuple[str, str]]:
    """Every reference to such a thing, as it was typed and in its canonical form."""
    for dataset in agency.sources:
        columns = [c for c in DATASETS[dataset] if c.kind == "reference" and c.thing == thing]
        for batch in batches_on_disk(agency, dataset):
            for column in columns:
                if column.name in batch.manifest["columns"]:
                    with connect() as con:
                        yield from con.execute(
                            f"select distinct {ident(column.name)}, {ident(column.key_name)} "
                            f"from read_parquet(?) where {ident(column.name)} is not null",
                            [str(batch.rows)],
                        ).fetchall()
    for file in files_of_people(agency):
        typed = {
            row[column.name]
            for row in read_csv_rows(file)
            for column in DATASETS[DECISIONS] + DATASETS[READINGS]
            if column.kind == "reference" and column.thing == thing and row.get(column.name)
        }
        with connect() as con:
            bound = Params()
            key = key_expression(agency, thing, "t", bound)
            query = f"select t, {key} from (select unnest($typed::varchar[]) as t)"
            yield from con.execute(query, bound.values | {"typed": sorted(typed)}).fetchall()


def _own_texts(agency: Agency, things: dict[str, set[str]]) -> Iterator[str]:
    """Long parts of the texts of what is erased that no other row has."""
    found: set[str] = set()
    others: list[str] = []
    for dataset in agency.sources:
        texts = [n for c in DATASETS[dataset] if c.kind == "free_text" for n in c.outputs]
        about = [c for c in columns_that_take_row(dataset) if c.thing in things]
        if not texts or not about:
            continue
        is_about = " or ".join(
            f"list_contains($names, coalesce({ident(c.key_name)}, upper({ident(c.name)})))"
            for c in about
        )
        for batch in batches_on_disk(agency, dataset):
            with connect() as con:
                for text in texts:
                    named = {"names": sorted(set().union(*things.values()))}
                    rows = con.execute(
                        f"select {text} from read_parquet({literal(str(batch.rows))}) "
                        f"where ({is_about}) and {text} is not null", named,
                    ).fetchall()  # fmt: skip
                    found |= {part.strip() for (row,) in rows for part in _PLAIN.findall(row)}
                    others.append(
                        f"select {text} as t from read_parquet({literal(str(batch.rows))}) "
                        f"where not coalesce({is_about}, false)"
                    )
    if not found:
        return
    with connect() as con:
        query = (
            f"select part from (select unnest($parts::varchar[]) as part) anti join "
            f"({' union all '.join(others)}) as other on contains(lower(other.t), lower(part))"
        )
        given = {"parts": sorted(found), "names": sorted(set().union(*things.values()))}
        yield from (str(part) for (part,) in con.execute(query, given).fetchall())


def expired_calls(agency: Agency, until: datetime) -> set[str]:
    """Calls of which every row is older than the limit of their dataset."""
    days = agency.sources["calls"].retention_days
    files = [str(batch.rows) for batch in accepted_batches(agency.agency, "calls")]
    if days is None or not files:
        return set()
    moment = f"coalesce({', '.join(MOMENTS['calls'])}, source_as_of)"
    with connect() as con:
        rows = con.execute(
            "select coalesce(call_key, upper(call_reference)) as call_id "
            "from read_parquet($files, union_by_name = true) "
            f"group by all having max({moment}) < $limit",
            {"files": files, "limit": until - timedelta(days=days)},
        ).fetchall()
    return {str(call_id) for (call_id,) in rows}


def files_of_people(agency: Agency) -> list[Path]:
    return [f for name in BY_PEOPLE for f in sorted(Path(agency.root_of(name)).glob("*.csv"))]


def read_csv_rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as handle:
        return list(csv.DictReader(handle))
