"""What a step reports: whether anything was new, a note for people, and the name of its result."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What a step did.

    Attributes:
        is_new: False if there was nothing to do.
        note: A few lines for people: shown as the task's note.
        result: Name of what it made (batch id, version), or None.
    """

    is_new: bool
    note: str
    result: str | None = None
