"""What a step returns: whether anything was new, a note for people, and its result's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """What a step did.

    Attributes:
        is_new: False if there was nothing to do.
        note: A few lines for people, which Airflow shows as the note of the task.
        result: The name of what the step made (a batch id, a version), or None.
        counts: How many of what, in our own words or by rule id. Where an agency's tasks run at the
            force itself, this is all of the note that leaves it.
        event: What the event says that Airflow records of what the step made, e.g. version, rate
            and rows; it stays where the step runs.
    """

    is_new: bool
    note: str
    result: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    event: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outline(self) -> str:
        """The note without a word of the agency's sources, files or people."""
        if not self.is_new:
            return "nothing to do"
        return ", ".join(f"{count:,} {name}" for name, count in self.counts.items()) or "done"
