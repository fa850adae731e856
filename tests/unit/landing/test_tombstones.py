"""Tombstones: every way to type a reference is recognised, and the file reveals none of them."""

import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdi import paths
from cdi.agency.model import Agency
from cdi.errors import StateError
from cdi.keys import derive_key
from cdi.landing.tombstones import (
    add_tombstone,
    forget_name_expressions,
    hash_references,
    open_tombstones,
    read_tombstones,
    texts_with_erased,
    things_of_reference,
)
from cdi.sql import Params, connect, scalar

AT = datetime(2026, 1, 1, tzinfo=UTC)


def bury_reference(agency: Agency, reference: str) -> None:
    hashes = hash_references("sample", things_of_reference(agency, reference))
    add_tombstone("sample", hashes, "request 12", AT)


@pytest.mark.parametrize(
    ("typed", "thing", "canonical"),
    [
        ("NMP-20170320-0007", "call", "NMP-20170320-0007"),
        (" nmp20170320 0007 ", "call", "NMP-20170320-0007"),
        ("log 7 of 20/03/2017", "call", "NMP-20170320-0007"),
        ("99/17/0041207", "record", "99170041207"),
    ],
)
def test_a_reference_is_read_by_the_key_rules(
    sample: Agency, typed: str, thing: str, canonical: str
) -> None:
    things = things_of_reference(sample, typed)
    assert list(things) == [thing]
    assert canonical in things[thing]


def test_what_no_rule_reads_may_be_either(sample: Agency) -> None:
    assert things_of_reference(sample, "old-7") == {"call": {"OLD-7"}, "record": {"OLD-7"}}


def test_a_tombstone_that_is_deleted_or_changed_is_noticed_and_nothing_is_added(
    sample: Agency,
) -> None:
    for number in (7, 8, 9):
        bury_reference(sample, f"log {number} of 20/03/2017")
    file = paths.tombstones("sample")
    lines = file.read_text().splitlines(keepends=True)
    digest = read_tombstones("sample")[1]["hashes"][0]
    damaged = [lines[1:], lines[:2], [lines[0], lines[1].replace(digest, digest[::-1]), lines[2]]]
    for content in damaged:
        file.write_text("".join(content))
        for act in (read_tombstones, lambda _: bury_reference(sample, "log 5 of 20/03/2017")):
            with pytest.raises(StateError, match="STATE-DAMAGED"):
                act("sample")
        assert file.read_text() == "".join(content)


def test_a_tombstone_is_a_keyed_hash_and_is_written_once(sample: Agency) -> None:
    bury_reference(sample, "log 7 of 20/03/2017")
    bury_reference(sample, "log 7 of 20/03/2017")
    (line,) = read_tombstones("sample")
    key = derive_key("sample", "erase")
    expected = hmac.new(key, b"call:NMP-20170320-0007", hashlib.sha256).hexdigest()
    assert expected in line["hashes"]
    text = paths.tombstones("sample").read_text()
    for part in ("0007", "20170320", "20/03/2017"):
        assert part not in text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see NMP-20170320-0007, and ring", "see [erased], and ring"),
        ("dup of log 7 of 20/03/2017", "dup of [erased]"),
        ("see NMP-20170320-0008", "see NMP-20170320-0008"),
        ("see nmp 20170320 0007 and NMP-20170320-0007", "see [erased] and [erased]"),
        (None, None),
    ],
)
def test_a_text_loses_the_name_and_nothing_else(
    sample: Agency, text: str | None, left: str | None
) -> None:
    bury_reference(sample, "NMP-20170320-0007")
    assert scrub(sample, text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see A&B<71>-1234, and ring", "see [erased], and ring"),
        ("dup (a&b<71>-1234).", "dup ([erased])."),
        ("XA&B<71>-1234 and A&B<71>-12345", "XA&B<71>-1234 and A&B<71>-12345"),
    ],
)
def test_a_reference_may_hold_signs_that_part_words(sample: Agency, text: str, left: str) -> None:
    bury_reference(sample, "A&B<71>-1234")
    assert scrub(sample, text) == left


def scrub(sample: Agency, text: str | None) -> str | None:
    """What an extraction leaves of a text."""
    bound = Params()
    sql = forget_name_expressions(sample, "calls", ["log_text_masked"], bound)["log_text_masked"]
    with connect() as con:
        open_tombstones(con, "sample")
        query = f"select {sql} from (select $text::varchar as log_text_masked)"
        scrubbed: str | None = scalar(con, query, bound.used_in(query) | {"text": text})
    return scrubbed


def test_another_agencys_tombstone_is_none_here(sample: Agency, state: Path) -> None:
    bury_reference(sample, "NMP-20170320-0007")
    with connect() as con:
        open_tombstones(con, "sample")
        assert texts_with_erased(con, sample, ["see NMP-20170320-0007"]) == [True]
        open_tombstones(con, "elsewhere")
        assert texts_with_erased(con, sample, ["see NMP-20170320-0007"]) == [False]
