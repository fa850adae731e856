"""What a check of a source says: a line in plain English that names file, key and fix."""

from dataclasses import dataclass
from typing import Literal

from cdi.shares import write_percent

SETTINGS = "agency.yaml"
MOST_REFUSED = 0.05  # of the rows of a file; above, FILE-03 stops it
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


def describe_refused(refused: dict[str, int], row_count: int) -> str:
    """Say how many rows of a file cannot be read, and by which rules.

    Args:
        refused: How many rows, by rule; at least one.
        row_count: How many rows could be read.
    """
    count = sum(refused.values())
    rules = ", ".join(f"{rule_id}: {number:,}" for rule_id, number in refused.items())
    return f"{write_share(count, count + row_count)} of the rows cannot be read ({rules})"


def fix_refused(refused: dict[str, int]) -> str:
    """Say what to do about rows that cannot be read.

    Args:
        refused: How many rows, by rule; at least one.
    """
    if "READ-ENCODING" in refused:
        return "set `encoding` of the source in agency.yaml, or have the file delivered as UTF-8"
    return "see in docs/rules.md what these rules refuse, and have the file delivered without it"


def judge_refused(count: int, total: int) -> Level:
    """Say whether a run would stop for so many refused rows of a file (FILE-03).

    Args:
        count: How many rows are refused.
        total: How many rows the file has.
    """
    return "stop" if count > MOST_REFUSED * total else "look"


def write_share(count: int, total: int) -> str:
    """A share in per cent, with its two numbers."""
    return f"{write_percent(count / total if total else 0.0)} ({count:,} of {total:,})"
