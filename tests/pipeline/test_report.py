"""The report of a small agency whose newest weeks are not completed."""

import re
from datetime import date, timedelta

import duckdb

from cdi import paths
from cdi.monitoring.weeks import COLUMNS
from cdi.steps.build import check_marts, write_report
from tests.conftest import SmallAgency

FIRST = date(2017, 1, 2)
REASON = "no nowcast: delays have changed, as records come in later than before"


def put_weeks(small: SmallAgency) -> None:
    """Put forty weeks into the built file; since the thirty-first the delays are others."""
    rows = []
    for week, count in [*((week, 1) for week in range(40)), (32, 8)]:
        has_changed = week > 30
        nowcast = (None, None, None) if has_changed else (0.8, 0.79, 0.81)
        described = {
            "universe": "frame",
            "reported_week_on": FIRST + timedelta(weeks=week),
            "week_count": count,
            "is_mature": week < 35 and count == 1,
            "recorded_count": 77 * count,
            "due_count": 100 * count,
            "rate_so_far": 0.77,
            **dict(zip(("nowcast_rate", "nowcast_low", "nowcast_high"), nowcast, strict=True)),
            "has_changed_delays": has_changed,
            "withheld_reason": REASON if has_changed else None,
        }
        rows.append([described.get(name) for name in COLUMNS])
    with duckdb.connect(str(small.built_file)) as con:
        con.execute("delete from measures.weekly_rates")
        places = ", ".join("?" for _ in COLUMNS)
        con.executemany(f"insert into measures.weekly_rates values ({places})", rows)


def test_where_delays_have_changed_the_report_says_what_is_recorded_and_why_no_more(
    built: SmallAgency,
) -> None:
    check_marts("testville", built.built)
    put_weeks(built)
    write_report("testville", built.built)
    page = (paths.published("testville") / ".next" / "report.html").read_text(encoding="utf-8")
    _, _, by_week = page.partition('<h2 id="weeks">')
    by_week, _, _ = by_week.partition("<h2")
    text = " ".join(re.sub(r"<[^>]+>", " ", by_week).split())
    assert "reported in the last eight weeks 77.0% are recorded so far." in text
    assert "How many will be recorded in the end is not told." in text
    assert "expected to be recorded" not in text
    assert f"{REASON.capitalize()}." in text
    assert "rates without limits will still rise" in text
    assert text.count("delays have changed") == 9 + 1  # the weeks of the table, and the reason
