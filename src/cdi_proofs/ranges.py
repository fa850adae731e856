"""Ranges before a first audit: does each hold the true rate, and is no rate shown beside them?

A force that was never audited has nothing that teaches the software, and its uncorrected rate is
far too low. So its report leads with no rate and shows the range of `recording_range`. Here forces
whose truth is known are simulated without the audit of the year before and put through the
pipeline. The ranges are compared with the true rates of the scorecard, and report and summary are
searched for a rate.
"""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.files import write_json, write_text
from cdi.report.figures import read_summary, summary_text
from cdi.sql import connect, fetch_dicts
from cdi.variant import Variant
from cdi_proofs.compared import compare_with_truth
from cdi_proofs.published import publish_alone
from cdi_proofs.scorecard import compare_rates

SCENARIOS = (
    *("calibrated_2014", "calibrated_2017", "calibrated_2019"),
    *("foreign_words", "other_law", "hard_force"),
)
MONTHS = 12
PROCESSES = 2
NEVER_AUDITED = "extends: {scenario}\naudit: {{frame: 0, others: 0}}\n"


def run_ranges(
    scenarios: Sequence[str], say_progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """Publish forces that were never audited, and compare their ranges with the truth.

    Figures also go to ``<state>/ranges.json``.

    Args:
        scenarios: Names or folders of scenarios; of each its `audit` is left out.
        say_progress: Is told how many forces are done, and of how many.

    Returns:
        One row per scenario, universe and group, as from `compare_ranges`, with `rates_shown`: the
        uncorrected rates that the force's pages show all the same.
    """
    seed = Variant.chosen().seed
    homes = [paths.home() / "ranges" / f"{Path(name).name}-{seed}" for name in scenarios]
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        jobs = zip(homes, scenarios, [seed] * len(homes), strict=True)
        found = pool.map(_compare_force, *zip(*jobs, strict=True))
        for done, (name, rows_of_force) in enumerate(zip(scenarios, found, strict=True), start=1):
            force = {"scenario": Path(name).name, "seed": seed}
            rows += [{**force, **row} for row in rows_of_force]
            say_progress(done, len(homes))
    write_json(paths.home() / "ranges.json", {"is_simulated": True, "ranges": rows})
    return rows


def _compare_force(home: Path, scenario: str, seed: int) -> list[dict[str, Any]]:
    """Publish one force that was never audited in a state folder of its own, and compare it."""
    variant = Variant(str(write_never_audited(home, scenario)), MONTHS, seed)
    with publish_alone(home, variant) as published:
        shown = find_rates(published)
        rows = compare_ranges(published / "recording.duckdb", paths.truth())
    return [{**row, "rates_shown": shown} for row in rows]


def write_never_audited(home: Path, scenario: str) -> Path:
    """Write the scenario of a force that is as another one, and was never audited.

    Args:
        home: A folder; it need not be there.
        scenario: Name or folder of the other one.

    Returns:
        The scenario's folder.
    """
    folder = home / "never_audited" / Path(scenario).name
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "scenario.yaml", NEVER_AUDITED.format(scenario=scenario))
    return folder


def compare_ranges(recording: Path, truth: Path) -> list[dict[str, Any]]:
    """Compare the ranges of a published file with the truth.

    Args:
        recording: A recording.duckdb.
        truth: The folder of the truth.

    Returns:
        One row per universe and group: its range, the true rate, and whether the range holds it;
        None if there is no range, or no crime of the group.
    """
    with compare_with_truth(recording, truth) as con:
        rates = compare_rates(con)
        ranges = fetch_dicts(
            con,
            "from published.recording_range order by universe, breakdown <> 'total', "
            "breakdown <> 'theme', offence_group",
        )
    rows = []
    for row in ranges:
        universe, group = row["universe"], row["offence_group"]
        true = rates[universe].get(group, {}).get("truth")
        low, high = row["low_rate"], row["high_rate"]
        is_known = low is not None and true is not None
        rows.append(
            {
                "universe": universe,
                "group": group,
                "low": low,
                "truth": true,
                "high": high,
                "holds": low <= true <= high if is_known else None,
                "withheld_reason": row["withheld_reason"],
            }
        )
    return rows


def find_rates(published: Path) -> list[str]:
    """Find uncorrected rates of all crime in what a version shows: its report and its summary.

    Tables and charts of the report are left out, as they show parts of the crime.

    Args:
        published: The folder of a version.

    Returns:
        Where and which; empty if there is none.
    """
    file = published / "recording.duckdb"
    with connect(file, read_only=True) as con:
        rates = fetch_dicts(
            con,
            "from recording_rate where breakdown = 'total' and recording_rate is not null",
        )
        allowed = fetch_dicts(con, "from recording_range where breakdown = 'total'")
    ends = {row[end] for row in allowed for end in ("low_rate", "high_rate")}
    report = (published / "report.html").read_text(encoding="utf-8")
    prose = re.sub(r"<(table|svg)\b.*?</\1>", "", report, flags=re.S)
    shown = []
    for place, text in (("report", prose), ("summary", summary_text(read_summary(file)))):
        shown += [
            f"{place}: {row['ruleset']}, {row['universe']}, {row['recording_rate']:.1%}"
            for row in rates
            if row["recording_rate"] not in ends and f"{row['recording_rate']:.1%}" in text
        ]
    return shown
