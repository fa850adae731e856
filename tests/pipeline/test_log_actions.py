"""The optional dataset: timed entries of the logs, from their file to staging; and snapshots."""

import shutil
from collections.abc import Iterator

import duckdb
import pytest

from cdi import paths
from cdi.agency.datasets import number_expressions
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.errors import BuildError
from cdi.landing.batches import Batch, accepted_batches, replace_manifest
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, alone, csv_bytes

HEADER = ["log", "no", "at", "by", "event", "text"]
ENTRIES = [
    ["T-0001", "1", "2026-01-05 10:01", "101", "FIRST ACCOUNT", "was hit, mail ada@example.org"],
    ["t0001", "2", "2026-01-05 10:40", "1207", "UPDATE", "unit with her"],
    ["T-0002", "1", "2026-01-05 12:01", "102", "FIRST ACCOUNT", "was pushed"],
    ["T-0002", "2", "2026-01-08 12:01", "102", "UPDATE", "from the future"],
    ["T-0003", "1", "2026-01-05 13:01", "103", "FIRST ACCOUNT", "loud music"],
    ["T-0003", "1", "2026-01-05 13:05", "103", "FIRST ACCOUNT", "no music"],
    *([f"T-{n:04d}", "1", "2026-01-06 09:00", "104", "FIRST ACCOUNT", "x"] for n in range(5, 65)),
]


def add_log_actions(small: SmallAgency, entries: list[list[str]]) -> None:
    """Give the agency the dataset, with these entries."""
    small.settings["sources"]["log_actions"] = {
        "files": [{"path": "actions*", "as_of": "2026-01-07"}],
        "delivery": "snapshot",
        "columns": {
            "call_reference": "log",
            "sequence_number": "no",
            "acted_at": {"from": "at", "format": "%Y-%m-%d %H:%M"},
            "author_code": "by",
            "action_type": "event",
            "action_text": "text",
        },
    }
    small.write_settings()
    small.write("actions.csv", csv_bytes(HEADER, entries))


def test_an_agency_without_the_dataset_builds_and_one_that_adds_it_builds_anew(
    ran: SmallAgency,
) -> None:
    # there is nothing to read but what the calls themselves say
    entries = "select count(*), max(entry_number) from disclosure.int_disclosure__log_entries"
    assert ran.rows(entries) == [(len(CALLS), 1)]
    add_log_actions(ran, ENTRIES)
    assert ran.run()
    landed = ran.staged(
        "select log_action_id, sequence_number, strftime(acted_at, '%H:%M'), author_code, "
        "action_type, action_text_masked from staging.stg_log_actions "
        "where call_id in (select call_id from staging.stg_calls) and published_call_id < 'T-0005' "
        "order by 1"
    )
    assert ran.rows(entries) > [(len(CALLS), 1)]
    assert landed == [
        ("T-0001/1", 1, "10:01", "101", "FIRST ACCOUNT", "was hit, mail [email]"),
        ("T-0001/2", 2, "10:40", "1207", "UPDATE", "unit with her"),
        ("T-0002/1", 1, "12:01", "102", "FIRST ACCOUNT", "was pushed"),
    ]
    assert ran.rows(
        "select read_count, accepted_count, quarantined_count, current_count from conservation "
        "where dataset = 'log_actions'"
    ) == [(66, 63, 3, 63)]
    assert ran.rows("select rule_id, count(*) from quarantine group by 1 order by 1") == [
        ("ACT-02", 1),
        ("KEY-CONFLICT", 2),  # one place in one log, two contents
    ]


def leave_out_column(batch: Batch, column: str) -> None:
    """Let a batch look as if it was landed before the column was known."""
    for file in (batch.rows, batch.folder / "manifest.json"):
        file.chmod(0o644)
    with duckdb.connect() as con:
        con.execute(f"create table older as select * exclude ({column}) from '{batch.rows}'")
        con.execute(f"copy older to '{batch.rows}' (format parquet)")
    batch.manifest["columns"].pop(column)
    replace_manifest(batch.folder, batch.manifest)


@pytest.fixture(scope="module")
def shrunk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """Two snapshots of calls and of entries, of which the second lacks one; do not change it.

    The second batch of calls lacks a column, too, as if it was landed before that was known.
    """
    with alone(tmp_path_factory.mktemp("shrunk")) as small:
        add_log_actions(small, ENTRIES[:3])
        for dataset in ("calls", "log_actions"):
            small.extract_and_check(dataset)
        small.write("calls.csv", csv_bytes(CALL_HEADER, [c for c in CALLS if c[0] != "T-0003"]))
        small.write("actions.csv", csv_bytes(HEADER, ENTRIES[1:3]))
        for dataset in ("calls", "log_actions"):
            small.extract_and_check(dataset)
        leave_out_column(accepted_batches("testville", "calls")[-1], "qualifiers")
        assert small.run()
        yield small


@pytest.fixture(scope="module")
def staging(shrunk: SmallAgency) -> Iterator[duckdb.DuckDBPyConnection]:
    """Its staging, which is not published."""
    with (
        build_part(plan_version(shrunk.agency), "stg_calls", "stg_log_actions") as file,
        duckdb.connect(str(file), read_only=True) as con,
    ):
        yield con


def test_an_entry_that_vanishes_from_the_snapshot_is_withdrawn(
    shrunk: SmallAgency, staging: duckdb.DuckDBPyConnection
) -> None:
    assert staging.execute(
        "select log_action_id from staging.stg_log_actions where is_withdrawn"
    ).fetchall() == [("T-0001/1",)]
    assert shrunk.rows(
        "select sum(current_count), sum(withdrawn_count), sum(superseded_count) "
        "from conservation where dataset = 'log_actions'"
    ) == [(2, 1, 2)]


def test_a_call_that_vanishes_from_the_snapshot_is_withdrawn_not_lost(
    shrunk: SmallAgency, staging: duckdb.DuckDBPyConnection
) -> None:
    assert shrunk.rows("select count(*) from fct_calls where call_id = 'T-0003'") == [(0,)]
    assert staging.execute(
        "select published_call_id from staging.stg_calls where is_withdrawn"
    ).fetchall() == [("T-0003",)]
    assert shrunk.rows(
        "select sum(current_count), sum(withdrawn_count), sum(superseded_count) "
        "from conservation where dataset = 'calls'"
    ) == [(4, 1, 4)]


def test_a_batch_landed_before_a_column_was_known_is_read_with_nulls(
    shrunk: SmallAgency, staging: duckdb.DuckDBPyConnection
) -> None:
    _, older = accepted_batches("testville", "calls")
    columns = duckdb.execute("describe from read_parquet(?)", [str(older.rows)]).fetchall()
    assert "received_at" in {name for name, *_ in columns}
    assert "qualifiers" not in {name for name, *_ in columns}
    assert staging.execute(
        "select count(*), count(qualifiers) from staging.stg_calls where not is_withdrawn"
    ).fetchall() == [(4, 0)]
    assert shrunk.rows("select count(*) from fct_calls") == [(4,)]


def _replace_rows(batch: Batch, query: str) -> None:
    """Replace the rows of a batch by what a query makes of them."""
    batch.rows.chmod(0o644)
    with duckdb.connect() as con:
        con.execute(f"create table landed as from '{batch.rows}'")
        con.execute(f"copy ({query}) to '{batch.rows}' (format parquet)")
    replace_manifest(batch.folder, batch.manifest)


def _land_without(batch: Batch, *columns: str) -> None:
    """Make a batch as it would be, had it been landed before some columns were known."""
    (batch.folder / "manifest.json").chmod(0o644)
    _replace_rows(batch, f"select * exclude ({', '.join(columns)}) from landed")
    for column in columns:
        batch.manifest["columns"].pop(column)
    replace_manifest(batch.folder, batch.manifest)


def test_a_batch_landed_before_keys_had_numbers_is_joined_by_the_same_numbers(
    ran: SmallAgency,
) -> None:
    links = "select * from links order by all"
    linked = ran.rows(links)
    assert linked
    for dataset in ("calls", "crime_records"):
        (batch,) = accepted_batches("testville", dataset)
        _land_without(batch, *number_expressions(dataset))
    shutil.rmtree(paths.published("testville"))
    assert ran.run()
    assert ran.rows(links) == linked


@pytest.mark.parametrize("dataset", ["calls", "crime_records", "log_actions"])
def test_two_keys_with_one_number_stop_the_build(small: SmallAgency, dataset: str) -> None:
    """Nobody can find two keys with one MD5, so one is landed with the number of another."""
    add_log_actions(small, ENTRIES)
    for name in ("calls", "crime_records", "log_actions"):
        small.extract_and_check(name)
    (batch,) = accepted_batches("testville", dataset)
    _replace_rows(
        batch,
        "select * replace (if(call_key = 'T-0001', md5_number_lower('T-0002'), call_no) "
        "as call_no) from landed",
    )
    with pytest.raises(BuildError, match=r"NUMBER-SHARED: call T-000[12] and call T-000[12]"):
        small.run()
    assert not (paths.published("testville") / "current").exists()
