"""dbt does less in a build, and comes to the same: each result is held against dbt's own."""

import json
import subprocess
import sys
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

from dbt.clients.jinja import get_rendered
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import add_callback_to_manager, ctx_set_event_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note, SystemCouldNotWrite

spares, arguments = json.loads(sys.argv[1])
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
print(json.dumps({"rendered": rendered, "again": again, "told": told}))
"""


def _run(*, spares: bool) -> dict[str, Any]:
    """Render the arguments and fire two events, in a process of its own as dbt has one."""
    told = json.dumps([spares, ARGUMENTS])
    command = [sys.executable, "-c", RENDER, told]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    """What dbt makes with less work."""
    return _run(spares=True)


@pytest.fixture(scope="module")
def dbts() -> dict[str, Any]:
    """What dbt makes by itself."""
    return _run(spares=False)


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
