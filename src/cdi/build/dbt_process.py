"""The program of dbt's process, which `cdi.build.dbt.start_dbt` starts."""

import gc
from collections.abc import Sequence
from typing import Any

import dbt.clients.jinja
from dbt.cli.main import cli
from dbt_common.clients.jinja import MacroFuzzTemplate, NativeSandboxTemplate
from dbt_common.events.base_types import BaseEvent, DebugLevel, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager


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


def spare_work() -> None:
    """Let dbt leave out work whose result nobody sees.

    Without it, dbt's own work in a small build costs a seventh more. All that is replaced is
    internal to dbt, so tests/unit/build/test_dbt_process.py holds each result against dbt's own.
    """
    ctx_set_event_manager(Messages())
    # The content of a message that `Messages` leaves out is not filled in.
    DebugLevel.__init__ = lambda self, *_, **__: None  # type: ignore[method-assign]
    dbt.clients.jinja._render_cache = PlainTexts()
    # As dbt does for models, the hundreds of names that a template knows are looked up, not copied.
    NativeSandboxTemplate.new_context = MacroFuzzTemplate.new_context  # type: ignore[assignment, method-assign]


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
    cli(told)


if __name__ == "__main__":
    main()
