"""dbt does less in a build, and comes to the same: each result is held against dbt's own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What an argument of a test may be: a plain text stays text, whatever it looks like, and what Jinja
# makes has a type of its own. The names are looked up in chained dictionaries, as dbt gives them.
ARGUMENTS = [
    "",
    "call_id",
    "1",
    "True",
    "none",
    "['a', 'b']",
    '"quoted"',
    " spaced ",
    "it's % {single}",
    "{{ 1 + 1 }}",
    "{{ ['call_id', name] }}",
    "{{ name }}",
    "{{ upper(name) }} and {{ name }}",
]

RENDER = """
import json, sys
from collections import ChainMap
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import dbt.artifacts.schemas.base
from dbt.clients.jinja import get_rendered
from dbt_common.clients import agate_helper
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import add_callback_to_manager, ctx_set_event_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note, SystemCouldNotWrite

spares, arguments, file = json.loads(sys.argv[1])
if spares:
    from cdi.build.dbt_process import spare_work

    spare_work()
else:
    ctx_set_event_manager(EventManager())
told = []
add_callback_to_manager(lambda message: told.append([message.info.level, message.info.msg]))

names = ChainMap({"name": "call_id"}, {"name": "hidden", "upper": str.upper})
rendered = [get_rendered(argument, names, native=True) for argument in arguments]
again = [get_rendered(argument, names, native=True) for argument in arguments]
fire_event(Note(msg="told"))
fire_event(SystemCouldNotWrite(path="nowhere", reason="for developers", exc="none"))
import dbt.parser.manifest  # by now the program has imported what it needs, and no more
import dbt.task.runnable

told_of_models = {
    "ran_at": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    "seconds": Decimal("0.25"),
    "description": 'a "quoted" caf\u00e9',
    "columns": [{"name": "call_id", "tests": []}, None, 1.5, True],
}
dbt.artifacts.schemas.base.write_json(file, told_of_models)
empty = agate_helper.empty_table()
print(json.dumps({
    "rendered": rendered, "again": again, "told": told,
    "written": Path(file).read_text("utf-8"),
    "empty": [len(empty.rows), list(empty.column_names)],
    "manifest": [
        module.write_manifest.__qualname__ == "write_manifest"
        for module in (dbt.parser.manifest, dbt.task.runnable)
    ],
}))
"""

# A setting that dbt refuses, in the class of dbt_project.yml.
SETTINGS = """
import sys

from dbt.contracts.project import Project

from cdi.build.dbt_process import spare_work, trust_settings

spare_work()
if sys.argv[1] == "trusts":
    trust_settings()
Project.validate({"name": "cdi", "model-paths": 1})
"""


def _run(folder: Path, *, spares: bool) -> dict[str, Any]:
    """Render the arguments, fire two events and write a file, in a process as dbt has one."""
    told = json.dumps([spares, ARGUMENTS, str(folder / "told.json")])
    command = [sys.executable, "-c", RENDER, told]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What dbt makes with less work."""
    return _run(tmp_path_factory.mktemp("ours"), spares=True)


@pytest.fixture(scope="module")
def dbts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What dbt makes by itself."""
    return _run(tmp_path_factory.mktemp("dbts"), spares=False)


def test_arguments_of_tests_are_rendered_as_dbt_does(
    ours: dict[str, Any], dbts: dict[str, Any]
) -> None:
    assert dbts["rendered"][10] == ["call_id", "call_id"]
    assert ours["rendered"] == dbts["rendered"]
    assert ours["again"] == dbts["again"]


def test_messages_for_people_are_told_whole_and_those_for_developers_not_at_all(
    ours: dict[str, Any], dbts: dict[str, Any]
) -> None:
    assert [level for level, _ in dbts["told"]] == ["info", "debug"]
    assert ours["told"] == dbts["told"][:1] == [["info", "told"]]


def test_an_artifact_is_written_as_dbt_writes_it(
    ours: dict[str, Any], dbts: dict[str, Any]
) -> None:
    assert json.loads(dbts["written"])["ran_at"].startswith("2026-03-29T01:30")
    assert ours["written"] == dbts["written"]


def test_a_statement_without_rows_gives_dbts_empty_table(
    ours: dict[str, Any], dbts: dict[str, Any]
) -> None:
    assert ours["empty"] == dbts["empty"] == [0, []]


def test_the_manifest_is_written_after_the_last_model_and_not_before_the_first(
    ours: dict[str, Any], dbts: dict[str, Any]
) -> None:
    assert dbts["manifest"] == [True, True]
    assert ours["manifest"] == [False, True]


@pytest.mark.parametrize(("settings", "code"), [("checks", 1), ("trusts", 0)])
def test_settings_are_checked_unless_dbt_has_parsed_the_project_with_them(
    settings: str, code: int
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SETTINGS, settings], capture_output=True, text=True, check=False
    )
    assert run.returncode == code
    assert ("ValidationError" in run.stderr) is bool(code)
