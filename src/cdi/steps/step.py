"""What a step returns: whether anything was new, a note for people, and its result's name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What a step did.

    Attributes:
        is_new: False if there was nothing to do.
        note: A few lines for people, which Airflow shows as the note of the task.
        result: The name of what the step made (a batch id, a version), or None.
    """

    is_new: bool
    note: str
    result: str | None = None
