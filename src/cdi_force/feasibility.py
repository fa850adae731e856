"""Refuses scenarios whose volumes and rates contradict each other, before anything is drawn."""

from pathlib import Path
from typing import TYPE_CHECKING

from cdi.variant import ScenarioError
from cdi_force.quotas import SEXUAL, VIOLENCE, Quota, quotas_by_group

if TYPE_CHECKING:
    from cdi_force.scenario import Settings


def check_feasibility(settings: "Settings", file: Path) -> None:
    """Refuse a scenario if no year can have its volumes and rates.

    Args:
        settings: Of the scenario, each key valid by itself.
        file: Its scenario.yaml, for the error.

    Raises:
        ScenarioError: SCENARIO-SCHEMA, naming the key and the numbers that contradict it.
    """
    quotas = quotas_by_group(settings)
    _check_records(quotas, file)
    _check_rates(settings, quotas, file)
    _check_logs(settings, quotas, file)


def _check_records(quotas: dict[str, Quota], file: Path) -> None:
    """Refuse if a group has fewer records than come without a log and from hidden crimes."""
    for group, quota in quotas.items():
        if quota.frame_recorded < 0:
            raise ScenarioError(
                "SCENARIO-SCHEMA",
                f"{file}: volumes.records: {group} has {-quota.frame_recorded} fewer than it "
                "needs without a log (no_log_share) and from hidden crimes (hidden_crimes, "
                "hidden_mix, rates.hidden)",
                "change one of these keys, or how `violence_records` divides the records",
            )


def _check_rates(settings: "Settings", quotas: dict[str, Quota], file: Path) -> None:
    """Refuse if the groups with rates of their own miss more than the rate of all crime allows."""
    missed = sum(quota.frame_missed for quota in quotas.values())
    alone = sum(quotas[group].frame_missed for group in (VIOLENCE, SEXUAL) if group in quotas)
    if any(quota.frame_missed < 0 for quota in quotas.values()):
        raise ScenarioError(
            "SCENARIO-SCHEMA",
            f"{file}: rates.all: {settings.rates.all} cannot be reached: it leaves {missed} crimes "
            f"unrecorded, and violence and sexual offences alone leave {alone}",
            "change rates.all, or the rates of these two groups",
        )


def _check_logs(settings: "Settings", quotas: dict[str, Quota], file: Path) -> None:
    """Refuse if there are fewer logs than crimes and other logs with a crime code may need.

    This is a safe bound: some crimes share a log (hardness.further_crimes), but how many do is only
    known once they are drawn, since no log has a fifth crime and some offences share none.
    """
    volumes, hard = settings.volumes, settings.hardness
    crimes = sum(
        quota.frame_recorded + quota.frame_missed + quota.hidden_recorded + quota.hidden_missed
        for quota in quotas.values()
    )
    crimes += round(hard.rightly_cancelled * volumes.records)
    duplicates = round(hard.duplicate_logs * volumes.logs)
    if volumes.logs - duplicates < crimes + volumes.frame_no_crime_logs:
        raise ScenarioError(
            "SCENARIO-SCHEMA",
            f"{file}: volumes.logs: {volumes.logs} are too few: {duplicates} are duplicates, "
            f"each of {crimes} crimes may need a log of its own, and {volumes.frame_no_crime_logs} "
            "logs with a crime code report none (frame_no_crime_logs)",
            "give more logs, or fewer of the others; that some crimes share a log "
            "(hardness.further_crimes) is not reckoned with",
        )
