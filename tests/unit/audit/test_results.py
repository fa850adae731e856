"""What a build publishes of the audits: changes between rounds, the headline, the pictures."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from scipy.stats import t as student

from cdi.audit import results
from cdi.audit.design import Options
from cdi.audit.draws import draw_audit
from cdi.audit.findings import complete_findings
from cdi.audit.intervals import change_in_points
from cdi.audit.predictions import Period
from cdi.sql import connect, create_table
from tests.audit import AT, AUDITORS, PERIOD, Force


def audit(draw_id: str, starts: int, ends: int, **columns: Any) -> dict[str, Any]:
    """An audit of months of 2017."""
    return {
        "draw_id": draw_id,
        "universe": "frame",
        "period_start": datetime(2017, starts, 1).isoformat(),
        "period_end": datetime(2017, ends, 1).isoformat(),
        "drawn_at": datetime(2017, 12, 1).isoformat(),
        "withheld_reason": None,
        "is_headline": False,
        **columns,
    }


def rate(draw_id: str, middle: float, low: float, high: float) -> dict[str, Any]:
    limits = {"recording_rate": middle, "lower_limit": low, "upper_limit": high}
    return {"draw_id": draw_id, "domain": "force", **limits}


def test_a_change_has_the_limits_of_newcombe() -> None:
    """The published case: 56/70 less 48/80 is 0.2000, limits 0.0524 and 0.3339.

    Newcombe (1998), Statistics in Medicine 17, 873-890, method 10, from the limits of Wilson.
    """
    change = change_in_points((0.6, 0.4904, 0.7004), (0.8, 0.6918, 0.8774))
    assert change["change_points"] == pytest.approx(20)
    assert change["lower_limit"] == pytest.approx(5.24, abs=0.05)
    assert change["upper_limit"] == pytest.approx(33.39, abs=0.05)


@pytest.mark.parametrize("rate_of_all", [0, 1])
def test_a_census_that_found_all_or_nothing_recorded_tells_its_rate(
    state: Path, rate_of_all: int
) -> None:
    force = Force(120, 2)
    force.recorded = force.due * rate_of_all
    options = Options(120, double_blind=0)
    draw = draw_audit("sample", "v1", PERIOD, force.frame, options, AUDITORS, AT, seed=1)
    findings = complete_findings(draw, *force.audited(draw))
    (whole, *_) = results.estimate_rates(draw, findings)
    assert whole["recording_rate"] == rate_of_all
    assert whole["audited_share"] == 1
    assert 0 <= whole["lower_limit"] < whole["upper_limit"] <= 1
    base = {"force": {"recorded": 100, "months": 12.0}}
    row = results._add_unrecorded(whole, {"draw_id": draw.draw_id, "universe": "frame"}, base)
    total = [row[f"unrecorded_year_{name}"] for name in ("count", "lower", "upper")]
    # of a force that records nothing, how much that is cannot be told from what it recorded
    assert total == ([0, 0, 3] if rate_of_all else [None] * 3)
    before = {**whole, "draw_id": "before"}
    audits = [audit("before", 1, 4), audit(draw.draw_id, 4, 7)]
    (change,) = results._list_changes(audits, [before, {**whole, "draw_id": draw.draw_id}])
    assert change["change_points"] == 0


@pytest.mark.parametrize("rate_of_all", [0, 1])
def test_a_sample_that_found_all_or_nothing_recorded_tells_its_rate(
    state: Path, rate_of_all: int
) -> None:
    """The limit is the n-th root of 0.025, n being what the logs with a crime are worth."""
    force = Force()
    force.recorded = force.due * rate_of_all
    draw = draw_audit("sample", "v1", PERIOD, force.frame, Options(400), AUDITORS, AT, seed=1)
    draw = force.read_twice(draw)
    findings = complete_findings(draw, *force.audited(draw))
    (whole, *_) = results.estimate_rates(draw, findings)
    assert whole["withheld_reason"] is None
    assert whole["recording_rate"] == rate_of_all
    weights = [
        draw.facts["population"][h] / draw.facts["audited"][h]
        for h in draw.strata.of_log[draw.positions[force.due[draw.positions] > 0]].tolist()
    ]
    worth = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    assert whole["effective_crimes"] == pytest.approx(worth)
    counts = force.due[draw.positions[force.due[draw.positions] > 0]].tolist()
    in_frame = sum(count * weight for count, weight in zip(counts, weights, strict=True))
    assert whole["audited_share"] == pytest.approx(sum(counts) / in_frame)
    assert 30 < worth < whole["audited_crimes"]
    degrees = whole["degrees_of_freedom"]
    size = worth * (student.ppf(0.975, worth - 1) / student.ppf(0.975, degrees)) ** 2
    far = 0.025 ** (1 / size)
    limits = (far, 1) if rate_of_all else (0, 1 - far)
    assert (whole["lower_limit"], whole["upper_limit"]) == pytest.approx(limits)


def test_a_change_is_told_since_the_last_period_that_ended_before() -> None:
    audits = [
        audit("q1", 1, 4),
        audit("q1_again", 1, 4, drawn_at=datetime(2018, 1, 1).isoformat()),
        audit("q2", 4, 7),
        audit("half", 3, 7),  # it has days of the first quarter
        audit("all", 4, 7, universe="all"),
        audit("q3", 7, 10, withheld_reason="incomplete"),
    ]
    rates = [rate(row["draw_id"], 0.8, 0.7, 0.9) for row in audits]
    changes = list(results._list_changes(audits, rates))
    assert [(row["before_draw_id"], row["draw_id"]) for row in changes] == [("q1_again", "q2")]


def test_the_report_leads_with_the_newest_period_of_the_frame() -> None:
    audits = [
        audit("q1", 1, 4),
        audit("q2", 4, 7),
        audit("all", 7, 10, universe="all"),
        audit("q3", 7, 10, withheld_reason="incomplete"),
    ]
    rates = [rate(row["draw_id"], 0.8, 0.7, 0.9) for row in audits]
    results._mark_headline(audits, rates)
    assert [row["draw_id"] for row in audits if row["is_headline"]] == ["q2"]


def test_an_audit_without_a_rate_does_not_take_the_place_of_one_with_a_rate() -> None:
    """Its own rate of the force is withheld, though that of a part may be shown."""
    small = [{**rate("q2", 0.8, 0.7, 0.9), "recording_rate": None}]
    small.append({**rate("q2", 0.8, 0.7, 0.9), "domain": "rape"})
    audits = [audit("q1", 1, 4), audit("q2", 4, 7)]
    results._mark_headline(audits, [rate("q1", 0.8, 0.7, 0.9), *small])
    assert [row["draw_id"] for row in audits if row["is_headline"]] == ["q1"]
    alone = [audit("q2", 4, 7)]
    results._mark_headline(alone, small)
    assert alone[0]["is_headline"]


def test_a_period_is_named_by_local_days() -> None:
    """The first of April in London begins at 23:00 UTC the day before."""
    summer = Period("frame", datetime(2017, 3, 31, 23), datetime(2017, 6, 30, 23))
    assert summer.name == "frame_20170401_20170701"
    assert summer.overlaps("frame_20170101_20170402")
    assert not summer.overlaps("frame_20170101_20170401")
    assert not summer.overlaps("all_20170101_20170501")


DRAWN = datetime(2017, 9, 1)


def create_records(con: duckdb.DuckDBPyConnection, records: list[dict[str, Any]]) -> None:
    """The tables that the recorded crime of a year is counted from: thefts."""
    for schema in ("staging", "codes", "rules"):
        con.execute(f"create schema {schema}")
    con.execute("create table codes.offences as select 'T' as code, 'theft' as offence_group")
    con.execute(
        "create table rules.offence_groups as select 'theft' as offence_group, true as is_headline"
    )
    times = ("reported_at", "recorded_at", "occurred_at", "cancelled_at")
    columns = dict.fromkeys(times, "TIMESTAMP") | {
        "offence_code": "VARCHAR",
        "status_code": "VARCHAR",
        "is_withdrawn": "BOOLEAN",
    }
    defaults = dict.fromkeys(columns) | {"offence_code": "T", "is_withdrawn": False}
    create_table(con, "staging.stg_crime_records", columns, [defaults | row for row in records])


def test_what_was_recorded_or_cancelled_after_the_draw_does_not_count(state: Path) -> None:
    """A miss that is put right does not raise the total that the audited rate is applied to.

    At a rate of 80% 20 records mean 5 misses; with the misses put right among the records it would
    be 6.
    """
    before, after, late = datetime(2017, 6, 1), datetime(2017, 9, 20), datetime(2017, 9, 1, 12)
    reported = {"reported_at": datetime(2017, 3, 31)}
    records: list[dict[str, Any]] = [
        *([reported | {"recorded_at": before}] * 17),
        reported,  # of which it is not known when it was recorded
        # cancelled since: as the draw knew it, it was a record
        reported | {"recorded_at": before, "status_code": "X", "cancelled_at": after},
        # in the minute in which the data ended
        reported | {"recorded_at": late},
        # cancelled before, or nobody knows when
        reported | {"recorded_at": before, "status_code": "X", "cancelled_at": before},
        reported | {"recorded_at": before, "status_code": "X"},
        *([reported | {"recorded_at": after}] * 4),
        reported | {"recorded_at": late + timedelta(minutes=1)},
        {"reported_at": datetime(2015, 3, 31), "recorded_at": before},  # so a year is covered
    ]
    known_before = results._end_of_knowledge("20170901T1200-0123456789")
    with connect() as con:
        create_records(con, records)
        year = results._count_recorded_year(con, "2017-07-01", known_before, ["X"])
    assert year["force"] == {"domain": "force", "recorded": 20, "months": 12}
    rate_row = rate("a", 0.8, 0.7, 0.9)
    row = results._add_unrecorded(rate_row, {"draw_id": "a", "universe": "frame"}, year)
    assert row["unrecorded_year_count"] == 5


@pytest.mark.parametrize(
    ("older", "recent", "months", "recorded"),
    [
        (1, 20, 12.0, 20),  # a small agency with a long history
        (0, 20, 92 / (365.25 / 12), 79),  # three months are all there is
        (1, 199, 92 / (365.25 / 12), 790),  # a stray old date in a history of three months
    ],
)
def test_records_before_the_year_say_that_all_of_it_is_covered(
    older: int, recent: int, months: float, recorded: int
) -> None:
    dates = ["2015-03-01"] * older + ["2017-03-31"] * recent
    with connect() as con:
        create_records(con, [{"reported_at": day} for day in dates])
        year = results._count_recorded_year(con, "2017-07-01", DRAWN, [])
        summer = results._count_recorded_year(con, "2017-06-30 23:00", DRAWN, [])
    for domain in ("force", "theft"):
        assert year[domain]["recorded"] == recorded
        assert year[domain]["months"] == pytest.approx(months)
        # the local day ends at 23:00 UTC, and only an hour is missing, not a day
        hour_less = months if months == 12 else months - 1 / 24 / (365.25 / 12)
        assert summer[domain]["months"] == pytest.approx(hour_less)
