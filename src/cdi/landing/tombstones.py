"""What was erased stays out: keyed hashes of references that every extraction asks (design 5.11).

``landing/<agency>/erased.jsonl``  one line per erasure: when, why, and hashes of the canonical form
and of the reference as it was given; lines are only added, and no reference stands in them

A row *about* an erased reference is left out and counted. A row that only *names* it stays without
the name: a crime record loses the number of an erased call, and a text its mention.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.datasets import DATASETS, DECISIONS, Column
from cdi.agency.key_rules import key_expression
from cdi.agency.model import Agency
from cdi.keys import hmac_expression, set_hash_key
from cdi.sql import Params, ident, scalar

PURPOSE = "erase"
THINGS = ("call", "record")
ERASED = "[erased]"
# what is no part of a reference that no key rule reads
_WORD = r"[^\s,;|\"'<>()\[\]{}#:]+"


def read_tombstones(agency: str) -> list[dict[str, Any]]:
    """The erasures so far, oldest first: at, reason, hashes."""
    file = paths.tombstones(agency)
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def read_hashes(agency: str) -> list[str]:
    """All keyed hashes of an agency."""
    return sorted({name for line in read_tombstones(agency) for name in line["hashes"]})


def add_tombstone(agency: str, names: set[str], reason: str, at: datetime) -> bool:
    """Add a tombstone and wait until it is on disk.

    Args:
        agency: Whose reference.
        names: Keyed hashes, see `hash_references`; none if rows went for their age.
        reason: Kept as given.
        at: When.

    Returns:
        False if all hashes were there already.
    """
    file = paths.tombstones(agency)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # goes with its process, however it ends
        if names and names <= set(read_hashes(agency)):
            return False
        line = {"at": at.isoformat(), "reason": reason, "hashes": sorted(names)}
        handle.write(json.dumps(line, sort_keys=True) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    return True


def open_tombstones(con: duckdb.DuckDBPyConnection, agency: str, also: Iterable[str] = ()) -> None:
    """Give a connection the key and the hashes that the expressions of this module read.

    Args:
        con: Any connection.
        agency: Whose.
        also: Hashes that are in no tombstone: rows about these go too, others keep the name.
    """
    set_hash_key(con, agency, PURPOSE)
    for name, known in (("erased", read_hashes(agency)), ("expired", list(also))):
        con.execute(f"set variable {name} = ?::varchar[]", [known])


def has_tombstones(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether an open connection knows any tombstone."""
    return bool(scalar(con, "select len(getvariable('erased')) > 0"))


def _hash(thing: str, text: str) -> str:
    return hmac_expression(f"'{thing}:' || {text}", PURPOSE)


def _is_erased(thing: str, *texts: str, variable: str = "erased") -> str:
    """SQL: whether one of the texts is an erased reference to such a thing."""
    asked = (f"list_contains(getvariable('{variable}'), {_hash(thing, text)})" for text in texts)
    return "(" + " or ".join(f"coalesce({one}, false)" for one in asked) + ")"


def things_of_reference(agency: Agency, reference: str) -> dict[str, set[str]]:
    """What a reference, as people type it, stands for.

    It is a call's, a record's, or either where the key rules read it for both or none.

    Args:
        agency: With its key rules.
        reference: As typed.

    Returns:
        By thing: the canonical form and the reference itself, in capitals.
    """
    typed = reference.strip()
    with duckdb.connect() as con:
        read = {}
        for thing in THINGS:
            bound = Params()
            query = f"select {key_expression(agency, thing, '$typed::varchar', bound)}"
            found = scalar(con, query, bound.values | {"typed": typed})
            # without rules, all is canonical as it stands: that tells of no kind
            if found is not None and agency.key_rules.get(thing):
                read[thing] = {str(found), typed.upper()}
    return read or {thing: {typed.upper()} for thing in THINGS}


def hash_references(agency: str, things: Mapping[str, Iterable[str]]) -> set[str]:
    """The keyed hashes of references, see `things_of_reference`."""
    found: set[str] = set()
    with duckdb.connect() as con:
        set_hash_key(con, agency, PURPOSE)
        for thing, texts in things.items():
            query = f"select {_hash(thing, 't')} from (select unnest($texts::varchar[]) as t)"
            found |= {str(row[0]) for row in con.execute(query, {"texts": list(texts)}).fetchall()}
    return found


# ---------------------------------------------------------------------- rows


def columns_that_take_row(dataset: str) -> list[Column]:
    """References whose erasure takes the row along: what it is about, and all of a decision."""
    return [
        column
        for column in DATASETS[dataset]
        if column.kind == "reference" and (column.is_identity or dataset == DECISIONS)
    ]


def _of_column(column: Column, variable: str = "erased") -> str:
    typed = f"upper({ident(column.name)})"
    key = f"coalesce({ident(column.key_name)}, {typed})"
    return _is_erased(column.thing, key, typed, variable=variable)


def is_about_erased_expression(dataset: str) -> str:
    """SQL: whether a row with the landing's columns is about something erased or expired."""
    asked = (
        _of_column(c, name)
        for c in columns_that_take_row(dataset)
        for name in ("erased", "expired")
    )
    return f"({' or '.join(asked)})"


def forget_name_expressions(
    agency: Agency, dataset: str, columns: list[str], bound: Params
) -> dict[str, str]:
    """SQL by column of the landing that makes the others' rows forget the name.

    Args:
        agency: With its key rules.
        dataset: Of the rows.
        columns: That the rows have.
        bound: Takes the key rules.
    """
    about = columns_that_take_row(dataset)
    found: dict[str, str] = {}
    for column in DATASETS[dataset]:
        if column.kind == "reference" and column not in about:
            for name in column.outputs:
                found[name] = f"case when not {_of_column(column)} then {ident(name)} end"
        elif column.kind in ("free_text", "text"):
            for name in column.outputs:
                found[name] = _scrubbed(agency, ident(name), bound)
    return {name: sql for name, sql in found.items() if name in columns}


def _mentions(agency: Agency, text: str, bound: Params) -> str:
    """SQL: the erased references that a text holds, as they stand in it."""
    rules = [rule for thing in THINGS for rule in agency.key_rules.get(thing, ())]
    patterns = [rf"(?i)\b(?:{pattern})\b" for pattern in dict.fromkeys(r.pattern for r in rules)]
    found = " || ".join(
        f"regexp_extract_all({text}, {bound.bind(pattern)})" for pattern in [*patterns, _WORD]
    )
    asked = " or ".join(
        _is_erased(thing, key_expression(agency, thing, "w", bound), "upper(w)") for thing in THINGS
    )
    return f"list_filter(list_distinct({found}), lambda w: {asked})"


def _scrubbed(agency: Agency, text: str, bound: Params) -> str:
    said = _mentions(agency, text, bound)
    return (
        f"case when {text} is not null then list_reduce(list_prepend({text}, {said}), "
        f"lambda whole, w: replace(whole, w, '{ERASED}')) end"
    )


def texts_with_erased(
    con: duckdb.DuckDBPyConnection, agency: Agency, texts: list[str]
) -> list[bool]:
    """Which texts hold an erased reference; the connection is open (`open_tombstones`)."""
    bound = Params()
    query = (
        f"select len({_mentions(agency, 't', bound)}) > 0 "
        "from (select unnest($texts::varchar[]) as t, unnest(range(len($texts))) as n) order by n"
    )
    rows = con.execute(query, bound.used_in(query) | {"texts": texts}).fetchall()
    return [bool(row[0]) for row in rows]
