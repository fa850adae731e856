"""A DuckDB 1.x client, as analysts have it: the published file, and the prompt of `make shell`."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from cdi import paths
from cdi.build.version import plan_version
from cdi.local.shell import shell_command
from cdi.publish.publish import publish_folder
from tests.conftest import SmallAgency

PYTHON = paths.REPO / ".venv-client" / "bin" / "python"
ASKED = {
    "tables": "select table_name, comment from duckdb_tables() order by all",
    "views": "select view_name, comment from duckdb_views() where not internal order by all",
    "columns": "select table_name, column_name, data_type, comment from duckdb_columns() "
    "where schema_name in ('main', 'measures', 'rules') and not internal order by all",
    "rates": "select universe, ruleset, breakdown, recorded_count, rate_base_count "
    "from recording_rate order by all",
    "release": "select agency_name, as_of from release",
}
CLIENT = """
import json, sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as con:
    told = {name: con.execute(query).fetchall() for name, query in json.loads(sys.argv[2]).items()}
json.dump({"version": duckdb.__version__, **told}, sys.stdout, default=str)
"""


@pytest.fixture(autouse=True)
def client() -> None:
    """The client; its tests are skipped where it is not installed."""
    if not PYTHON.is_file():
        pytest.skip("the client is not installed: make .venv-client/client.stamp")


def prompt(text: str, *, is_greeting: bool = False) -> subprocess.CompletedProcess[str]:
    """What the prompt answers to what is piped into it."""
    command = shell_command("testville", is_greeting=is_greeting)
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=300
    )


def test_a_1x_client_sees_tables_views_comments_and_figures_as_they_are(ran: SmallAgency) -> None:
    file = ran.published / "recording.duckdb"
    done = subprocess.run(
        [str(PYTHON), "-c", CLIENT, str(file), json.dumps(ASKED)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told.pop("version").startswith("1.")
    with duckdb.connect(str(file), read_only=True) as con:
        here = {name: con.execute(query).fetchall() for name, query in ASKED.items()}
    assert all(here.values()) and len(here["views"]) > 20
    assert told == json.loads(json.dumps(here, default=str))


def test_the_prompt_answers_what_is_piped_and_refuses_to_write(ran: SmallAgency) -> None:
    answer = prompt(".mode csv\nselect count(*) as calls from fct_calls;\n.quit\n")
    assert (answer.returncode, answer.stdout.split()) == (0, ["calls", "5"])
    for write in ("create table t as select 1", "delete from fct_calls", "drop view release"):
        refused = prompt(f"{write};")
        assert refused.returncode != 0 and "read-only" in refused.stderr
    assert ran.rows("select count(*) from fct_calls") == [(5,)]


def test_the_prompt_greets_with_tables_and_an_example_that_runs(ran: SmallAgency) -> None:
    greeting = prompt(".quit\n", is_greeting=True).stdout
    assert "SIMULATED" in greeting
    assert "fct_reported_crimes" in greeting and "weekly_rates" in greeting
    (example,) = [line for line in greeting.splitlines() if line.strip().endswith("'total';")]
    assert prompt(f".mode csv\n{example}").stdout.count("\n") == 7  # a header, six rates


def test_the_command_line_opens_the_prompt(ran: SmallAgency) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cdi"), "shell", "--agency", "testville"],
        input=".mode list\n.headers off\nselect agency from release;",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "testville\n")


def publish_with_one_call_more(ran: SmallAgency) -> None:
    """Publish a copy of the version whose file has one call more."""
    version = replace(plan_version(ran.agency), fingerprint="0" * 64)
    shutil.copytree(ran.published.resolve(), version.folder)
    version.file.chmod(0o644)
    with duckdb.connect(str(version.file)) as con:
        con.execute(
            "insert into fct_calls select * replace ('T-0006' as call_id) from fct_calls limit 1"
        )
    publish_folder(version)


def test_an_open_prompt_survives_a_publish(ran: SmallAgency) -> None:
    with subprocess.Popen(
        shell_command("testville", is_greeting=False),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout
        process.stdin.write(".mode list\n.headers off\nselect count(*) from fct_calls;\n")
        process.stdin.flush()
        assert process.stdout.readline() == "5\n"
        publish_with_one_call_more(ran)
        output, _ = process.communicate("select count(*) from fct_calls;\n.quit\n", timeout=300)
    assert (process.returncode, output) == (0, "5\n")
    assert prompt(".mode list\n.headers off\nselect count(*) from fct_calls;").stdout == "6\n"
