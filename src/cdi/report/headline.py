"""What a version says in one line, for a run's note and the index of the published pages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdi.report.figures import read_audited, read_headline, read_ranges
from cdi.report.wording import data_as_of
from cdi.shares import write_percent, write_range
from cdi.sql import connect, fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True)
class Headline:
    """The figures that a version leads with.

    Attributes:
        rate: The share of reported crime that was recorded; None if there is none.
        low: The lower end of the interval or range around it; None if there is none.
        high: The upper end.
        is_audited: Whether an audit says so, rather than software alone.
        in_time: How many suspected crimes could still be recorded in time, as of the version; None
            if no crime records are delivered, so that nobody knows which crimes lack one.
        overdue: How many were overdue; None likewise.
        as_of: Up to when the data goes, in the agency's time and in words.
    """

    rate: float | None
    low: float | None
    high: float | None
    is_audited: bool
    in_time: int | None
    overdue: int | None
    as_of: str

    @property
    def recorded(self) -> str:
        """The share in words."""
        if self.rate is not None:
            kind = "" if self.is_audited else " (estimate, not audited)"
            return f"{write_percent(self.rate)} recorded{kind}"
        if self.low is None or self.high is None:
            return "no rate yet"
        return f"{write_range(self.low, self.high)} recorded (not audited)"

    @property
    def line(self) -> str:
        """E.g. ``77.8% recorded · 62 in time · 2,585 overdue``."""
        if self.in_time is None or self.overdue is None:
            return f"{self.recorded} · no crime records are delivered"
        return f"{self.recorded} · {self.in_time:,} in time · {self.overdue:,} overdue"

    @property
    def facts(self) -> dict[str, Any]:
        """The figures for programs."""
        return {
            "recording_rate": self.rate,
            "low": self.low,
            "high": self.high,
            "is_audited": self.is_audited,
            "in_time": self.in_time,
            "overdue": self.overdue,
        }


def read_version_headline(file: Path) -> Headline:
    """Read the headline of a version.

    Args:
        file: A recording.duckdb.
    """
    with connect(file, read_only=True) as con:
        (listed,) = fetch_dicts(con, read_query(SQL / "worklist_totals.sql"))
        (release,) = fetch_dicts(con, "select as_of, timezone, crime_records_as_of from release")
        audit, ranges = read_audited(con), read_ranges(con)
        rate = read_headline(con)["standard"]["recording_rate"]
    force = audit["force"] if audit else None
    is_audited = force is not None and force["recording_rate"] is not None
    if force is not None and is_audited:
        span = force["recording_rate"], force["lower_limit"], force["upper_limit"]
    elif ranges:
        span = None, ranges[0]["low_rate"], ranges[0]["high_rate"]
    else:
        span = rate, None, None
    if release["crime_records_as_of"] is None:
        listed = {"in_time": None, "overdue": None}
    return Headline(*span, is_audited, listed["in_time"], listed["overdue"], data_as_of(release))
