"""The form for what a reader finds in a drawn log: how it is filled, and what was typed into it.

It has the counts of the log and one row of fields per crime. What is wrong with what was typed is
said by the rules of readings; here is only what a form can say in two ways, or not at all.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cdi.people.audit_sheet import CRIMES_A_LOG, cell_text
from cdi.people.saved_readings import OF_CRIME, Reading

MOST_CRIMES = 20  # of one log
_MOST_CHARACTERS = 200
_BLANK: Mapping[str, str] = dict.fromkeys(OF_CRIME, "")


@dataclass(frozen=True)
class Typed:
    """What stands in the form.

    Attributes:
        due_count: How many crimes should be recorded.
        recorded_count: How many of them are.
        has_none: Whether the box is ticked that says that no crime is reported.
        crimes: The rows of crimes, with the columns of `OF_CRIME`; blank rows too.
        seen: Which reading the page showed; see `cdi.people.saved_readings.find_reading`.
        wants_rows: Whether only more rows are wanted.
    """

    due_count: str = ""
    recorded_count: str = ""
    has_none: bool = False
    crimes: Sequence[Mapping[str, str]] = field(
        default_factory=lambda: [_BLANK for _ in range(CRIMES_A_LOG)]
    )
    seen: str = ""
    wants_rows: bool = False

    @property
    def problems(self) -> list[str]:
        """What the form says in two ways, or does not say at all."""
        counts = (self.due_count, self.recorded_count)
        if self.has_none and (any(count not in ("", "0") for count in counts) or self._filled):
            return ["You ticked that no crime is reported, but filled in crimes. Which is right?"]
        if not (self.has_none or any(counts) or self._filled):
            return [
                "Nothing is filled in. Tick the box if no crime is reported. Otherwise give both "
                "counts, and a row for each crime."
            ]
        return []

    @property
    def reading(self) -> Reading:
        """The reading that the form says, as the landing reads it."""
        counts = ("0", "0") if self.has_none else (self.due_count, self.recorded_count)
        crimes = [
            {**crime, "recorded_at": cell_text(crime["recorded_at"].replace("T", " "))}
            for crime in self._filled
        ]
        return Reading(*counts, crimes)

    @property
    def _filled(self) -> list[Mapping[str, str]]:
        return [crime for crime in self.crimes if any(crime.values())]


def read_typed(form: Mapping[str, Any]) -> Typed:
    """Read what was typed into the form.

    Args:
        form: Its fields; those of the first crime end with ``_1``.
    """
    numbered = (re.fullmatch(r"[a-z_]+_([1-9]\d?)", name) for name in form)
    rows = max([CRIMES_A_LOG, *(int(found[1]) for found in numbered if found)])
    wants_rows = "more" in form
    rows = min(rows + (CRIMES_A_LOG if wants_rows else 0), MOST_CRIMES)

    def typed(name: str) -> str:
        return str(form.get(name, "")).strip()[:_MOST_CHARACTERS]

    return Typed(
        due_count=typed("due_count"),
        recorded_count=typed("recorded_count"),
        has_none="none" in form,
        crimes=[
            {name: typed(f"{name}_{number}") for name in OF_CRIME} for number in range(1, rows + 1)
        ],
        seen=typed("seen"),
        wants_rows=wants_rows,
    )


def fill_form(reading: Reading | None, seen: str) -> Typed:
    """Fill the form with a reading; without one it is blank.

    Args:
        reading: What was found.
        seen: Which reading is kept now.
    """
    if reading is None:
        return Typed(seen=seen)
    blank = [_BLANK] * max(CRIMES_A_LOG - len(reading.crimes), 0)
    crimes = [
        {**crime, "recorded_at": crime["recorded_at"].replace(" ", "T")} for crime in reading.crimes
    ]
    has_none = reading.due_count == "0"
    counts = ("", "") if has_none else (reading.due_count, reading.recorded_count)
    return Typed(*counts, has_none, [*crimes, *blank], seen)
