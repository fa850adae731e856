"""What the worklist of a small force is expected to hold, against what is true of it."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.make import build_file
from cdi.build.version import plan_version
from cdi.local.run import default_interval
from cdi.sql import fetch_dicts, read_query
from cdi.steps.run import land_directly
from cdi.steps.train import learn_missing
from cdi.variant import Variant
from cdi_force.generate import ensure_force
from cdi_proofs import scorecard

# A force of 60,000 logs a year. Nothing was chosen by looking at it: rules.miss_shifts was measured
# on others.
SMALL = Variant("hard_force", 4, 5)


@pytest.fixture(scope="module")
def yields(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """The parts of the list by name: what is expected of each, and how many are true."""
    with pytest.MonkeyPatch.context() as patch, SMALL.selected():
        patch.setenv("CDI_HOME", str(tmp_path_factory.mktemp("small_force")))
        patch.delenv("CDI_DATA", raising=False)
        ensure_force()
        agency = load_agency(paths.SIMULATED)
        land_directly(paths.SIMULATED, default_interval(agency))
        learn_missing(paths.SIMULATED)
        with duckdb.connect(str(build_file(plan_version(agency)))) as con:
            for name in ("logs", "crimes"):
                con.from_parquet(str(paths.truth() / f"{name}.parquet")).create_view(
                    f"truth_{name}"
                )
            con.execute(read_query(scorecard.SQL / "judged_rows.sql"))
            query = read_query(scorecard.SQL / "scorecard_yield.sql")
            yield {row["reading_part"]: row for row in fetch_dicts(con, query)}


def test_a_small_force_reads_as_many_logs_as_its_size_lets_expect(
    yields: dict[str, dict[str, Any]],
) -> None:
    # 60,000 logs a year; Gloucestershire's 140,000 had 400 read in a month. Four months are no
    # year: in summer more people call.
    assert yields["now"]["log_count"] == pytest.approx(60_000 / 140_000 * 400, rel=0.1)


def test_what_is_expected_of_each_part_holds(yields: dict[str, dict[str, Any]]) -> None:
    assert list(yields) == ["now", "likely", "possible"]
    for part in yields.values():
        assert part["row_count"] > 150 and 0 < part["true_count"] < part["row_count"]
        # The limits are of 95%. Two thirds farther out chance alone goes once in a thousand times.
        half_width = (part["upper_limit"] - part["lower_limit"]) / 2
        assert abs(part["true_count"] - part["expected_count"]) < 5 / 3 * half_width
        assert part["lower_limit"] < part["expected_count"] < part["upper_limit"]


def test_a_log_that_is_read_now_holds_more_than_one_that_is_left(
    yields: dict[str, dict[str, Any]],
) -> None:
    found, expected = (
        [part[count] / part["log_count"] for part in yields.values()]
        for count in ("true_count", "expected_count")
    )
    assert found == sorted(found, reverse=True)
    assert expected == sorted(expected, reverse=True)
