"""The errors that people are told: what is wrong, by which rule, and what to do next."""

from collections.abc import Sequence


class CdiError(Exception):
    """An expected failure, told to a person.

    Args:
        rule_id: Short stable id, listed in docs/rules.md, e.g. ``SRC-COLUMNS``.
        message: What is wrong, with the file, row or key it is about.
        fix: The next step for the reader.
    """

    def __init__(self, rule_id: str, message: str, fix: str) -> None:
        """Keep the parts, so that a task note can show them apart."""
        super().__init__(f"[{rule_id}] {message}\n  Next step: {fix}")
        self.rule_id = rule_id
        self.message = message
        self.fix = fix


class AgencyError(CdiError):
    """An agency folder that does not follow the schema."""


class SourceError(CdiError):
    """A source file that is absent, damaged or not what agency.yaml says."""


class GateError(CdiError):
    """Data-quality rules of severity `fail` that did not hold.

    Args:
        broken: Their ids.
    """

    def __init__(self, rule_id: str, message: str, fix: str, broken: Sequence[str] = ()) -> None:
        """Keep the rules beside the words."""
        super().__init__(rule_id, message, fix)
        self.broken = tuple(broken)


class BuildError(CdiError):
    """A build that could not be made or published."""


class BusyError(BuildError):
    """Another process makes the same now: later it can be done with the same input."""


class AuditError(CdiError):
    """An audit that would not give a valid estimate."""
