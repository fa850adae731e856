"""How many crimes of each group a year has, by what becomes of them.

The counts are quotas, which every seed meets exactly. Published are counts of live crime records;
the published rates turn them into how many crimes should have been recorded.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cdi_force.scenario import Settings

# The two groups whose rates are published.
VIOLENCE = "violence_against_the_person"
SEXUAL = "sexual_offences"


@dataclass(frozen=True)
class Quota:
    """Crimes of one group in a year.

    Attributes:
        no_log: Recorded, and came without a log.
        frame_recorded: Recorded, from logs with a crime code.
        frame_missed: Not recorded (or wrongly cancelled), from logs with a crime code.
        hidden_recorded: Recorded, from logs without a crime code.
        hidden_missed: Not recorded, from logs without a crime code.
    """

    no_log: int
    frame_recorded: int
    frame_missed: int
    hidden_recorded: int
    hidden_missed: int


def apportion_total(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Split a total into whole numbers in proportion to weights (method of largest remainders)."""
    shares = total * weights / weights.sum()
    counts = np.floor(shares).astype(np.int64)
    order = np.argsort(-(shares - counts), kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts


def records_by_offence(settings: "Settings", volume: float = 1.0) -> NDArray[np.int64]:
    """Count a year's live crime records by offence: the published mix, scaled to the totals."""
    annual = np.array([offence.annual for offence in settings.offences], float)
    is_violence = np.array([offence.group == VIOLENCE for offence in settings.offences])
    records = round(settings.volumes.records * volume)
    violence = round(settings.volumes.violence_records * volume)
    counts = np.zeros(len(annual), np.int64)
    counts[is_violence] = apportion_total(violence, annual[is_violence])
    counts[~is_violence] = apportion_total(records - violence, annual[~is_violence])
    return counts


def no_log_by_offence(settings: "Settings", records: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count how many of those records came without a log."""
    weights = records * np.array([offence.no_log for offence in settings.offences])
    wanted = round(settings.volumes.no_log_share * int(records.sum()))
    return np.minimum(apportion_total(wanted, weights), records * 9 // 10)


def quotas_by_group(settings: "Settings", volume: float = 1.0) -> dict[str, Quota]:
    """Work out the quota of each offence group.

    Args:
        settings: The scenario.
        volume: Size of the force, 1.0 as published.

    Returns:
        One quota for each group, in the order of the offences.
    """
    groups = list(dict.fromkeys(offence.group for offence in settings.offences))
    of_group = np.array([groups.index(offence.group) for offence in settings.offences])
    records = records_by_offence(settings, volume)
    by_group = np.bincount(of_group, records, len(groups)).astype(np.int64)
    no_log = np.bincount(of_group, no_log_by_offence(settings, records), len(groups)).astype(
        np.int64
    )
    mix = np.array([settings.hidden_mix.get(group, 0.0) for group in groups])
    hidden = apportion_total(round(settings.volumes.hidden_crimes * volume), mix)
    hidden_recorded = np.round(hidden * settings.rates.hidden).astype(np.int64)
    frame_recorded = by_group - no_log - hidden_recorded
    frame = _count_frame_crimes(settings, groups, frame_recorded)
    return {
        group: Quota(*(int(n) for n in row))
        for group, *row in zip(
            groups,
            no_log,
            frame_recorded,
            frame - frame_recorded,
            hidden_recorded,
            hidden - hidden_recorded,
            strict=True,
        )
    }


def _count_frame_crimes(
    settings: "Settings", groups: list[str], recorded: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the crimes of the frame that should be recorded: records divided by the group's rate.

    Rates are published for violence, for sexual offences and for all crime. The rates of the other
    groups are assumptions, moved by one common shift so that the rate of all crime comes out.
    """
    rates = settings.rates
    fixed = {VIOLENCE: rates.violence_against_the_person, SEXUAL: rates.sexual_offences}
    total = round(int(recorded.sum()) / rates.all)
    counts = np.array([round(n / fixed.get(g, 1.0)) for g, n in zip(groups, recorded, strict=True)])
    others = [number for number, group in enumerate(groups) if group not in fixed]
    assumed = np.array([rates.others[groups[number]] for number in others])
    wanted = total - int(counts.sum()) + int(recorded[others].sum())
    low, high = -6.0, 6.0
    for _ in range(
        80
    ):  # bisection: the shift on the log-odds at which the groups add up to the total
        shift = (low + high) / 2
        shifted = 1 / (1 + np.exp(-(np.log(assumed / (1 - assumed)) + shift)))
        low, high = (shift, high) if (recorded[others] / shifted).sum() > wanted else (low, shift)
    counts[others] = recorded[others] + apportion_total(
        wanted - int(recorded[others].sum()), recorded[others] * (1 / shifted - 1)
    )
    return counts
