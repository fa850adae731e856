"""A read-only SQL prompt on the published version: that of DuckDB's own client, version 1.x."""

from pathlib import Path

from cdi import paths
from cdi.errors import BuildError

CLIENT = paths.REPO / ".venv-client" / "bin" / "duckdb"
GREETING = Path(__file__).parents[1] / "templates" / "shell.sql"


def shell_command(agency: str, *, is_greeting: bool) -> list[str]:
    """Give the program to run and its arguments.

    It opens the file of the version itself, so a version that is published meanwhile changes
    nothing in an open prompt.

    Args:
        agency: Whose version.
        is_greeting: Whether to list first what the file holds, as for a person.

    Raises:
        BuildError: SHELL-CLIENT if the client is not installed, SHELL-VERSION if nothing is
            published.
    """
    if not CLIENT.is_file():
        raise BuildError("SHELL-CLIENT", f"{CLIENT} is not there", "make shell installs it")
    file = paths.current(agency).resolve() / "recording.duckdb"
    if not file.is_file():
        raise BuildError(
            "SHELL-VERSION",
            f"{agency} has no published version",
            f"publish one first: make run AGENCY={agency}",
        )
    greeting = ["-init", str(GREETING)] if is_greeting else ["-no-init", "-bail"]
    return [str(CLIENT), "-readonly", *greeting, str(file)]
