"""Errors that people read: each says what is wrong, which rule it breaks, and what to do next."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any


class CdiError(Exception):
    """A failure that the product expects, and explains to a person.

    Args:
        rule_id: Short id that never changes, e.g. ``SRC-COLUMNS``; docs/rules.md lists all,
            docs/runbook.md says more of those that operators meet.
        message: What is wrong, with the file, row or key concerned.
        fix: The next step for the reader.
    """

    def __init__(self, rule_id: str, message: str, fix: str) -> None:
        """Keep the three parts, because a task's note in Airflow shows them apart."""
        super().__init__(f"[{rule_id}] {message}\n  Next step: {fix}")
        self.rule_id = rule_id
        self.message = message
        self.fix = fix

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process that receives the error make it from its three parts again."""
        return type(self), (self.rule_id, self.message, self.fix), self.__dict__


class AgencyError(CdiError):
    """An agency's folder does not follow the schema."""


class SourceError(CdiError):
    """A source file is absent, damaged, or not what agency.yaml says."""


class GateError(CdiError):
    """Data-quality rules of severity `fail` did not hold.

    Args:
        rule_id: As in `CdiError`.
        message: As in `CdiError`.
        fix: As in `CdiError`.
        broken: Ids of the rules that did not hold.
    """

    def __init__(self, rule_id: str, message: str, fix: str, broken: Sequence[str] = ()) -> None:
        """Keep the ids of the broken rules beside the message."""
        super().__init__(rule_id, message, fix)
        self.broken = tuple(broken)


class BuildError(CdiError):
    """A version could not be built or published."""


class BusyError(BuildError):
    """Another process is doing the same work; later it can be done with the same input."""


class AuditError(CdiError):
    """An audit would not give a valid estimate."""


class StateError(CdiError):
    """A file of the state folder is missing or damaged."""


class MachineError(CdiError):
    """The machine does not do its part, e.g. its disk is full; later the same may succeed."""


# What the operating system says of a file, with our rule id and the next step.
_MACHINE_FAILURES: dict[int, tuple[str, str]] = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        (
            "DISK-FULL",
            "make room (docs/runbook.md says what may be removed), then run again; nothing that "
            "was reported as done is lost",
        ),
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        (
            "FILE-DENIED",
            "give the account that runs this the right to read and write there, then run again",
        ),
    ),
    **dict.fromkeys(
        (errno.EISDIR, errno.ENOTDIR),
        (
            "FILE-KIND",
            "put a file in place of the folder, or a folder in place of the file, then run again",
        ),
    ),
    **dict.fromkeys(
        (errno.EMFILE, errno.ENFILE),
        ("FILE-LIMIT", "raise the limit of open files (ulimit -n), then run again"),
    ),
    errno.EIO: ("DISK-DAMAGED", "check the disk, restore what it lost from the backup, run again"),
}

# What DuckDB says of a file of its own that was cut, emptied or changed. Of those that are kept,
# commands and the desk read only the published ones.
_DAMAGED_DATABASE = re.compile(
    r"Corrupt database file|not a valid DuckDB database file|read-only mode: database does not"
    r'|Could not read enough bytes from file "[^"]*\.duckdb"'
)


@contextlib.contextmanager
def name_machine_failures() -> Iterator[None]:
    """Turn a full disk, a missing permission and the like into an error that says what to do.

    Around whatever a task or a command runs, so that no step needs to think of it.

    Raises:
        MachineError: DISK-FULL, FILE-DENIED, FILE-KIND, FILE-LIMIT or DISK-DAMAGED.
        StateError: PUBLISHED-DAMAGED if DuckDB cannot read a file of its own.
    """
    try:
        yield
    except CdiError:
        raise
    except Exception as error:
        failure = _machine_failure_of(error) or find_damaged_database(error)
        if failure is None:
            raise
        raise failure from error


def find_damaged_database(error: Exception) -> StateError | None:
    """Find out whether DuckDB tells that a file of its own is damaged.

    Args:
        error: What it raised as it opened the file, or later as it read it.
    """
    if not _DAMAGED_DATABASE.search(str(error)):
        return None
    return StateError(
        "PUBLISHED-DAMAGED",
        f"a published file is not as it was written ({str(error).splitlines()[0]})",
        "run the build: it makes the version again",
    )


def _machine_failure_of(error: Exception) -> MachineError | None:
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno not in _MACHINE_FAILURES:
            return None
        rule_id, fix = _MACHINE_FAILURES[error.errno]
        return MachineError(rule_id, str(error), fix)
    return find_machine_failure(str(error))


def find_machine_failure(text: str) -> MachineError | None:
    """Find a failure of the machine in what another program told, e.g. dbt or DuckDB.

    Args:
        text: What it told; the line with the words of the operating system becomes the message.
    """
    for line in text.splitlines():
        for code, (rule_id, fix) in _MACHINE_FAILURES.items():
            if os.strerror(code) in line:
                return MachineError(rule_id, line.strip(), fix)
    return None
