"""Districts and agencies: who is outside chance, and what may leave an agency."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cdi import paths
from cdi.cli import app
from cdi.monitoring.districts import COLUMNS, district_rates
from cdi.quality.rules import load_suite
from cdi.quality.tables import checked_columns, derive_columns
from cdi.report.peers import compare_agencies, read_released, render_peers_page, write_peers
from cdi.sql import create_table
from tests.open_extracts import publish


def counts(recorded: list[int], due: list[int], effect: float = 1.0) -> pa.Table:
    return pa.table(
        {
            "universe": ["frame"] * len(due),
            "district": [chr(ord("A") + number) for number in range(len(due))],
            "recorded_count": recorded,
            "due_count": due,
            "design_effect": [effect] * len(due),
        }
    )


def test_a_district_that_differs_is_found_and_its_like_are_not() -> None:
    rows = district_rates(counts([60, 402, 398, 405, 400, 396], [100, *[500] * 5]), None)
    assert [row["compared"] for row in rows] == ["below", *["alike"] * 5]
    assert rows[0]["recording_rate"] == 0.6
    assert 0.6 < rows[0]["estimated_rate"] < 0.7  # drawn towards the others
    assert rows[0]["estimated_high"] < rows[0]["common_rate"]


def test_crimes_that_share_their_fate_give_wider_limits() -> None:
    plain, shared = (
        district_rates(counts([80, 84, 78, 88], [100] * 4, effect), None) for effect in (1.0, 2.0)
    )
    assert [row["effective_count"] for row in shared] == [50] * 4
    for one, other in zip(plain, shared, strict=True):
        assert one["recording_rate"] == other["recording_rate"]
        wide, narrow = (row["estimated_high"] - row["estimated_low"] for row in (other, one))
        assert wide > 1.2 * narrow


def test_large_districts_get_limits_as_narrow_as_their_numbers_allow() -> None:
    """Of 20,000 crimes the standard error is 0.28 points; a coarse grid would be wider, or off."""
    rate = np.array([0.795, 0.800, 0.805, 0.810, 0.8025, 0.7975])
    rows = district_rates(counts((20_000 * rate).astype(int).tolist(), [20_000] * 6), None)
    for row, true in zip(rows, rate.tolist(), strict=True):
        assert row["estimated_low"] < true < row["estimated_high"]
        assert 0.006 < row["estimated_high"] - row["estimated_low"] < 0.0125
        assert row["estimated_rate"] == pytest.approx(true, abs=0.0025)


def test_where_rates_are_withheld_the_counts_stand_alone() -> None:
    (row,) = district_rates(counts([8], [10]), "unknown routes")
    filled_in = {name for name, value in row.items() if value is not None}
    counts_alone = {"recorded_count", "due_count", "effective_count"}
    assert filled_in == counts_alone | {"universe", "district", "withheld_reason"}


@pytest.mark.parametrize("recorded", [[900, 700], [0, 0], [60, 700]])
def test_the_rule_finds_nothing_in_rates_as_they_are_worked_out(recorded: list[int]) -> None:
    """Where all or nothing was recorded, no limit reaches the rate that all districts have."""
    rows = district_rates(counts(recorded, [900, 700]), None)
    suite = load_suite("marts", "district_rates")
    with duckdb.connect() as con:
        create_table(con, suite.table, COLUMNS, rows)
        derive_columns(con, suite)
        broken = con.execute(
            f"select {', '.join(suite.derive)} from {checked_columns(suite)} where "
            f"{' or '.join(f'{name} is distinct from true' for name in suite.derive)}"
        )
        assert broken.fetchall() == []
    expected = ["below", "above"] if recorded == [60, 700] else ["alike", "alike"]
    assert [row["compared"] for row in rows] == expected


def test_no_mature_crime_gives_an_empty_table() -> None:
    assert len(district_rates(counts([1], [1]).slice(0, 0), None)) == 0


# ------------------------------------------------------------------------------- agencies


@pytest.fixture
def registry(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDI_AGENCIES", str(tmp_path / "agencies"))


def seven() -> None:
    """Six agencies near 80%, one at 60%."""
    for at, rate in enumerate((0.80, 0.81, 0.79, 0.805, 0.795, 0.80, 0.60)):
        publish(f"force{at}", round(5000 * rate), 5000)


@pytest.mark.usefixtures("registry")
def test_the_funnel_finds_the_agency_outside_its_limits() -> None:
    seven()
    rows = {row["agency"]: row for row in compare_agencies(read_released())}
    assert rows["force6"]["rate"] == pytest.approx(0.6)
    assert (rows["force6"]["due_count"], rows["force6"]["effective_count"]) == (5000, 4000)
    assert rows["force6"]["rate"] < rows["force6"]["low_95"]
    assert rows["force6"]["place"] != "inside"
    assert {rows[f"force{at}"]["place"] for at in range(6)} == {"inside"}
    for row in rows.values():
        assert row["low_998"] < row["low_95"] < row["target"] < row["high_95"] < row["high_998"]
        assert row["phi"] > 1  # the one that differs shows as over-dispersion too


@pytest.mark.usefixtures("registry")
def test_nothing_smaller_than_an_agency_is_told() -> None:
    seven()
    publish("tiny", 15, 19)
    publish("hidden", None, 90)
    publish("unfit", 70, 90, "too few usable codes")
    publish("new", 70, 90, quarters=())
    write_peers()
    rows = {row["agency"]: row for row in json.loads((paths.home() / "peers.json").read_text())}
    reasons = {
        "tiny": "fewer than 20",
        "hidden": "some figures withheld",
        "unfit": "too few usable codes",
        "new": "no quarter is released",
    }
    for name, reason in reasons.items():
        assert reason in rows[name]["withheld_reason"]
        figures = ("rate", "due_count", "effective_count", "z", "place")
        assert all(rows[name][figure] is None for figure in figures)
    for file in ("peers.json", "peers.html"):
        assert "secret" not in (paths.home() / file).read_text()


@pytest.mark.usefixtures("registry")
def test_only_what_was_released_is_read() -> None:
    """A version without an open extract has no peers, whatever else it holds."""
    publish("force0", 80, 100)
    restricted = paths.published("force1") / "current"
    restricted.mkdir(parents=True)
    (paths.agencies_folder() / "force1").mkdir()
    (paths.agencies_folder() / "force1" / "agency.yaml").write_text("agency: force1\n")
    (restricted / "recording.duckdb").write_bytes(b"not to be opened")
    (paths.published("force0") / "current" / "recording.duckdb").write_bytes(b"nor this")
    assert [row["agency"] for row in read_released()] == ["force0"]


@pytest.mark.usefixtures("registry")
def test_the_newest_year_of_each_is_compared() -> None:
    quarters = [f"{year}-Q{quarter}" for year in (2016, 2017) for quarter in (1, 2, 3)]
    publish("force0", 80, 100, quarters=quarters)
    (row,) = read_released()
    assert (row["first_quarter"], row["last_quarter"]) == ("2016-Q3", "2017-Q3")
    assert row["due_count"] == 400


@pytest.mark.usefixtures("registry")
def test_simulated_agencies_are_no_peers_of_real_ones() -> None:
    seven()
    publish("made_up", 9000, 10_000, simulated=True)
    rows = {row["agency"]: row for row in compare_agencies(read_released())}
    assert rows["made_up"]["target"] is None
    assert rows["force0"]["target"] == pytest.approx(5000 * (4.8 + 0.6) / (7 * 5000), abs=1e-3)


@pytest.mark.usefixtures("registry")
def test_the_page_draws_the_funnel_and_says_simulated_of_what_is() -> None:
    seven()
    publish("made_up", 9000, 10_000, simulated=True)
    page = render_peers_page(compare_agencies(read_released()))
    real, _, simulated = page.partition("Simulated agencies")
    assert "<svg" in real
    assert "1 of 7 agencies is outside the 95% limits" in real
    (said,) = re.findall(r"<desc>(.*?)</desc>", real)  # for those who cannot see the chart
    assert "force5 80.0%, inside limits; force6 60.0%, outside 99.8% limits." in said
    assert "SIMULATED" not in real.partition("<main")[2]
    assert "<svg" not in simulated
    assert "made_up (SIMULATED)" in simulated
    assert not re.findall(r'(?:src|href)="https?:', page)


@pytest.mark.usefixtures("registry")
def test_the_page_says_of_which_crimes_its_rates_are() -> None:
    seven()
    page = render_peers_page(compare_agencies(read_released()))
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "“Due” are the crimes in crime-coded logs that should have been recorded" in text
    assert "“Rate” is the share of them that was recorded." in text
    headings = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)
    assert headings[:4] == ["Agency", "Due", "Effective", "Rate"]
    assert headings[7:] == ["Agency", "Rate", "Limits", "Due", "Common rate", "Quarters"]
    assert "effective crimes</text>" in page


@pytest.mark.usefixtures("registry")
def test_a_funnel_of_simulated_agencies_is_marked_across() -> None:
    for at, recorded in enumerate((80, 82, 78, 81, 79)):
        publish(f"force{at}", 10 * recorded, 1000, simulated=True)
    page = render_peers_page(compare_agencies(read_released()))
    (svg,) = re.findall(r"<svg.*?</svg>", page, re.S)
    assert "SIMULATED</text>" in svg
    assert 'role="note"' in page


@pytest.mark.usefixtures("registry")
def test_few_agencies_give_rates_and_no_funnel() -> None:
    for at in range(4):
        publish(f"force{at}", 80, 100)
    rows: list[dict[str, Any]] = compare_agencies(read_released())
    assert all(row["rate"] == 0.8 and row["target"] is None for row in rows)
    done = CliRunner().invoke(app, ["peers"])
    assert done.exit_code == 0, done.output
    assert "No chart" in done.output
    assert "No chart" in (paths.home() / "peers.html").read_text()


def test_districts_that_recorded_all_or_nothing_have_limits_too() -> None:
    for recorded in (0, 100_000):
        for row in district_rates(counts([recorded] * 3, [100_000] * 3), None):
            assert 0 <= row["estimated_low"] < row["estimated_high"] <= 1
            assert row["compared"] == "alike"
