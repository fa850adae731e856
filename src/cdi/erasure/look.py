"""Find what must be erased: each form of a reference, its own texts, and the files with them."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE, DATASETS, MOMENTS, THINGS, Column
from cdi.agency.key_rules import capitals, find_keys
from cdi.agency.model import Agency
from cdi.erasure.places import reference_columns
from cdi.erasure.traces import Wanted, find_traces, read_csv_rows
from cdi.errors import CdiError
from cdi.keys import decrypt_text
from cdi.landing.batches import Batch, accepted_batches, read_batch
from cdi.landing.forget import verify_untouched
from cdi.landing.originals import find_references
from cdi.landing.tombstones import (
    columns_that_take_row,
    hash_references,
    read_hashes,
    things_of_reference,
)
from cdi.scratch import open_scratch_database
from cdi.sql import connect, ident, literal

# A text is looked for by parts of it. They have only characters that every kind of file writes in
# the same way (JSON and HTML would escape others), and are so long that no other text has them.
_PLAIN = re.compile(r"[A-Za-z0-9 ]{30,}")


def look_for_reference(agency: Agency, reference: str) -> dict[Path, str]:
    """Find the files that hold a reference or its text, and the place in each: `erase` cleans them.

    Args:
        agency: The agency that uses the reference.
        reference: Of a call or a crime record, as people type it.

    Raises:
        CdiError: ERASE-UNKNOWN, see `check_known`.
        StateError: LANDING-DAMAGED, see `verify_landing`.
    """
    things = things_of_reference(agency, reference)
    wanted = wanted_of(agency, things)
    check_known(agency, reference, things, wanted)
    return dict(find_traces(agency.agency, wanted))


def wanted_of(agency: Agency, things: dict[str, set[str]]) -> Wanted:
    """Collect each form of a reference, as people typed it, and the parts of its own texts.

    Args:
        agency: The agency that uses the reference.
        things: What it stands for; see `cdi.landing.tombstones.things_of_reference`.

    Raises:
        StateError: LANDING-DAMAGED, see `verify_landing`.
    """
    verify_landing(agency)
    names = set().union(*things.values())
    longer = set()
    for thing in THINGS:
        forms = things.get(thing, set())
        for typed, key in _find_typed_references(agency, thing):
            if key in forms or capitals(typed) in forms:
                names.add(typed)
            else:
                longer |= {capitals(typed), key or capitals(typed)}
    in_capitals = {capitals(name) for name in names}
    return Wanted(
        names=frozenset(names),
        texts=frozenset(_find_own_texts(agency, things)),
        others=frozenset(
            other for other in longer - in_capitals if any(name in other for name in in_capitals)
        ),
        columns=reference_columns(things),
        agency=agency.agency,
    )


def check_known(
    agency: Agency, reference: str, things: dict[str, set[str]], wanted: Wanted
) -> None:
    """Check that the agency has a reference, or had it until it was erased.

    A text or a log that mentions it does not count: any number stands in some text or log, and a
    mistyped one would be erased for good from what belongs to others.

    Args:
        agency: The agency.
        reference: As people type it.
        things: What it may refer to.
        wanted: Its forms, from `wanted_of`.

    Raises:
        CdiError: ERASE-UNKNOWN if no row, decision or finding has it in a field for references.
    """
    if hash_references(agency.agency, things) & set(read_hashes(agency.agency)):
        return
    for thing, forms in things.items():
        for typed, key in _find_typed_references(agency, thing):
            if key in forms or capitals(typed) in forms:
                return
    if not _is_in_refused_rows(agency, things):
        raise CdiError(
            "ERASE-UNKNOWN",
            f"{agency.agency} has no call or record '{reference}': no row of a batch on disk "
            f"(accepted, waiting or refused), no refused row, no decision and no finding refers to "
            f"it (looked for as {', '.join(sorted(wanted.names))}); texts and logs do not count",
            "check the reference: nothing was erased, and erasing a wrong one could not be undone",
        )


def _is_in_refused_rows(agency: Agency, things: dict[str, set[str]]) -> bool:
    """Whether a field of a refused row is such a reference."""
    for dataset in agency.sources:
        for batch in batches_on_disk(agency, dataset):
            with connect() as con:
                rows = con.execute(
                    "select original_encrypted, original_masked from read_parquet(?)",
                    [str(batch.quarantine)],
                ).fetchall()
                originals = [
                    decrypt_text(agency.agency, token) if token else masked or ""
                    for token, masked in rows
                ]
                references = find_references(con, agency, dataset, originals)
                fields = {field for row in references for field in row}
                for thing, forms in things.items():
                    typed = sorted({text.strip() for kind, text in fields if kind == thing})
                    if any(
                        key in forms or capitals(text) in forms
                        for text, key in find_keys(agency, thing, typed)
                    ):
                        return True
    return False


def verify_landing(agency: Agency) -> None:
    """Compare each batch on disk with its seal: of one that is cut, nobody knows what it held.

    Args:
        agency: The agency.

    Raises:
        StateError: LANDING-DAMAGED if one is not as it was accepted.
    """
    for dataset in agency.sources:
        for batch in batches_on_disk(agency, dataset):
            verify_untouched(agency, batch)


def batches_on_disk(agency: Agency, dataset: str) -> list[Batch]:
    """Read every batch of a dataset that is on disk, whatever became of it."""
    files = paths.landing(agency.agency, dataset).glob("*/[!.]*/manifest.json")
    return [read_batch(file.parent) for file in sorted(files)]


def _find_typed_references(agency: Agency, thing: str) -> Iterator[tuple[str, str | None]]:
    """Find each reference to calls or to records: as it was typed, and its canonical form.

    People type one reference in several ways, and each of them may stand somewhere in a text.
    """
    for dataset in agency.sources:
        columns = _references_to(thing, dataset)
        for batch in batches_on_disk(agency, dataset):
            for column in columns:
                if column.name in batch.manifest["columns"]:
                    with connect() as con:
                        yield from con.execute(
                            f"select distinct {ident(column.name)}, {ident(column.key_name)} "
                            f"from read_parquet(?) where {ident(column.name)} is not null",
                            [str(batch.rows)],
                        ).fetchall()
    yield from find_typed_by_people(agency, thing)


def find_typed_by_people(agency: Agency, thing: str) -> list[tuple[str, str | None]]:
    """Find each reference in the files that people wrote: as typed, and its canonical form.

    Args:
        agency: The agency.
        thing: What the references refer to, `call` or `record`.
    """
    columns = {c.name for dataset in BY_PEOPLE for c in _references_to(thing, dataset)}
    typed: set[str] = set()
    for file in files_of_people(agency):
        header, *rows = read_csv_rows(file) or [[]]
        typed |= {
            cell.strip()
            for row in rows
            for name, cell in zip(header, row, strict=False)
            if name in columns
        }
    return find_keys(agency, thing, sorted(typed - {""}))


def _references_to(thing: str, dataset: str) -> list[Column]:
    return [
        column
        for column in DATASETS[dataset]
        if column.kind == "reference" and column.thing == thing
    ]


def _find_own_texts(agency: Agency, things: dict[str, set[str]]) -> Iterator[str]:
    """Find long parts of the texts of what is erased that stand in no row about anything else.

    What several logs have in common, e.g. the words of a form, would be found in all of them.
    """
    names = sorted(set().union(*things.values()))
    parts: set[str] = set()
    others: list[str] = []
    for dataset in agency.sources:
        texts = [
            name
            for column in DATASETS[dataset]
            if column.kind == "free_text"
            for name in column.outputs
        ]
        about = [column for column in columns_that_take_row(dataset) if column.thing in things]
        if not texts or not about:
            continue
        is_about = " or ".join(
            f"list_contains($names, "
            f"coalesce({ident(column.key_name)}, upper({ident(column.name)})))"
            for column in about
        )
        for batch in batches_on_disk(agency, dataset):
            with connect() as con:
                for text in texts:
                    rows = con.execute(
                        f"select {text} from read_parquet({literal(str(batch.rows))}) "
                        f"where ({is_about}) and {text} is not null",
                        {"names": names},
                    ).fetchall()
                    parts |= {part.strip() for (row,) in rows for part in _PLAIN.findall(row)}
                    others.append(
                        f"select {text} as t from read_parquet({literal(str(batch.rows))}) "
                        f"where not coalesce({is_about}, false)"
                    )
    if not parts:
        return
    with open_scratch_database() as con:
        query = (
            f"select part from (select unnest($parts::varchar[]) as part) anti join "
            f"({' union all '.join(others)}) as other on contains(lower(other.t), lower(part))"
        )
        rows = con.execute(query, {"parts": sorted(parts), "names": names}).fetchall()
    yield from (str(part) for (part,) in rows)


def expired_calls(agency: Agency, until: datetime) -> set[str]:
    """Find the calls of which every row is older than the limit of their dataset.

    Args:
        agency: The agency.
        until: In UTC without a zone: what the limit counts from.
    """
    days = agency.sources["calls"].retention_days
    files = [str(batch.rows) for batch in accepted_batches(agency.agency, "calls")]
    if days is None or not files:
        return set()
    moment = f"coalesce({', '.join(MOMENTS['calls'])}, source_as_of)"
    with open_scratch_database() as con:
        rows = con.execute(
            "select coalesce(call_key, upper(call_reference)) as call_id "
            "from read_parquet($files, union_by_name = true) "
            f"group by all having max({moment}) < $limit",
            {"files": files, "limit": until - timedelta(days=days)},
        ).fetchall()
    return {str(call_id) for (call_id,) in rows}


def files_of_people(agency: Agency) -> list[Path]:
    """List the CSV files in which people wrote decisions and findings of audits."""
    return [
        file
        for dataset in BY_PEOPLE
        for file in sorted(Path(agency.root_of(dataset)).glob("*.csv"))
    ]
