"""Makes the files of a simulated force, and its truth in another folder."""

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cdi import paths
from cdi.files import wait_for_lock
from cdi.variant import Variant, first_day_of_months
from cdi_force.clock import DAY
from cdi_force.details import add_details
from cdi_force.extracts import Writer
from cdi_force.narrative import write_narrative
from cdi_force.past_audit import write_past_audit
from cdi_force.scenario import Scenario, load_scenario
from cdi_force.texts import Bank
from cdi_force.truth import write_truth
from cdi_force.years import simulate_window, simulate_year_before

SIMULATED = """SIMULATED
No real force, person, place or crime: made up by `make simulate`; docs/simulation.md.
"""


def _fingerprint_of_variant(loaded: Scenario, variant: Variant) -> str:
    digest = hashlib.sha256(f"{loaded.sha256} {variant.months} {variant.seed}".encode())
    here = Path(__file__).parent
    for file in sorted([*here.glob("*.py"), *here.glob("*.yaml")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def ensure_force(say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Make the chosen variant's sources and truth, unless they are there and current.

    Another process that makes a force in this state folder is waited for.

    Args:
        say: Is told each step as it begins.

    Returns:
        The manifest: variant, counts of rows, fingerprint.

    Raises:
        CdiError: If scenario, MONTHS or SEED is not as it must be.
    """
    variant = Variant.chosen()
    loaded = load_scenario(variant.scenario)
    fingerprint = _fingerprint_of_variant(loaded, variant)
    with wait_for_lock(paths.home()):
        return _make_unless_current(loaded, variant, fingerprint, say)


def _make_unless_current(
    loaded: Scenario, variant: Variant, fingerprint: str, say: Callable[[str], None]
) -> dict[str, Any]:
    sources, truth = paths.simulated_sources(), paths.truth()
    manifest_file = truth / "manifest.json"
    if manifest_file.is_file() and sources.is_dir():
        manifest: dict[str, Any] = json.loads(manifest_file.read_text(encoding="utf-8"))
        if manifest["fingerprint"] == fingerprint:
            return manifest
    new_sources, new_truth = (p.with_name(f".{p.name}") for p in (sources, truth))
    for folder in (new_sources, new_truth):
        shutil.rmtree(folder, ignore_errors=True)
    manifest = make_force(loaded, variant, new_sources, new_truth, say)
    manifest["fingerprint"] = fingerprint
    for folder in (new_sources, new_truth):
        (folder / "SIMULATED.txt").write_text(SIMULATED, encoding="utf-8")
    text = json.dumps(manifest, indent=2)
    (new_truth / "manifest.json").write_text(text + "\n", encoding="utf-8")
    for new_folder, final_folder in ((new_sources, sources), (new_truth, truth)):
        shutil.rmtree(final_folder, ignore_errors=True)
        new_folder.rename(final_folder)
    return manifest


def make_force(
    loaded: Scenario,
    variant: Variant,
    sources: Path,
    truth: Path,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Make sources and truth in two folders; see `ensure_force`."""
    say("drawing the window and the year before")
    bank = Bank(loaded.phrases, loaded.words)
    year = simulate_window(loaded, variant.seed, variant.months)
    before = simulate_year_before(loaded, variant.seed, variant.months)
    before.as_of += 180 * DAY  # the audit reads it when everything about it is known
    bank_before = bank
    if loaded.phrases_before != loaded.phrases:
        bank_before = Bank(loaded.phrases_before, loaded.words)
    for simulated, its_bank in ((year, bank), (before, bank_before)):
        write_narrative(simulated, its_bank, variant.seed)
        add_details(simulated, variant.seed)
    first = window_start(loaded, variant.months)
    say("writing the extracts")
    counts = Writer(year, bank).write(sources, first)
    say("writing the audit of the year before")
    audited = write_past_audit(before, Writer(before, bank_before), sources / "audit", variant.seed)
    say("writing the truth")
    hardness = write_truth(year, before, truth, first)
    return {
        "is_simulated": True,
        "scenario": loaded.name,
        "title": loaded.settings.title,
        "months": variant.months,
        "seed": variant.seed,
        "rows": counts,
        "audited": audited,
        "hardness": hardness,
    }


def window_start(loaded: Scenario, months: int) -> int:
    """Tell when the last `months` months before the scenario's end begin, in seconds since 1970."""
    day = first_day_of_months(loaded.settings.period_end, months)
    zone = ZoneInfo(loaded.settings.timezone)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
