"""Districts and agencies: who is outside chance, and what may leave an agency."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cdi import paths
from cdi.audit import districts, peers
from cdi.cli import app
from cdi.sql import connect


def counts(recorded: list[int], due: list[int], effect: float = 1.0) -> pa.Table:
    return pa.Table.from_pylist([
        {"universe": "frame", "district": chr(65 + at), "recorded_count": k, "due_count": n,
         "design_effect": effect}
        for at, (k, n) in enumerate(zip(recorded, due, strict=True))
    ])  # fmt: skip


def test_a_district_that_differs_is_found_and_its_like_are_not() -> None:
    made = districts.table(counts([60, 402, 398, 405, 400, 396], [100, *[500] * 5]), None)
    assert [row["compared"] for row in made] == ["below", *["alike"] * 5]
    assert made[0]["recording_rate"] == 0.6
    assert 0.6 < made[0]["estimated_rate"] < 0.7  # drawn towards the others
    assert made[0]["estimated_high"] < made[0]["common_rate"]


def test_crimes_that_share_their_fate_give_wider_limits() -> None:
    plain, shared = (
        districts.table(counts([80, 84, 78, 88], [100] * 4, effect), None) for effect in (1.0, 2.0)
    )
    assert [row["effective_count"] for row in shared] == [50] * 4
    for one, other in zip(plain, shared, strict=True):
        assert one["recording_rate"] == other["recording_rate"]
        wide, narrow = (row["estimated_high"] - row["estimated_low"] for row in (other, one))
        assert wide > 1.2 * narrow


def test_large_districts_get_limits_as_narrow_as_their_numbers_allow() -> None:
    """Of 20,000 crimes the standard error is 0.28 points; a coarse grid would be wider, or off."""
    rate = np.array([0.795, 0.800, 0.805, 0.810, 0.8025, 0.7975])
    made = districts.table(counts((20_000 * rate).astype(int).tolist(), [20_000] * 6), None)
    for row, true in zip(made, rate.tolist(), strict=True):
        assert row["estimated_low"] < true < row["estimated_high"]
        assert 0.006 < row["estimated_high"] - row["estimated_low"] < 0.0125
        assert row["estimated_rate"] == pytest.approx(true, abs=0.0025)


def test_where_rates_are_withheld_the_counts_stand_alone() -> None:
    (row,) = districts.table(counts([8], [10]), "unknown routes")
    told = {name for name, value in row.items() if value is not None}
    assert told == {"universe", "district", "recorded_count", "due_count", "effective_count",
                    "withheld_reason"}  # fmt: skip


def test_no_mature_crime_gives_an_empty_table() -> None:
    assert len(districts.table(counts([1], [1]).slice(0, 0), None)) == 0


# ------------------------------------------------------------------------------- agencies


def publish(name: str, parts: list[tuple[int, int, str | None]], *, simulated: bool) -> None:
    """A version of an agency that holds what `cdi peers` reads, and what it must not tell."""
    folder = paths.published(name) / "current"
    folder.mkdir(parents=True)
    (folder / "version.json").write_text("{}")
    agency = paths.agencies_folder() / name
    agency.mkdir(parents=True)
    (agency / "agency.yaml").write_text(f"agency: {name}\n")
    with connect(folder / "recording.duckdb") as con:
        con.execute(
            "create table release as select $name as agency_name, $simulated as is_simulated, "
            "$as_of as as_of",
            {"name": name, "simulated": simulated, "as_of": datetime(2017, 7, 1)},
        )
        con.execute(
            "create table district_rates (universe varchar, district varchar, "
            "recorded_count bigint, due_count bigint, effective_count double, "
            "withheld_reason varchar)"
        )
        for at, (recorded, due, reason) in enumerate(parts):
            for universe in ("frame", "all"):
                con.execute(
                    "insert into district_rates "
                    "values ($universe, $district, $k, $n, $n_eff, $why)",
                    {"universe": universe, "district": f"{name}-secret-{at}", "k": recorded,
                     "n": due, "n_eff": due / 1.25, "why": reason},
                )  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDI_AGENCIES", str(tmp_path / "agencies"))


def seven() -> None:
    """Six agencies near 80%, one at 60%; two districts each."""
    for at, rate in enumerate((0.80, 0.81, 0.79, 0.805, 0.795, 0.80, 0.60)):
        share = round(2500 * rate)
        publish(f"force{at}", [(share, 2500, None), (share, 2500, None)], simulated=False)


@pytest.mark.usefixtures("registry")
def test_the_funnel_finds_the_agency_outside_its_limits() -> None:
    seven()
    rows = {row["agency"]: row for row in peers.compare(peers.read())}
    assert rows["force6"]["rate"] == pytest.approx(0.6)
    assert (rows["force6"]["due_count"], rows["force6"]["effective_count"]) == (5000, 4000)
    assert rows["force6"]["rate"] < rows["force6"]["low_95"]
    assert rows["force6"]["place"] != "inside"
    assert {rows[f"force{at}"]["place"] for at in range(6)} == {"inside"}
    for row in rows.values():
        assert row["low_998"] < row["low_95"] < row["target"] < row["high_95"] < row["high_998"]
        assert row["phi"] > 1  # the one that differs shows as over-dispersion too


@pytest.mark.usefixtures("registry")
def test_nothing_smaller_than_an_agency_leaves_it() -> None:
    seven()
    publish("tiny", [(7, 9, None)], simulated=False)
    publish("unfit", [(70, 90, "too few usable codes")], simulated=False)
    peers.write()
    text = (paths.home() / "peers.json").read_text()
    assert "secret" not in text
    rows = {row["agency"]: row for row in json.loads(text)}
    for name, said in (("tiny", "fewer than 10"), ("unfit", "too few usable codes")):
        assert said in rows[name]["withheld_reason"]
        figures = ("rate", "due_count", "effective_count", "z", "place")
        assert all(rows[name][figure] is None for figure in figures)


@pytest.mark.usefixtures("registry")
def test_simulated_agencies_are_no_peers_of_real_ones() -> None:
    seven()
    publish("made_up", [(9000, 10_000, None)], simulated=True)
    rows = {row["agency"]: row for row in peers.compare(peers.read())}
    assert rows["made_up"]["target"] is None
    assert rows["force0"]["target"] == pytest.approx(5000 * (4.8 + 0.6) / (7 * 5000), abs=1e-3)


@pytest.mark.usefixtures("registry")
def test_few_agencies_give_rates_and_no_funnel() -> None:
    for at in range(4):
        publish(f"force{at}", [(80, 100, None)], simulated=False)
    rows: list[dict[str, Any]] = peers.compare(peers.read())
    assert all(row["rate"] == 0.8 and row["target"] is None for row in rows)
    done = CliRunner().invoke(app, ["peers"])
    assert done.exit_code == 0, done.output
    assert "No funnel" in done.output


def test_districts_that_recorded_all_or_nothing_have_limits_too() -> None:
    for recorded in (0, 100_000):
        for row in districts.table(counts([recorded] * 3, [100_000] * 3), None):
            assert 0 <= row["estimated_low"] < row["estimated_high"] <= 1
