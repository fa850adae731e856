"""What was read is kept by content: whole files, no text twice, a damaged file costs time only."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from cdi import paths
from cdi.agency.model import Agency
from cdi.erasure.take_out import Removal, take_out
from cdi.files import sha256_of_file
from cdi.learning import readings
from cdi.learning.readings import KINDS, keep_readings, open_readings
from cdi.sql import connect

NOW = {"lexicon": "a" * 64}
OTHER = {"lexicon": "b" * 64}
TABLE = f"disclosure.{KINDS['lexicon'].table}"

pytestmark = pytest.mark.usefixtures("state")


@contextmanager
def build(fingerprints: dict[str, str] = NOW) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private file as dbt finds it."""
    with connect() as con:
        con.execute("create schema landing")
        con.execute("create schema disclosure")
        open_readings(con, "testville", fingerprints)
        yield con


def read(con: duckdb.DuckDBPyConnection, *numbers: int, part: str = "account") -> None:
    """What the model would read, if these were the numbers of all texts."""
    con.execute(
        f"create table {TABLE} as select text_no, $part as part, 1 as entry_place, "
        "'vi_word' as lexicon_id, [[{'start': 1, 'length': 3}]] as places, "
        "false as is_explained_away "
        "from (select unnest($numbers::ubigint[]) as text_no) "
        "anti join (from landing.lexicon_readings where part = $part) using (text_no)",
        {"numbers": numbers, "part": part},
    )


def known(con: duckdb.DuckDBPyConnection) -> list[int]:
    rows = con.execute("select text_no from landing.lexicon_readings order by all").fetchall()
    return [text_no for (text_no,) in rows]


def read_and_keep(*numbers: int, fingerprints: dict[str, str] = NOW) -> None:
    with build(fingerprints) as con:
        read(con, *numbers)
        keep_readings(con, "testville", fingerprints)


def files() -> list[Path]:
    return sorted(paths.readings("testville").rglob("*.parquet"))


def test_the_next_build_knows_what_was_read_and_reads_only_the_rest() -> None:
    read_and_keep(1, 2)
    with build() as con:
        assert known(con) == [1, 2]
        read(con, 1, 2, 3)
        assert con.execute(f"select text_no from {TABLE}").fetchall() == [(3,)]
        keep_readings(con, "testville", NOW)
    with build() as con:
        assert known(con) == [1, 2, 3]
        assert con.execute("select distinct places from landing.lexicon_readings").fetchall() == [
            ([[{"start": 1, "length": 3}]],)
        ]
    assert [file.stem for file in files()] == [sha256_of_file(file) for file in files()]
    assert len(files()) == 2


def test_a_text_that_was_read_as_an_account_is_read_as_a_closing_too() -> None:
    read_and_keep(1, 2)
    with build() as con:
        read(con, 2, 3, part="closing")
        keep_readings(con, "testville", NOW)
    with build() as con:
        assert known(con) == [1, 2, 2, 3]


def test_a_build_that_reads_nothing_new_writes_no_file() -> None:
    read_and_keep(1)
    before = files()
    read_and_keep(1)
    assert files() == before


def test_what_is_kept_does_not_stay_in_the_file_of_the_build() -> None:
    with build() as con:
        read(con, 1)
        keep_readings(con, "testville", NOW)
        assert not con.execute("select 1 from duckdb_tables()").fetchall()


def test_two_builds_at_once_keep_no_text_twice() -> None:
    with build() as first, build() as second:
        read(first, 1, 2)
        read(second, 2, 3)
        keep_readings(first, "testville", NOW)
        keep_readings(second, "testville", NOW)
    with build() as con:
        assert known(con) == [1, 2, 3]


def test_another_fingerprint_reads_all_anew_and_then_the_old_readings_go() -> None:
    read_and_keep(1, 2)
    with build(OTHER) as con:
        assert known(con) == []
        assert len(files()) == 1  # until the new ones are whole
        read(con, 1, 2)
        keep_readings(con, "testville", OTHER)
    (file,) = files()
    assert file.parent.name == "lexicon-" + "b" * 16


def test_readings_of_another_kind_stay() -> None:
    read_and_keep(1)
    with build({"text": "c" * 64}) as con:
        con.execute(
            f"create table disclosure.{KINDS['text'].table} as select 5::ubigint as content_hash, "
            "0.5 as crime_probability, 0.1 as second_probability, null as offence_group, "
            "null as second_group, 0 as pair_count, 0 as known_pair_count"
        )
        keep_readings(con, "testville", {"text": "c" * 64})
    assert {file.parent.name[:4] for file in files()} == {"lexi", "text"}


@pytest.mark.parametrize("damage", ["cut short", "one bit"])
def test_a_damaged_file_is_put_aside_with_a_warning_and_its_texts_are_read_anew(
    damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    read_and_keep(1)
    (first,) = files()
    read_and_keep(1, 2)
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content if damage == "one bit" else content[:-20])
    with caplog.at_level(logging.WARNING), build() as con:
        assert known(con) == [2]
        read(con, 1, 2)
        keep_readings(con, "testville", NOW)
    assert "[READINGS-DAMAGED]" in caplog.text
    assert str(first) in caplog.text
    assert first.with_suffix(".damaged").is_file()
    with build() as con:
        assert known(con) == [1, 2]


def test_a_build_that_is_killed_while_it_keeps_leaves_nothing_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch, build() as con:
        read(con, 1)

        def die(file: Path) -> str:
            file.write_bytes(b"half of it")
            raise KeyboardInterrupt

        patch.setattr(readings, "sha256_of_file", die)
        with pytest.raises(KeyboardInterrupt):
            keep_readings(con, "testville", NOW)
    assert files() == []
    read_and_keep(1)
    with build() as con:
        assert known(con) == [1]
    (file,) = files()
    assert {other.name for other in file.parent.iterdir()} == {file.name, ".lock"}


def test_an_erasure_leaves_no_hash_of_a_text_that_is_gone(sample: Agency) -> None:
    file = paths.readings(sample.agency) / "lexicon-a" / "b.parquet"
    file.parent.mkdir(parents=True)
    file.touch()
    take_out(sample, Removal({"call": set()}), "request 1", lambda line: None)
    assert file.exists()  # nothing was erased
    take_out(sample, Removal({"call": {"T-0001"}}), "request 1", lambda line: None)
    assert not paths.readings(sample.agency).exists()
