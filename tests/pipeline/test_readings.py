"""What the lexicon read is kept without anything personal.

A test of test_rebuild.py shows that it is read anew if the lexicon changes.
"""

import shutil
from pathlib import Path

import duckdb

from cdi import paths
from cdi.steps.build import make_build
from tests.conftest import SmallAgency, table_contents


def reading_files() -> list[Path]:
    return sorted(paths.readings("testville").rglob("*.parquet"))


def test_with_and_without_readings_all_tables_are_the_same(
    built: SmallAgency, cold_dbt: None
) -> None:
    """The first build has none; a test of test_rebuild.py takes them away from a later one."""
    without = table_contents(built.built_file)
    assert without["disclosure.int_disclosure__lexicon_hits"]
    (kept,) = reading_files()
    shutil.rmtree(paths.published("testville"))
    assert make_build("testville").is_new
    assert table_contents(built.built_file) == without
    assert reading_files() == [kept]  # nothing was read again


def test_a_file_of_readings_holds_numbers_and_names_of_the_lexicon_and_nothing_else(
    ran: SmallAgency,
) -> None:
    (file,) = reading_files()
    with duckdb.connect() as con:
        con.execute(f"create view readings as from '{file}'")
        columns = con.sql("describe readings").fetchall()
        said = con.sql("select distinct lexicon_id from readings").fetchall()
        seed = f"select lexicon_id from '{paths.DBT_PROJECT}/seeds/lexicon.csv'"
        lexicon = con.execute(seed).fetchall()
    assert [row[:2] for row in columns] == [
        ("text_no", "UBIGINT"),
        ("part", "VARCHAR"),
        ("entry_place", "BIGINT"),
        ("lexicon_id", "VARCHAR"),
        ("places", 'STRUCT("start" UINTEGER, length UINTEGER)[][]'),
        ("is_explained_away", "BOOLEAN"),
    ]
    assert {""} < {name for (name,) in said} <= {"", *(name for (name,) in lexicon)}
