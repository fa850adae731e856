"""The program of dbt's process, which `cdi.build.dbt.start_dbt` starts."""

import gc
from collections.abc import Sequence

from dbt.cli.main import cli


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
    cli(told)


if __name__ == "__main__":
    main()
