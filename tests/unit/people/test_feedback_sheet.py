"""The feedback sheet as a sergeant gets it: printable, and text of a log is never a formula."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import duckdb
import pytest
from openpyxl import Workbook, load_workbook

from cdi import paths
from cdi.errors import CdiError
from cdi.people.feedback_sheet import COLUMNS, read_feedback, write_feedback
from tests.unit.people.test_worklist_sheet import EVIL

ROW = {name: name for name, *_ in COLUMNS}
ROWS = [
    ROW | {"words": EVIL, "miss_cause_name": "Second crime"},
    ROW | {"words": "+1\x0btwo", "miss_cause_name": "Second crime", "supervisor_code": None},
]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """What the sheet reads of a published file besides its rows."""
    with duckdb.connect() as opened:
        opened.execute("create schema rules")
        opened.execute(
            "create table release as select 'A & B' as agency_name, true as is_simulated, "
            "timestamp '2017-07-01 00:00:00' as as_of"
        )
        opened.execute(
            "create table rules.miss_causes as from read_csv($file)",
            {"file": str(paths.DBT_PROJECT / "seeds" / "miss_causes.csv")},
        )
        yield opened


@pytest.fixture
def misses(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Three confirmed misses: two of one team, of which one was closed by nobody known."""
    con.execute(
        """
        create schema disclosure;
        create schema codes;
        create table confirmed_misses as
            select
                call || '#1' as reported_crime_id, call as call_id, date '2017-06-01' as
                reported_month_on, team, supervisor_code, 'other' as miss_cause, 'theft' as
                offence_group, 'other' as severity, false as is_recorded_since
            from (values ('A', 'Ashby', '1300'), ('B', 'Ashby', null), ('C', 'Cawl', '1301'))
            as t (call, team, supervisor_code);
        create table fct_calls as
            select
                call_id, hash(call_id) as call_no, 'X' as final_type_code, 'Noise' as
                final_type_name, 'N' as disposition_code, 'None' as disposition_name
            from confirmed_misses;
        create table disclosure.int_disclosure__lexicon_hits (
            call_id ubigint, part varchar, meaning varchar, subject varchar, entry_number bigint,
            words varchar[]
        );
        create table disclosure.int_disclosure__log_entries (
            call_id ubigint, part varchar, entry varchar, entry_number bigint
        );
        create table rules.offence_groups (offence_group varchar, offence_group_name varchar);
        create table codes.call_types (code varchar, name varchar);
        create table codes.closures (code varchar, name varchar);
        """
    )
    return con


def test_it_is_written_for_one_supervisor(misses: duckdb.DuckDBPyConnection) -> None:
    def read_calls(team: str | None, supervisor: str | None) -> list[str]:
        return [row["call_id"] for row in read_feedback(misses, None, team, supervisor)]

    assert read_calls(None, None) == ["A", "B", "C"]
    assert read_calls(None, "1300") == ["A"]
    assert read_calls("Cawl", "1300") == []


def test_a_supervisor_whom_nothing_was_confirmed_for_is_refused(
    misses: duckdb.DuckDBPyConnection,
) -> None:
    """The codes that there are stay on the sheet; an error may be seen by others."""
    with pytest.raises(
        CdiError, match="nothing was confirmed in a log that '1302' closed"
    ) as error:
        read_feedback(misses, None, None, "1302")
    assert error.value.rule_id == "FEEDBACK-SUPERVISOR"
    assert "1300" not in str(error.value) + error.value.fix


def write_and_load(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> Workbook:
    written = BytesIO()
    write_feedback(written, con, rows)
    return load_workbook(written)


def test_text_of_a_log_is_never_a_formula(con: duckdb.DuckDBPyConnection) -> None:
    page = write_and_load(con, ROWS)["feedback"]
    column = [name for name, *_ in COLUMNS].index("words") + 1
    cells = [page.cell(row, column) for row in (2, 3)]
    assert [(cell.value, cell.data_type) for cell in cells] == [(EVIL, "s"), ("+1 two", "s")]


def test_it_prints_landscape_as_wide_as_a_page_with_its_header_on_each(
    con: duckdb.DuckDBPyConnection,
) -> None:
    book = write_and_load(con, ROWS)
    page = book["feedback"]
    assert page.print_title_rows == "$1:$1"
    assert page.auto_filter.ref == "A1:I3"
    for sheet in book:
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToHeight == 0
        assert sheet.oddHeader.center.text == "SIMULATED: Feedback on missed crimes, A && B"


def test_it_counts_the_causes_says_what_they_mean_and_that_they_are_no_rates(
    con: duckdb.DuckDBPyConnection,
) -> None:
    lines = list(write_and_load(con, ROWS)["causes"].iter_rows(values_only=True))
    seeds = con.execute(
        "select miss_cause_name, meaning from rules.miss_causes order by 1"
    ).fetchall()
    counted = {name: (meaning, count) for name, meaning, count in lines[-len(seeds) :]}
    assert counted == {
        name: (meaning, 2 if name == "Second crime" else 0) for name, meaning in seeds
    }
    assert any("do not say how good a team is" in str(text) for text, *_ in lines)


def test_equal_versions_give_equal_sheets(con: duckdb.DuckDBPyConnection) -> None:
    first, second = (write_and_load(con, ROWS).properties.created for _ in range(2))
    assert first == second
    assert f"{first:%Y-%m-%d}" == "2017-07-01"
