"""The program of dbt's process, which `cdi.build.dbt.start_dbt` starts."""

import gc
from collections.abc import Sequence
from typing import Any

from dbt.cli.main import cli
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager


class Messages(EventManager):
    """dbt's messages, without those that are below the level of its log.

    dbt makes each message first, in four steps, and asks for its level afterwards. Some twenty a
    model are for those who develop dbt: a sixth of the work of a small build.
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
    ctx_set_event_manager(Messages())
    cli(told)


if __name__ == "__main__":
    main()
