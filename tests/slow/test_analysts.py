"""What analysts get: the notebook, SQL from another machine, and recipes for other tools."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy

from cdi import paths
from tests.slow.conftest import environment, wait_for

TOOLS = paths.REPO / "analysts"
PYTHON = paths.REPO / ".venv-notebook" / "bin" / "python"
PAGE = (paths.REPO / "docs" / "analysts.md").read_text(encoding="utf-8")
TOKEN = "a-token-of-tests-and-nothing-else"

# Runs the notebook as a script does, and gives what its cells found.
NOTEBOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from notebook import app
shown, found = app.run()
names = ("rate", "districts", "weeks", "worklist", "lost", "mark", "export_name")
answer = {name: found[name] for name in names}
answer["texts"] = [getattr(output, "text", "") for output in shown]
json.dump(answer, sys.stdout, default=str)
"""
# Attaches to a server, and gives what it answers to each query, or its error.
CLIENT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import duckdb, sql_server
con = duckdb.connect()
for name in ("httpfs", "quack"):
    sql_server.load_extension(con, name)
con.execute(f"attach '{sys.argv[2]}' as recording (token '{sys.argv[3]}')")
answers = []
for query in json.load(sys.stdin):
    try:
        answers.append(con.execute("from recording.query(?)", [query]).fetchall())
    except duckdb.Error as error:
        answers.append(str(error))
answers.append(con.execute("select count(*) from recording.bi_logs").fetchall())
json.dump(answers, sys.stdout, default=str)
"""


@pytest.fixture(scope="module")
def file(published_month: Path) -> Path:
    """The published file of a simulated month."""
    found = published_month / "published" / "simulated" / "current" / "recording.duckdb"
    return found.resolve()


@pytest.fixture(autouse=True)
def tools() -> None:
    """The tools of analysts; these tests are skipped where they are not installed."""
    if not PYTHON.is_file():
        pytest.skip("the tools are not installed: make .venv-notebook/notebook.stamp")


def ask(file: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(query).fetchall()


def run_notebook(home: Path) -> dict[str, Any]:
    """What the notebook finds in a state folder, and the texts that it shows."""
    done = subprocess.run(
        [str(PYTHON), "-c", NOTEBOOK, str(TOOLS)],
        env=environment(home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_notebook_on_changed_file(file: Path, home: Path, change: str) -> dict[str, Any]:
    """As `run_notebook`, on a copy of the file in which something was changed."""
    folder = home / "published" / "simulated" / "current"
    folder.mkdir(parents=True)
    with duckdb.connect(str(shutil.copy(file, folder))) as con:
        con.execute(change)
    return run_notebook(home)


def test_the_notebook_finds_what_the_tables_of_the_report_hold(
    file: Path, published_month: Path
) -> None:
    before = file.read_bytes()
    found = run_notebook(published_month)
    rates = ask(
        file,
        "select ruleset, recorded_count, rate_base_count, recording_rate from recording_rate "
        "where universe = 'frame' and breakdown = 'total'",
    )
    assert len(rates) == 3
    for ruleset, recorded, due, rate in rates:
        assert found["rate"][ruleset] == pytest.approx(rate)
        if ruleset == "standard":
            assert (found["rate"]["recorded_count"], found["rate"]["due_count"]) == (recorded, due)
    by_district = ask(
        file,
        "select district, rate_base_count, recording_rate from recording_rate where universe = "
        "'frame' and ruleset = 'standard' and breakdown = 'district' and rate_base_count > 0",
    )
    assert {
        (row["rate_district"], row["due_count"], round(row["rate"], 9))
        for row in found["districts"]
    } == {(district, due, round(rate, 9)) for district, due, rate in by_district}
    by_week = ask(
        file,
        "select cast(reported_week_on as varchar), due_count from weekly_rates "
        "where universe = 'frame' and week_count = 1",
    )
    weeks = {row["week_on"]: row["due_count"] for row in found["weeks"]}
    # weekly_rates leaves out weeks that the data hold only a part of
    assert by_week and {week: weeks[week] for week, _ in by_week} == dict(by_week)
    assert len(found["worklist"]) == 3
    ((unrecorded,),) = ask(
        file,
        "select unrecorded_count from recording_rate "
        "where universe = 'all' and breakdown = 'total' and ruleset = 'standard'",
    )
    assert sum(row["unrecorded_count"] for row in found["lost"]) == unrecorded
    assert found["mark"] == "SIMULATED" and found["export_name"].startswith("SIMULATED_")
    assert file.read_bytes() == before


def test_the_notebook_shows_a_range_and_no_rate_before_an_audit(file: Path, tmp_path: Path) -> None:
    found = run_notebook_on_changed_file(
        file, tmp_path, "update measures.release set text_model_version = null"
    )
    ((low, high),) = ask(
        file,
        "select low_rate, high_rate from recording_range "
        "where universe = 'frame' and breakdown = 'total'",
    )
    (shown,) = (text for text in found["texts"] if "The rate with its band" in text)
    assert "No rate is shown: no audit has taught the software yet." in shown
    assert "%" not in shown
    (shown,) = (text for text in found["texts"] if "the rate is between" in text)
    assert f"{low:.1%}" in shown and f"{high:.1%}" in shown


def test_the_notebook_says_in_words_that_no_crime_was_due(file: Path, tmp_path: Path) -> None:
    found = run_notebook_on_changed_file(
        file, tmp_path, "update fct_reported_crimes set outcome = 'justified'"
    )
    assert found["rate"]["due_count"] == 0
    (shown,) = (text for text in found["texts"] if "The rate with its band" in text)
    assert "No rate is shown: no crime was due for recording" in shown
    assert "nan" not in shown


def test_the_notebook_lists_missed_crimes_where_the_rate_is_withheld(
    file: Path, tmp_path: Path
) -> None:
    found = run_notebook_on_changed_file(
        file, tmp_path, "update measures.auditability set is_met = false, reason = 'too few'"
    )
    assert any("No rate is shown: too few" in text for text in found["texts"])
    ((unrecorded,),) = ask(
        file,
        "select count(*) from fct_reported_crimes "
        "where outcome_standard = 'unrecorded' and offence_group <> 'fraud'",
    )
    assert sum(row["unrecorded_count"] for row in found["lost"]) == unrecorded > 0


def test_the_notebook_draws_every_cell(published_month: Path, tmp_path: Path) -> None:
    page = tmp_path / "first_look.html"
    notebook = shutil.copy(TOOLS / "notebook.py", tmp_path)  # marimo keeps results beside it
    done = subprocess.run(
        [PYTHON.with_name("marimo"), "export", "html", notebook, "-o", page],
        env=environment(published_month), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    drawn = page.read_text(encoding="utf-8")
    assert "SIMULATED" in drawn and "The rate with its band" in drawn
    assert drawn.count("vega") > 1


@contextmanager
def sql_server(home: Path) -> Iterator[str]:
    """`make sql-server` on a free port; yields its address."""
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    said = home / "sql_server.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            [str(PYTHON), str(TOOLS / "sql_server.py"), "simulated"],
            env={**environment(home), "CDI_SQL_TOKEN": TOKEN, "CDI_SQL_PORT": str(port)},
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_for("the server", lambda: "attach" in said.read_text() or process.poll() is not None)
        assert process.poll() is None, said.read_text()
        yield f"quack:localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def answers_of(address: str, token: str, queries: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PYTHON), "-c", CLIENT, str(TOOLS), address, token],
        input=json.dumps(queries), capture_output=True, text=True, check=False,
    )  # fmt: skip


# What a client with the token may not do, and who refuses it.
FORBIDDEN = {
    "create table stolen as select 1": "Authorization failed",
    "with a as (select 1) delete from fct_calls": "read-only",
    "attach '/tmp/other.db'": "Authorization failed",
    "copy (select 1) to '/tmp/stolen.csv'": "Authorization failed",
    "set lock_configuration = false": "Authorization failed",
    "select 1; set memory_limit = '1TB'": "Authorization failed",
    "from quack_stop('quack:localhost')": "Authorization failed",
    "from query('from qu' || 'ack_stop()')": "Authorization failed",
    """from "query"('from qu' || 'ack_stop()')""": "Authorization failed",
    "from query/**/('from qu' || 'ack_stop()')": "Authorization failed",
    """from system.main."QUERY_table"(['bi_' || 'logs'])""": "Authorization failed",
    "from json_execute_serialized_sql(json_serialize_sql('from qu' || 'ack_stop()'))": (
        "Authorization failed"
    ),
    "select json_serialize_plan('from qu' || 'ack_stop()')": "Authorization failed",
    "explain analyze prepare later as select 1": "Authorization failed",
    "explain analyze create temp macro later() as 1": "Authorization failed",
    "from enable_logging(storage = 'file', storage_path = '/nowhere')": "Authorization failed",
    # DuckDB does not know these letters yet: where it does, they could spell any name
    r"""from U&"\0071uery"('select 1')""": "NOT IMPLEMENTED",
    "from read_text('/etc/hostname')": "disabled by configuration",
}


def test_another_machine_asks_the_published_file_and_can_do_nothing_else(
    file: Path, published_month: Path, tmp_path: Path
) -> None:
    home = tmp_path / "state"  # the month itself is shared, and nothing may be written there
    home.mkdir()
    (home / "published").symlink_to(published_month / "published")
    question = (
        "select count(*), sum(crime_due_count) from bi_reported_crimes "
        "inner join bi_logs using (log_id) where is_log_in_frame"
    )
    with sql_server(home) as address:
        refused = answers_of(address, "another-token-of-this-length", [question])
        assert refused.returncode != 0 and "Authentication failed" in refused.stderr
        done = answers_of(address, TOKEN, [question, *FORBIDDEN, question])
    assert done.returncode == 0, done.stderr
    first, *errors, last, attached = json.loads(done.stdout)
    assert first == last == [list(row) for row in ask(file, question)]
    for (query, reason), error in zip(FORBIDDEN.items(), errors, strict=True):
        assert isinstance(error, str) and reason in error, query
    assert attached == [list(row) for row in ask(file, "select count(*) from bi_logs")]


def test_a_short_token_is_refused(published_month: Path) -> None:
    done = subprocess.run(
        [str(PYTHON), str(TOOLS / "sql_server.py"), "simulated"],
        env={**environment(published_month), "CDI_SQL_TOKEN": "short"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "at least 24 characters" in done.stderr


def test_each_query_of_the_page_answers(file: Path) -> None:
    queries = re.findall(r"^```sql\n(.*?)^```", PAGE, re.M | re.S)
    assert len(queries) >= 4
    for query in queries:
        assert ask(file, query), query


def test_each_recipe_of_a_rate_gives_the_rate_of_the_report(file: Path) -> None:
    (superset,) = re.findall(r"^sum\(.+ filter .+$", PAGE, re.M)
    (evidence,) = re.findall(r"^-- sources/recording/rate.sql\n(.*?)^```", PAGE, re.M | re.S)
    (share,) = re.findall(
        r"^`select rate_district, (sum.+) as rate from recording.rate", PAGE, re.M
    )
    queries = {
        "Superset": f"select {superset} from bi_reported_crimes",
        "Evidence": f"select {share} from ({evidence})",
    }
    # Of the crimes that need no record, none is due: there is no rate, and not 0 / 0, which is NaN.
    needless = "select * from bi_reported_crimes where outcome_name = 'No record needed'"
    counts = "select crime_recorded_count as recorded_count, crime_due_count as due_count"
    for query in (
        f"select count(*), {superset} from ({needless})",
        f"select count(*), {share} from ({counts} from ({needless}))",
    ):
        ((crime_count, rate),) = ask(file, query)
        assert crime_count and rate is None, query
    for name, text in {
        "Power BI": PAGE, "its queries": (TOOLS / "powerbi.pq").read_text(encoding="utf-8")
    }.items():  # fmt: skip
        ((view, above, below, condition),) = re.findall(
            r"DIVIDE\(SUM\((\w+)\[(\w+)\]\), SUM\(\w+\[(\w+)\]\)\),\W+"
            r"KEEPFILTERS\(\w+\[(\w+)\] = TRUE\(\)\)",
            text,
        )
        queries[name] = f"select sum({above}) / sum({below}) from {view} where {condition}"
    rates = dict(
        ask(
            file,
            "select universe, recording_rate from recording_rate "
            "where breakdown = 'total' and ruleset = 'standard'",
        )
    )
    assert rates["frame"] != pytest.approx(rates["all"])
    for name, query in queries.items():
        assert ask(file, query) == [(pytest.approx(rates["frame"]),)], name


def test_each_script_of_the_page_runs(published_month: Path, tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to(published_month)
    scripts = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    assert len(scripts) == 2
    for script in scripts * 2:  # the second time as at the next version
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    views = {path.stem for path in (tmp_path / "bi").glob("*.parquet")}
    assert views == {file.stem for file in (paths.DBT_PROJECT / "models" / "bi").glob("*.sql")}
    assert (tmp_path / "open.sqlite").stat().st_size > 0


def test_the_address_that_superset_takes_opens_the_file_and_writes_nothing(file: Path) -> None:
    (address,) = re.findall(r"duckdb:////\S+read_only", PAGE)
    place = "duckdb:///" + re.sub(r"^duckdb:///(/\S+)\?", rf"{file}?", address)
    expected = ask(file, "select count(*) from fct_calls")
    engine = sqlalchemy.create_engine(place)
    with engine.connect() as con:
        (count,) = con.execute(sqlalchemy.text("select count(*) from bi_logs")).one()
        assert [(count,)] == expected
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="read-only"):
            con.execute(sqlalchemy.text("create table t as select 1"))
    engine.dispose()
