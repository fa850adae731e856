"""`make attack`: two open extracts of the simulated force, attacked; ``<state>/attack.json``.

Fifteen simulated months are published twice, in a state folder of their own: as they stood three
months before the end, and as they stand at the end. The second release has a quarter more; what was
recorded late or cancelled meanwhile would change the quarters before it, if they were not kept.

The same attack is then made on what is not done: small counts withheld alone, and a second release
that counts the first one's quarters anew. If it found nothing there, finding nothing would prove
nothing.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.open_extract.write import make_extract, open_for_extract
from cdi.steps.run import run_directly
from cdi.variant import Variant, first_day_of_months
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.generate import ensure_force, window_start
from cdi_force.narrative import write_narrative
from cdi_force.scenario import load_scenario
from cdi_force.texts import Bank
from cdi_force.years import simulate_window
from cdi_proofs import attack
from cdi_proofs.attack import attack_extracts, differences, read_open_folder

MONTHS = 15  # of them the newest three are not mature: four quarters are released
BETWEEN = 3  # months between the releases
Say = Callable[[str], None]


def rehearse_attack(say: Say, count: attack.Say) -> dict[str, Any]:
    """Publish twice and attack; also to ``<state>/attack.json``.

    Args:
        say: Is told each step as it begins.
        count: Is told how many withheld counts were attacked, and of how many.

    Returns:
        Figures of the attack, and of the same attack on what is not done.
    """
    target = paths.home() / "attack.json"
    home = paths.home() / "attack"
    with paths.environment(CDI_HOME=str(home), MONTHS=str(MONTHS)):
        for name in ("landing", "weights", "published", "released"):
            shutil.rmtree(home / name, ignore_errors=True)
        ensure_force(lambda step: say(f"simulating: {step}"))
        variant = Variant.chosen()
        start, end = variant.period
        earlier = first_day_of_months(end, BETWEEN)
        say(f"simulating: what the force knew on {earlier}")
        before = _as_it_stood(variant, home / "sources" / f"{paths.variant()}-before")
        folders = []
        for until, source in ((earlier, before), (end, paths.simulated_sources())):
            say(f"publishing: as of {until}")
            with paths.environment(CDI_DATA=str(source)):
                agency = load_agency(paths.SIMULATED)
                run_directly(agency.agency, Interval.of_days(agency, start, until))
            folders.append((paths.published(paths.SIMULATED) / "current").resolve())
        made = {
            "is_simulated": True,
            "variant": paths.variant(),
            "releases": [_quarters(folder / "open") for folder in folders],
            **_attacked([folder / "open" for folder in folders], say, count),
        }
        unsafe = home / "unsafe"
        shutil.rmtree(unsafe, ignore_errors=True)
        with open_for_extract(folders[-1] / "recording.duckdb") as con:
            make_extract(con, unsafe / "kept", unsafe / "small", is_secondary=False)
            make_extract(con, unsafe / "anew", unsafe / "anew_open")
    say("attacking: small counts withheld alone")
    alone = attack_extracts([read_open_folder(unsafe / "small")], count).figures()
    made["recovered_without_suppression"] = alone["recovered"]
    made["told_small_without_suppression"] = alone["told_small"]
    made["suppressed_without_suppression"] = alone["suppressed"]
    pair = [read_open_folder(folder) for folder in (folders[0] / "open", unsafe / "anew_open")]
    made["without_keeping"] = differences(*pair)
    target.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return made


def _attacked(folders: list[Path], say: Say, count: attack.Say) -> dict[str, Any]:
    say("attacking: both releases together")
    extracts = [read_open_folder(folder) for folder in folders]
    return {
        **attack_extracts(extracts, count).figures(),
        "between_releases": differences(*extracts),
    }


def _quarters(folder: Path) -> list[str]:
    with duckdb.connect(str(folder / "open.duckdb"), read_only=True) as con:
        return [name for (name,) in con.execute("select quarter from quarters").fetchall()]


def _as_it_stood(variant: Variant, folder: Path) -> Path:
    """The sources as the force exported them some months before the end of the window."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(paths.simulated_sources() / "audit", folder / "audit")
    loaded = load_scenario(variant.scenario)
    bank = Bank(loaded)
    year = simulate_window(loaded, variant.seed, variant.months)
    write_narrative(year, bank, variant.seed)
    year.as_of = window_start(loaded, BETWEEN)
    add_details(year, variant.seed)
    writer = Writer(year, bank)
    with duckdb.connect() as con:
        for month in range(BETWEEN + 1, variant.months + 1):
            first, last = (window_start(loaded, at) for at in (month, month - 1))
            received = year.logs["received"]
            reported = np.where(
                year.records["log"] >= 0,
                received[np.maximum(year.records["log"], 0)],
                year.records["reported"],
            )
            label = first_day_of_months(loaded.settings.period_end, month).strftime("%Y-%m")
            is_known = year.records["recorded"] < year.as_of
            writer.write_some(
                con, folder, label,
                np.flatnonzero((received >= first) & (received < last)),
                np.flatnonzero((reported >= first) & (reported < last) & is_known),
            )  # fmt: skip
    return folder
