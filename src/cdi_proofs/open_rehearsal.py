"""`make attack`: two open extracts of the simulated force, attacked; ``<state>/attack.json``.

Fifteen simulated months are published twice, in a state folder of their own: as they stood three
months before the end, and as they stand at the end. The second release has a quarter more. Some
crimes were recorded late or cancelled in between: they would change the earlier quarters, if those
were not kept as they were released.

The same attack is then made on two extracts that the product never makes: one that withholds small
counts alone, and a second release that counts the first one's quarters anew. If the attack found
nothing there either, finding nothing in the real extracts would prove nothing.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.errors import CdiError
from cdi.files import write_json
from cdi.open_extract.about import About
from cdi.open_extract.blocks import COLUMNS, build_system, count_quarter, show_quarter
from cdi.open_extract.folder import write_folder
from cdi.open_extract.write import (
    make_extract,
    open_for_extract,
    plan_releases,
    read_disclosure_limits,
)
from cdi.sql import connect, relation
from cdi.steps.run import run_directly
from cdi.variant import Variant, first_day_of_months
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.generate import ensure_force, window_start
from cdi_force.narrative import write_narrative
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank
from cdi_force.years import simulate_window
from cdi_proofs.attack import SayProgress, attack_extracts, count_differences, read_open_folder
from cdi_proofs.open_formats import FORMATS, find_unreleased_numbers

MONTHS = 15  # The newest three months are not mature, so four quarters are released.
MONTHS_BETWEEN = 3
Say = Callable[[str], None]


def rehearse_attack(say: Say, say_progress: SayProgress) -> dict[str, Any]:
    """Publish twice and attack; the figures also go to ``<state>/attack.json``.

    Args:
        say: Is told each step as it begins.
        say_progress: Is told how many withheld counts were attacked, and of how many.

    Returns:
        Figures of the attack, and of the same attack on what the product does not do.

    Raises:
        CdiError: ATTACK-NEVER-AUDITED if the chosen force was never audited.
    """
    home = paths.home() / "attack"
    unsafe = home / "unsafe"
    with paths.environment(CDI_HOME=str(home), MONTHS=str(MONTHS)):
        variant = Variant.chosen()
        if not variant.is_audited:
            raise CdiError(
                "ATTACK-NEVER-AUDITED",
                f"the force of {variant.scenario} was never audited, so no quarter of its open "
                "extract is released, and there is nothing to attack",
                "choose a scenario that has an audit; docs/simulation.md",
            )
        for name in ("landing", "weights", "published", "released"):
            shutil.rmtree(home / name, ignore_errors=True)
        ensure_force(lambda step: say(f"simulating: {step}"))
        versions = _publish_twice(variant, home / "sources" / f"{paths.variant()}-before", say)
        extracts = [version / "open" for version in versions]
        figures = {
            "is_simulated": True,
            "variant": paths.variant(),
            "releases": [_read_quarters(folder) for folder in extracts],
            **_attack_releases(extracts, say, say_progress),
        }
        shutil.rmtree(unsafe, ignore_errors=True)
        with open_for_extract(versions[-1] / "recording.duckdb") as con:
            withhold_small_counts_alone(con, unsafe / "small")
            make_extract(con, paths.SIMULATED, unsafe / "kept", unsafe / "anew")
    say("attacking: small counts withheld alone")
    unprotected = attack_extracts([read_open_folder(unsafe / "small")], say_progress).figures()
    for name in ("recovered", "told_small", "suppressed"):
        figures[f"{name}_without_suppression"] = unprotected[name]
    figures["without_keeping"] = count_differences(
        read_open_folder(extracts[0]), read_open_folder(unsafe / "anew")
    )
    write_json(paths.home() / "attack.json", figures)
    return figures


def withhold_small_counts_alone(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make an extract that withholds each small count and nothing beside it, which is not safe.

    It is made of the product's parts. All that it leaves out is the choice of what else to
    withhold, and the keeping of what was released.

    Args:
        con: A connection of `open_for_extract`.
        folder: The folder of the tables; the quarters go to a folder beside it.
    """
    limits = read_disclosure_limits(con)
    quarters = folder.with_name(f"{folder.name}-quarters")
    quarters.mkdir(parents=True, exist_ok=True)
    files = []
    for quarter in plan_releases(con, limits["maturity_days"])[0]:
        counts = count_quarter(con, quarter)
        is_small = build_system(counts).is_small(limits["smallest_count"])
        rows = show_quarter(con, quarter, limits, counts, is_small)
        files.append(quarters / f"{quarter.name}.parquet")
        relation(con, COLUMNS, rows).write_parquet(str(files[-1]))
    write_folder(con, files, folder, About(limits))


def _publish_twice(variant: Variant, sources_before: Path, say: Say) -> list[Path]:
    """Publish the force as it stood some months ago and as it stands; both versions' folders."""
    start, end = variant.period
    before = first_day_of_months(end, MONTHS_BETWEEN)
    say(f"simulating: what the force knew on {before}")
    _export_as_it_stood(variant, sources_before)
    versions = []
    for until, sources in ((before, sources_before), (end, paths.simulated_sources())):
        say(f"publishing: as of {until}")
        with paths.environment(CDI_DATA=str(sources)):
            agency = load_agency(paths.SIMULATED)
            run_directly(agency.agency, Interval.of_days(agency, start, until))
        versions.append(paths.current(paths.SIMULATED).resolve())
    return versions


def _attack_releases(folders: list[Path], say: Say, say_progress: SayProgress) -> dict[str, Any]:
    """Attack releases together; figures of the attack, and how the first two differ."""
    say("attacking: both releases together, in all formats")
    extracts = [read_open_folder(folder) for folder in folders]
    other_formats = [
        read_open_folder(folder, form) for folder in folders for form in FORMATS if form != "duckdb"
    ]
    return {
        **attack_extracts([*other_formats, *extracts], say_progress).figures(),
        "formats": list(FORMATS),
        "unreleased_numbers": [find_unreleased_numbers(folder) for folder in folders],
        "between_releases": count_differences(*extracts),
    }


def _read_quarters(folder: Path) -> list[str]:
    """Names of the quarters in an open folder."""
    with connect(folder / "open.duckdb", read_only=True) as con:
        return [name for (name,) in con.execute("select quarter from quarters").fetchall()]


def _export_as_it_stood(variant: Variant, folder: Path) -> None:
    """Write the sources as the force exported them some months before the end of the window.

    The force is simulated whole, with its later months too. Then `as_of` is set back, and only the
    logs and records that were there at that moment are written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(paths.simulated_sources() / "audit", folder / "audit")
    loaded = load_scenario(variant.scenario)
    bank = Bank(loaded.phrases, loaded.words)
    year = simulate_window(loaded, variant.seed, variant.months)
    write_narrative(year, bank, variant.seed)
    year.as_of = window_start(loaded, MONTHS_BETWEEN)
    add_details(year, variant.seed)
    writer = Writer(year, bank)
    received = year.logs["received"]
    # a record of a log was reported when the log was received
    reported = np.where(
        year.records["log"] >= 0,
        received[np.maximum(year.records["log"], 0)],
        year.records["reported"],
    )
    is_known = year.records["recorded"] < year.as_of
    with duckdb.connect() as con:
        for month in range(MONTHS_BETWEEN + 1, variant.months + 1):
            first, last = (window_start(loaded, number) for number in (month, month - 1))
            label = first_day_of_months(loaded.settings.period_end, month).strftime("%Y-%m")
            logs = np.flatnonzero((received >= first) & (received < last))
            records = np.flatnonzero((reported >= first) & (reported < last) & is_known)
            writer.write_some(con, folder, label, logs, records)
