"""`make attack` from an empty state folder: two releases of a simulated force, attacked."""

import json
from typing import Any

import duckdb
import pytest

from tests.slow.conftest import SCENARIOS, proof

DISTRICTS, MONTHS, GROUPS = 8, 12, 11


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("attack")
    scenario = str(SCENARIOS / "fifth")
    done = proof("attack", "--scenario", scenario, "--seed", "33", home=home, seconds=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED" in done.stdout
    made: dict[str, Any] = json.loads((home / "attack.json").read_text())
    assert made["is_simulated"]
    made["home"] = home
    return made


def test_two_releases_a_quarter_apart_hold_the_year(attacked: dict[str, Any]) -> None:
    year = ["2016-Q2", "2016-Q3", "2016-Q4", "2017-Q1"]
    assert attacked["releases"] == [year[:3], year]
    assert attacked["cells"] == DISTRICTS * MONTHS * GROUPS


def test_nothing_withheld_is_recovered_or_known_to_be_small(attacked: dict[str, Any]) -> None:
    assert attacked["suppressed"] > 1_000
    assert attacked["recovered"] == 0
    assert attacked["told_small"] == 0


def test_every_format_and_page_was_read_and_has_no_other_number(attacked: dict[str, Any]) -> None:
    assert attacked["formats"] == ["duckdb", "parquet", "csv"]
    assert attacked["changed"] == 0  # no format and no release shows another count
    assert attacked["unreleased_numbers"] == [{}, {}]


def test_the_same_attack_breaks_what_is_withheld_without_others_beside_it(
    attacked: dict[str, Any],
) -> None:
    of = attacked["suppressed_without_suppression"]
    assert 0 < of < attacked["suppressed"]
    assert attacked["recovered_without_suppression"] > of / 2


def test_releases_do_not_differ_and_would_if_quarters_were_not_kept(
    attacked: dict[str, Any],
) -> None:
    kept, anew = attacked["between_releases"], attacked["without_keeping"]
    assert kept["counts_in_both"] == anew["counts_in_both"] > 3_000
    assert (kept["shown_in_one"], kept["changed"]) == (0, 0)
    assert anew["shown_in_one"] > 0
    assert anew["changed_by_a_small_count"] > 0


def test_half_of_what_is_due_is_shown_cell_by_cell(attacked: dict[str, Any]) -> None:
    """Withholding everything would be safe too: most cells tell how much crime was due."""
    current = attacked["home"] / "attack" / "published" / "simulated" / "current"
    with duckdb.connect(str(current / "open" / "open.duckdb"), read_only=True) as con:
        shown, of = con.execute(
            "select count(due_count), count(*) from crimes "
            "where month <> 'all' and district <> 'all' and offence_group <> 'all'"
        ).fetchall()[0]
    assert of == DISTRICTS * MONTHS * GROUPS
    assert shown > of / 2
