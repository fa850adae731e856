"""What the pages of the open extract say besides its tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdi.agency.model import Owner
from cdi.open_extract.blocks import Quarter


@dataclass(frozen=True)
class About:
    """What the pages say besides the tables; none of it is a count.

    Attributes:
        limits: The limits of this release, as from `write.read_disclosure_limits`.
        upcoming: The quarters that are released next, the first one first.
        contact: Who answers questions of the public; None if nobody is named.
        before: The folder ``open/`` of the release before; None if there is none.
        may_release: Whether an audit has taught the software, so that quarters may be released.
        held_back: The quarters that are whole and settled and wait for that.
    """

    limits: Mapping[str, int]
    upcoming: tuple[Quarter, ...] = ()
    contact: Owner | None = None
    before: Path | None = None
    may_release: bool = True
    held_back: tuple[Quarter, ...] = ()

    @property
    def wait(self) -> str:
        """Why no quarter is released now, and what ends the wait; blank if quarters may be."""
        if self.may_release:
            return ""
        sentence = (
            "No new quarter is released before the software has learnt from an audit how crimes "
            "are reported in this agency’s logs. Until then its counts are far from the truth, and "
            "a released quarter does not change. An agency that is never audited releases none."
        )
        if self.held_back:
            names = ", ".join(quarter.name for quarter in self.held_back)
            sentence += (
                f" Settled, and waiting for this: {names}. The first version after the software "
                "has learnt releases what waits."
            )
        return sentence

    @property
    def protections(self) -> list[str]:
        """How small numbers are protected, in sentences."""
        return [
            f"Counts from 1 to {self.limits['smallest_count'] - 1} are withheld. So are some "
            "larger counts, because sums and differences would otherwise give the small ones away.",
            "Where a count is withheld, its cell is empty (null). It does not mean zero.",
            "Zeros are shown in the table crimes. In the other tables zeros are withheld, except "
            "where there was nothing to count.",
            f"Rates are shown only of {self.limits['smallest_denominator']} crimes or more, and to "
            "the whole percent.",
            "Rape, domestic abuse and reported incidents of rape (N100) are shown by quarter and "
            "for the whole agency only.",
            "There is no place below the district, no day of a crime, no reference, no text and no "
            "name of a person.",
            f"A quarter is released once, {self.limits['maturity_days']} days after its end, and "
            "is not counted again. Otherwise the difference between two releases would show small "
            "numbers.",
            "If the agency raises its limits, the quarters that it released before keep the lower "
            "ones (smallest_count in the table quarters).",
        ]
