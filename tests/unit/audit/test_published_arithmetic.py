"""What HMICFRS published about unrecorded crime comes out of the formula that the mart uses.

The formula is the macro itself, rendered here; the figures are those that were published.
"""

import csv
import gzip
import io
from datetime import date

import duckdb
import jinja2
import pytest

from cdi import paths

SHARED = paths.REPO.parent / "shared"
RATES = SHARED / "reference" / "hmicfrs_recording_rates.csv"
COUNTS = SHARED / "data" / "uk" / "prc-pfa-201718_new.csv.gz"
YEAR = (date(2017, 4, 1), date(2018, 4, 1))  # financial year 2017/18


def unrecorded(recorded: float, rate: float) -> float:
    """The macro `unrecorded_count`, evaluated by DuckDB."""
    text = (paths.DBT_PROJECT / "macros" / "unrecorded_count.sql").read_text(encoding="utf-8")
    macros = jinja2.Environment(autoescape=True).from_string(text).module
    sql = macros.unrecorded_count("$n", "$p")  # type: ignore[attr-defined]
    with duckdb.connect() as con:
        row = con.execute(f"select {sql}", {"n": recorded, "p": rate}).fetchone()
    assert row is not None
    return float(row[0])


@pytest.mark.parametrize(
    ("recorded", "rate", "over"),
    [
        (37_359, 0.801, 9_200),  # North Yorkshire, year to June 2017
        (9_876, 0.749, 3_300),  # of it violence
        (279_093, 0.777, 80_100),  # Greater Manchester, year to June 2020
    ],
)
def test_published_totals_round_down_to_what_was_printed(
    recorded: int, rate: float, over: int
) -> None:
    assert unrecorded(recorded, rate) // 100 * 100 == over


def test_the_base_year_matters() -> None:
    """With the years that end three months before and after, another figure would be printed."""
    assert unrecorded(36_683, 0.801) // 100 * 100 == 9_100
    assert unrecorded(37_573, 0.801) // 100 * 100 == 9_300


def additional(recorded: int, rate: float, before: float) -> float:
    """What better recording adds a year: recorded now, less what the rate before had recorded."""
    return recorded - before * (recorded + unrecorded(recorded, rate))


def test_the_6100_crimes_of_the_reinspection_lie_between_two_published_years() -> None:
    low, high = additional(43_762, 0.928, 0.801), additional(45_211, 0.928, 0.801)
    assert (round(low), round(high)) == (5_989, 6_187)
    assert low < 6_100 < high


def audits_of_the_year() -> dict[str, tuple[float, float]]:
    """Force: rate and unrecorded crime, of audits at least half of whose period is in the year."""
    if not RATES.is_file() or not COUNTS.is_file():
        pytest.skip("the published rates and counts (../shared) are not on this machine")
    found = {}
    with RATES.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            needed = (row["rate_all"], row["unrecorded_per_year"])
            if not all(needed) or len(row["audit_period"]) != len("2017-01-01/2017-06-30"):
                continue
            first, last = map(date.fromisoformat, row["audit_period"].split("/"))
            within = (min(last, YEAR[1]) - max(first, YEAR[0])).days
            if within >= (last - first).days / 2 - 1:
                found[row["force"]] = float(needed[0]) / 100, float(needed[1])
    return found


def recorded_in_the_year() -> dict[str, int]:
    """Home Office counts by force, fraud left out."""
    counted: dict[str, int] = {}
    with gzip.open(COUNTS, "rb") as handle:
        for row in csv.DictReader(io.TextIOWrapper(handle, encoding="utf-8")):
            if row["Offence_Group"] != "Fraud offences":
                number = int(float(row["Number_of_Offences"] or 0))
                counted[row["Force_Name"]] = counted.get(row["Force_Name"], 0) + number
    return counted


def test_the_base_that_each_audit_implies_is_the_home_offices_count() -> None:
    audits, counts = audits_of_the_year(), recorded_in_the_year()
    assert len(audits) == 12
    off = {}
    for force, (rate, published) in audits.items():
        (name,) = [name for name in counts if name.startswith(force)]
        off[force] = published / unrecorded(counts[name], rate) - 1
    # its audit year ended nine months before the Home Office's, and recorded crime was rising
    assert round(off.pop("Durham"), 2) == -0.17
    assert max(map(abs, off.values())) < 0.08, off
