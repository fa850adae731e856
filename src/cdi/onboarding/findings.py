"""What a check of a source says: a line in plain English that names file, key and fix."""

from dataclasses import dataclass
from typing import Literal

SETTINGS = "agency.yaml"
# `stop`: an extraction would stop; `look`: a person should look at it; `fine`: it is as it should
# be, or a figure that nobody but a person can judge.
Level = Literal["fine", "look", "stop"]


@dataclass(frozen=True)
class Finding:
    """The answer to a question about a source.

    Attributes:
        level: See `Level`.
        key: The key of the file, or the code map's column, that the answer is about.
        told: The answer, with figures; never a value of a person.
        fix: The next step; blank if there is none.
        file: Name of the file in the agency's folder.
    """

    level: Level
    key: str
    told: str
    fix: str = ""
    file: str = SETTINGS

    @property
    def line(self) -> str:
        """The answer as a line; a database's message may have several."""
        fix = f"; next step: {self.fix}" if self.fix else ""
        return " ".join(f"{self.level} {self.file}: {self.key}: {self.told}{fix}".split())


def count_rows(count: int, noun: str = "row") -> str:
    """A number with its noun: `1 row`, `2,000 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def write_share(count: int, total: int) -> str:
    """A share in per cent, with its two numbers; a few are never rounded to none."""
    share = count / total if total else 0.0
    percent = "less than 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
    return f"{percent} ({count:,} of {total:,})"
