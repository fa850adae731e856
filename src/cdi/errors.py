"""Errors that people read: each says what is wrong, which rule it breaks, and what to do next."""

from collections.abc import Sequence


class CdiError(Exception):
    """A failure that the product expects, and explains to a person.

    Args:
        rule_id: Short id that never changes, listed in docs/rules.md, e.g. ``SRC-COLUMNS``.
        message: What is wrong, with the file, row or key concerned.
        fix: The next step for the reader.
    """

    def __init__(self, rule_id: str, message: str, fix: str) -> None:
        """Keep the three parts, because a task's note in Airflow shows them apart."""
        super().__init__(f"[{rule_id}] {message}\n  Next step: {fix}")
        self.rule_id = rule_id
        self.message = message
        self.fix = fix


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
