"""Tombstones: keyed hashes of erased references, which keep them out of the landing (design 5.11).

``landing/<agency>/erased.jsonl``
    a line for each erasure: when, why, and the keyed hashes of the reference, both as it was typed
    and in its canonical form; lines are only appended, and none holds the reference itself

Every extraction looks here. A row that is *about* an erased reference is left out and counted. A
row that only *names* one stays, without the name: a crime record loses the number of an erased
call, and a text loses its mention.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.datasets import DATASETS, DECISIONS, THINGS, Column
from cdi.agency.key_rules import capitals, key_expression
from cdi.agency.model import Agency
from cdi.files import read_json_lines, wait_for_lock
from cdi.keys import hmac_expression, set_hash_key
from cdi.sealed_files import append_sealed, verify_file
from cdi.sql import Params, ident, scalar

PURPOSE = "erase"  # of the key; see `cdi.keys`
ERASED = "[erased]"  # stands in texts in place of an erased reference
# Any run of characters without blanks and these may be a reference that no key rule reads.
_SIGNS = ",;|\"'<>()[]{}#:"
_PARTS_WORDS = rf"\s{re.escape(_SIGNS)}"
_WORD = rf"[^{_PARTS_WORDS}]+"
_BETWEEN_BLANKS = r"\S+"  # a reference may also hold such signs itself
_ENDS_SENTENCE = ".?!"  # may follow a word and is no part of it
_DAY, _MONTH, _YEAR = "(?:0[1-9]|[12][0-9]|3[01])", "(?:0[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
# A number may be typed in full-width or Arabic digits.
_DIGITS = "0-9\uff10-\uff19\u0660-\u0669\u06f0-\u06f9"
# Written forms of a reference that mean something else in most places. Such a form is erased where
# a field holds a reference, and never looked for in texts and logs (docs/privacy.md). Python and
# DuckDB read these patterns alike, each for the whole form.
_COMMON_FORMS = (
    r".{0,4}",  # fewer than five characters
    rf"[^{_DIGITS}]*",  # no digit: a word or a name
    # no letter and fewer than six digits: a number
    rf"[^{_DIGITS}A-Za-z]*(?:[{_DIGITS}][^{_DIGITS}A-Za-z]*){{0,5}}",
    # a month or a day, without and with signs between its parts, perhaps with a time
    rf"(?:{_YEAR}{_MONTH}(?:{_DAY})?|{_DAY}{_MONTH}{_YEAR}|{_YEAR}[-/. ][0-9]{{1,2}}"
    rf"(?:[-/. ][0-9]{{1,2}})?|[0-9]{{1,2}}[-/. ][0-9]{{1,2}}[-/. ]{_YEAR})"
    r"(?:[ T_]?[0-9]{2}:?[0-9]{2}(?::?[0-9]{2})?Z?)?",
)
_COMMON = "|".join(f"(?:{form})" for form in _COMMON_FORMS)


def is_common(form: str) -> bool:
    """Whether a written form of a reference is too common to be looked for in texts and logs."""
    return re.fullmatch(_COMMON, form.strip(), re.DOTALL) is not None


def read_tombstones(agency_id: str) -> list[dict[str, Any]]:
    """Read the tombstones of an agency, oldest first; each has `at`, `reason` and `hashes`.

    Raises:
        StateError: STATE-DAMAGED if a line was changed, removed or cannot be read: what it names
            could come back.
    """
    file = paths.tombstones(agency_id)
    fix = "restore the file from the backup: without this line, what was erased could come back"
    verify_file(agency_id, file, may_grow=True, fix=fix)
    return read_json_lines(file, fix, ("hashes",))


def read_hashes(agency_id: str) -> list[str]:
    """Read all keyed hashes in the tombstones of an agency."""
    return _collect_hashes(read_tombstones(agency_id))


def _collect_hashes(tombstones: list[dict[str, Any]]) -> list[str]:
    return sorted({digest for tombstone in tombstones for digest in tombstone["hashes"]})


def add_tombstone(agency_id: str, hashes: set[str], reason: str, at: datetime) -> None:
    """Add a tombstone, unless all of its hashes are there, and wait until it is on the disk.

    Args:
        agency_id: The agency.
        hashes: Keyed hashes of the reference, see `hash_references`; none if rows were removed for
            their age.
        reason: Why it is erased, in words of the person who asks for it.
        at: When.
    """
    file = paths.tombstones(agency_id)
    with wait_for_lock(file.parent):
        if hashes and hashes <= set(read_hashes(agency_id)):
            return
        tombstone = {"at": at.isoformat(), "reason": reason, "hashes": sorted(hashes)}
        with append_sealed(agency_id, file) as lines:
            lines.write(json.dumps(tombstone, sort_keys=True) + "\n")


def open_tombstones(
    con: duckdb.DuckDBPyConnection, agency_id: str, expired: Iterable[str] = ()
) -> int:
    """Set the variables of a connection that the SQL of this module reads: the key and the hashes.

    Args:
        con: Any connection.
        agency_id: The agency.
        expired: Hashes without a tombstone. Rows about them are left out too, but other rows keep
            the name: what is too old is removed, while a mention of it need not be.

    Returns:
        How many tombstones were read. A batch keeps the number, so that it is known later which
        erasures it has not seen.
    """
    tombstones = read_tombstones(agency_id)
    set_hash_key(con, agency_id, PURPOSE)
    for variable, hashes in (("erased", _collect_hashes(tombstones)), ("expired", list(expired))):
        con.execute(f"set variable {variable} = ?::varchar[]", [hashes])
    return len(tombstones)


def has_tombstones(con: duckdb.DuckDBPyConnection) -> bool:
    """Find out whether a connection, after `open_tombstones`, knows any erased reference."""
    return bool(scalar(con, "select len(getvariable('erased')) > 0"))


def _hash_expression(thing: str, text: str) -> str:
    return hmac_expression(f"'{thing}:' || {text}", PURPOSE)


def _is_erased_expression(thing: str, *texts: str, variable: str = "erased") -> str:
    """SQL for whether one of the texts is an erased reference to such a thing."""
    matches = (
        f"list_contains(getvariable('{variable}'), {_hash_expression(thing, text)})"
        for text in texts
    )
    return "(" + " or ".join(f"coalesce({match}, false)" for match in matches) + ")"


def things_of_reference(agency: Agency, reference: str) -> dict[str, set[str]]:
    """Find out what a reference, as people type it, may refer to.

    The key rules tell whether it is a call's or a record's. If they read it as both, or as neither,
    it may be either.

    Args:
        agency: The agency, with its key rules.
        reference: The reference as typed.

    Returns:
        For each thing that it may refer to: the canonical form, and the reference itself in
        capitals.
    """
    typed = reference.strip()
    forms = {}
    with duckdb.connect() as con:
        for thing in THINGS:
            bound = Params()
            query = f"select {key_expression(agency, thing, '$typed::varchar', bound)}"
            canonical = scalar(con, query, bound.values | {"typed": typed})
            # Without key rules any text is canonical, so that it says nothing about the thing.
            if canonical is not None and agency.key_rules.get(thing):
                forms[thing] = {str(canonical), capitals(typed)}
    return forms or {thing: {capitals(typed)} for thing in THINGS}


def hash_references(agency_id: str, things: Mapping[str, Iterable[str]]) -> set[str]:
    """Hash references with the agency's key; `things` is what `things_of_reference` returns."""
    hashes: set[str] = set()
    with duckdb.connect() as con:
        set_hash_key(con, agency_id, PURPOSE)
        for thing, texts in things.items():
            query = (
                f"select {_hash_expression(thing, 't')} "
                "from (select unnest($texts::varchar[]) as t)"
            )
            hashes |= {str(row[0]) for row in con.execute(query, {"texts": list(texts)}).fetchall()}
    return hashes


def columns_that_take_row(dataset: str) -> list[Column]:
    """List the references whose erasure removes the whole row.

    These are the references that the row is about, and in a decision every reference.
    """
    return [
        column
        for column in DATASETS[dataset]
        if column.kind == "reference" and (column.is_identity or dataset == DECISIONS)
    ]


def _column_is_erased_expression(column: Column, variable: str = "erased") -> str:
    typed = f"upper({ident(column.name)})"
    key = f"coalesce({ident(column.key_name)}, {typed})"
    return _is_erased_expression(column.thing, key, typed, variable=variable)


def is_about_erased_expression(dataset: str) -> str:
    """SQL for whether a row with the landing's columns is about something erased or expired."""
    conditions = (
        _column_is_erased_expression(column, variable)
        for column in columns_that_take_row(dataset)
        for variable in ("erased", "expired")
    )
    return f"({' or '.join(conditions)})"


def forget_name_expressions(
    agency: Agency, dataset: str, columns: list[str], bound: Params
) -> dict[str, str]:
    """SQL by column that removes erased references from rows that only name them.

    Args:
        agency: The agency, with its key rules.
        dataset: The dataset of the rows.
        columns: The landing's columns that the rows have.
        bound: Collects the patterns of the key rules, which are bound.
    """
    taking_row = columns_that_take_row(dataset)
    expressions: dict[str, str] = {}
    for column in DATASETS[dataset]:
        if column.kind == "reference" and column not in taking_row:
            condition = _column_is_erased_expression(column)
            for name in column.outputs:
                expressions[name] = f"case when not {condition} then {ident(name)} end"
        elif column.kind in ("free_text", "text"):
            for name in column.outputs:
                expressions[name] = _scrub_text_expression(agency, ident(name), bound)
    return {name: sql for name, sql in expressions.items() if name in columns}


def _erased_mentions_expression(agency: Agency, candidates: str, bound: Params) -> str:
    """SQL for those of a list of candidates that are erased references and not too common."""
    conditions = " or ".join(
        _is_erased_expression(thing, key_expression(agency, thing, "w", bound), "upper(w)")
        for thing in THINGS
    )
    return (
        f"list_filter(list_distinct({candidates}), lambda w: "
        f"not regexp_full_match(w, {bound.bind(_COMMON)}, 's') and ({conditions}))"
    )


def _word_candidates(text: str, bound: Params) -> str:
    """SQL for the single words of a text, as a reference that no key rule reads may be erased."""
    words = f"regexp_extract_all({text}, {bound.bind(_WORD)})"
    whole = f"regexp_extract_all({text}, {bound.bind(_BETWEEN_BLANKS)})"
    around = bound.bind(_SIGNS + _ENDS_SENTENCE)
    return (
        f"{words} || list_transform({words}, lambda w: rtrim(w, '{_ENDS_SENTENCE}')) || "
        f"{whole} || list_transform({whole}, lambda w: trim(w, {around}))"
    )


def _rule_candidates(agency: Agency, text: str, bound: Params) -> str | None:
    """SQL for all that the key rules match anywhere in a text; None if there are no rules."""
    rules = [rule for thing in THINGS for rule in agency.key_rules.get(thing, ())]
    patterns = dict.fromkeys(rf"(?i)\b(?:{rule.pattern})\b" for rule in rules)
    matches = [f"regexp_extract_all({text}, {bound.bind(pattern)})" for pattern in patterns]
    return " || ".join(matches) or None


def _scrub_text_expression(agency: Agency, text: str, bound: Params) -> str:
    """SQL for a text in which each erased reference is replaced by `[erased]`.

    A word is replaced where it is a whole word, so that AB/1 stays a part of AB/1/2.
    """
    candidates = [(_word_candidates(text, bound), f"[{_PARTS_WORDS}]", f"[{_ENDS_SENTENCE}]*")]
    by_rule = _rule_candidates(agency, text, bound)
    if by_rule is not None:
        candidates.append((by_rule, "[^0-9A-Za-z]", ""))
    scrubbed = text
    for found, between, after in candidates:
        mentions = _erased_mentions_expression(agency, found, bound)
        start, end = bound.bind(f"(^|{between})"), bound.bind(f"({after}(?:{between}|$))")
        by = f"regexp_escape(w) || {end}, '\\1{ERASED}\\2', 'g')"
        # The reduction starts with the text and replaces one mention after another in it; twice, as
        # two mentions may share the character between them.
        once = f"regexp_replace(whole, {start} || {by}"
        scrubbed = (
            f"list_reduce(list_prepend({scrubbed}, {mentions}), "
            f"lambda whole, w: regexp_replace({once}, {start} || {by})"
        )
    return f"case when {text} is not null then {scrubbed} end"


def texts_with_erased(
    con: duckdb.DuckDBPyConnection, agency: Agency, texts: list[str]
) -> list[bool]:
    """Find out for each text whether it holds an erased reference that is not too common.

    Args:
        con: A connection after `open_tombstones`.
        agency: The agency, with its key rules.
        texts: The texts.
    """
    bound = Params()
    candidates = [_word_candidates("t", bound), _rule_candidates(agency, "t", bound)]
    mentions = _erased_mentions_expression(agency, " || ".join(filter(None, candidates)), bound)
    query = (
        f"select len({mentions}) > 0 "
        "from (select unnest($texts::varchar[]) as t, unnest(range(len($texts))) as n) order by n"
    )
    rows = con.execute(query, bound.used_in(query) | {"texts": texts}).fetchall()
    return [bool(row[0]) for row in rows]


def fields_with_erased(
    con: duckdb.DuckDBPyConnection, agency: Agency, fields: list[tuple[str, str]]
) -> list[bool]:
    """Find out for each field that holds a reference whether it holds an erased one.

    Args:
        con: A connection after `open_tombstones`.
        agency: The agency, with its key rules.
        fields: What each field may refer to, and its text.
    """
    bound = Params()
    conditions = " or ".join(
        f"thing = '{thing}' and "
        + _is_erased_expression(thing, key_expression(agency, thing, "t", bound), "upper(t)")
        for thing in THINGS
    )
    query = (
        f"select {conditions} from (select unnest($things::varchar[]) as thing, "
        "trim(unnest($texts::varchar[])) as t, unnest(range(len($texts))) as n) order by n"
    )
    values = {"things": [thing for thing, _ in fields], "texts": [text for _, text in fields]}
    return [bool(row[0]) for row in con.execute(query, bound.used_in(query) | values).fetchall()]
