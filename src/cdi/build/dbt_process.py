"""The program of dbt's process, which `cdi.build.dbt.start_dbt` starts."""

import gc
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dbt.artifacts.schemas.base
import dbt.clients.jinja
import dbt.parser.manifest
import dbt.task.runnable
from dbt.cli.main import cli
from dbt.compilation import Compiler, Linker
from dbt_common.clients import agate_helper
from dbt_common.clients.jinja import MacroFuzzTemplate, NativeSandboxTemplate
from dbt_common.dataclass_schema import dbtClassMixin
from dbt_common.events.base_types import BaseEvent, DebugLevel, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager
from dbt_common.utils.encoding import JSONEncoder

# The option that names the parsed project (`cdi.build.prepare`): it is of the same settings.
PARSED = "--partial-parse-file-path"


class Messages(EventManager):
    """dbt's messages, without those that are below the level of its log.

    dbt makes each message first, in five steps, and asks for its level afterwards. Some twenty a
    model are for those who develop dbt: a sixth of the work of a small build. `spare_work` leaves
    out the first step, and this class the others.
    """

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        """Tell an event; `cdi.build.dbt.call_dbt` sets the level of the log."""
        if (level or e.level_tag()) not in (EventLevel.DEBUG, EventLevel.TEST):
            super().fire_event(e, level, node, force_warn_or_error_handling)


class PlainTexts(dict[str, str]):
    """What dbt makes of an argument of a test that has no Jinja in it: the same text.

    dbt keeps such results in a dictionary, but renders each text once to fill it.
    """

    def __contains__(self, text: object) -> bool:
        """Any text is known."""
        return True

    def __getitem__(self, text: str) -> str:
        """The text itself."""
        return text


def write_json(path: str, data: dict[str, Any]) -> None:
    """Write one of dbt's artifacts in one piece; dbt writes it in a million pieces.

    Args:
        path: The file, in a folder that is there.
        data: What dbt tells.
    """
    Path(path).write_text(json.dumps(data, cls=JSONEncoder), encoding="utf-8")


def spare_work() -> None:
    """Let dbt leave out work whose result nobody sees.

    Without it, dbt's own work in a small build costs a quarter more. All that is replaced is
    internal to dbt, so tests/unit/build/test_dbt_process.py holds each result against dbt's own.
    """
    ctx_set_event_manager(Messages())
    # The content of a message that `Messages` leaves out is not filled in.
    DebugLevel.__init__ = lambda self, *_, **__: None  # type: ignore[method-assign]
    dbt.clients.jinja._render_cache = PlainTexts()
    # As dbt does for models, the hundreds of names that a template knows are looked up, not copied.
    NativeSandboxTemplate.new_context = MacroFuzzTemplate.new_context  # type: ignore[assignment, method-assign]
    dbt.artifacts.schemas.base.write_json = write_json  # type: ignore[assignment]
    # A statement that returns no rows gets an empty table, which nobody changes: one is enough.
    agate_helper.empty_table = cache(agate_helper.empty_table)
    # dbt writes its manifest before the first model and again after the last. This is the first:
    # `dbt.task.runnable`, imported above, has the function under a name of its own.
    dbt.parser.manifest.write_manifest = lambda *_, **__: None
    # pictures of the graph, for those who develop dbt
    Linker.get_graph_summary = lambda *_: {}  # type: ignore[method-assign]
    Compiler.write_graph_file = lambda *_: None  # type: ignore[method-assign]


def trust_settings() -> None:
    """Let dbt take its settings as they are: it has checked them when it parsed the project.

    To check them dbt makes a schema of each kind of setting, in each process anew.
    """
    dbtClassMixin.validate = classmethod(lambda *_: None)  # type: ignore[assignment]


def main(told: Sequence[str] | None = None) -> None:
    """Be dbt until the process ends.

    Args:
        told: dbt's arguments; by default those of the process.

    Raises:
        SystemExit: Always, with dbt's exit code.
    """
    # dbt keeps nearly all that it makes until it ends. Looking for garbage as often as Python does
    # by default is a twelfth of the work of a small build.
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    spare_work()
    if PARSED in (sys.argv if told is None else told):
        trust_settings()
    cli(told)


if __name__ == "__main__":
    main()
