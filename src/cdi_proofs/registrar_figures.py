"""The figures of `cdi_proofs.registrar`: what decisions say of a list, and many forces in one.

A figure with limits takes each force as one figure, the mean of its registrars: people who read the
same list are no independent cases. Counts are sums over all forces.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from cdi.desk.standing import CONFIRMED, PROPOSED
from cdi_proofs.compared import share
from cdi_proofs.registrar_desk import LOT, ORDER, Decision, Read, find_sample

SAMPLE = "sample"
NOBODY = "nobody decided"  # the case that the others are compared with
NOW = "now"  # the part of the list that `worklist_yield` expects to be read
Force = Mapping[str, Any]


def compare_labels(
    read: Sequence[Read], decisions: Sequence[Decision], true: float
) -> dict[str, Any]:
    """Compare what share of the list decisions say is missed with the truth.

    Args:
        read: The logs that were read.
        decisions: What was decided.
        true: Share of all rows of the list that truly are missed crimes.

    Returns:
        The true share; and by `order` (logs that came in order), `lot` (that came by lot) and
        `sample` (`find_sample`): the share confirmed, and the share that truly is missed, which no
        error of the registrar changes.
    """
    sample = {log.call_id for _, log in find_sample(read)}
    chosen = {
        ORDER: [each for each in decisions if each.selection == ORDER],
        LOT: [each for each in decisions if each.selection == LOT],
        SAMPLE: [each for each in decisions if each.crime["call_id"] in sample],
    }
    return {"true": true} | {
        name: {
            "rows": len(rows),
            "confirmed": share(
                sum(row.kind == CONFIRMED for row in rows),
                sum(row.kind != PROPOSED for row in rows),
            ),
            "missed": share(sum(row.is_missed for row in rows), len(rows)),
        }
        for name, rows in chosen.items()
    }


def summarise_forces(forces: Sequence[Force]) -> dict[str, Any]:
    """Put the forces together.

    Args:
        forces: As from `cdi_proofs.registrar.measure_force`.

    Returns:
        `promised`, `yield`, `labels`, `true_share`, `model` and `audits`.
    """
    cases = forces[0]["cases"]
    return {
        "promised": _sum_promises(forces),
        "yield": {order: _average_yields(forces, order) for order in ("desk", "random")},
        "labels": {name: _average_labels(forces, name) for name in (ORDER, LOT, SAMPLE)},
        "true_share": _over(forces, lambda force: float(force["labels"][0]["true"])),
        "model": [_judge_model(forces, case) for case in cases],
        "audits": [
            _sum_audits(forces, case, universe)
            for case in cases
            for universe in cases[case]["audits"]
        ],
    }


def _over(forces: Sequence[Force], figure: Callable[[Force], float]) -> dict[str, float | None]:
    return mean_limits([figure(force) for force in forces])


def _sum_promises(forces: Sequence[Force]) -> dict[str, float]:
    parts = [row for force in forces for row in force["promised"] if row["reading_part"] == NOW]
    names = ("log_count", "expected_count", "lower_limit", "upper_limit", "true_count")
    return {name: sum(part[name] for part in parts) for name in names}


def _average_yields(forces: Sequence[Force], order: str) -> dict[str, dict[str, float | None]]:
    def mean_of(force: Force, name: str) -> float:
        return float(np.mean([row[order][name] for row in force["yields"]]))

    return {
        name: mean_limits([mean_of(force, name) for force in forces])
        for name in forces[0]["yields"][0][order]
    }


def _average_labels(forces: Sequence[Force], selection: str) -> dict[str, Any]:
    """How many percentage points registrars, in the mean, take the list to be better than it is."""

    def bias(force: Force, name: str) -> float:
        known = [row for row in force["labels"] if row[selection][name] is not None]
        return 100 * float(np.mean([row[selection][name] - row["true"] for row in known]))

    return {
        "rows": sum(row[selection]["rows"] for force in forces for row in force["labels"]),
        "bias_of_confirmed": _over(forces, lambda force: bias(force, "confirmed")),
        "bias_of_missed": _over(forces, lambda force: bias(force, "missed")),
    }


def _judge_model(forces: Sequence[Force], case: str) -> dict[str, Any]:
    """What the text model of a case says of the held-out month; `rate_error` is of the frame."""

    def of_part(case: str, part: str, name: str) -> list[float]:
        return [force["cases"][case]["month"][part][name] for force in forces]

    def rate_error(force: Force) -> float:
        rates = force["cases"][case]["rates"]["frame"]
        return 100 * float(rates["standard"] - rates["truth"])

    judged: dict[str, Any] = {"case": case, "rate_error": _over(forces, rate_error)}
    for part in ("listed", "others"):
        brier, before = (of_part(name, part, "brier") for name in (case, NOBODY))
        judged[part] = {
            "expected": sum(of_part(case, part, "expected")),
            "missed": sum(of_part(case, part, "missed")),
            "brier": float(np.mean(brier)),
            "brier_change": mean_limits(np.subtract(brier, before).tolist()),
        }
    return judged


def _sum_audits(forces: Sequence[Force], case: str, universe: str) -> dict[str, Any]:
    rows = [force["cases"][case]["audits"][universe] for force in forces]
    held, shown = (sum(row[name] for row in rows) for name in ("held", "shown"))
    return {
        "case": case,
        "universe": universe,
        "audits": shown,
        "holds": share(held, shown),
        "lowest": min(row["held"] / row["shown"] for row in rows),
        "half_width": float(np.mean([row["half_width"] for row in rows])),
        "bias": float(np.mean([row["bias"] for row in rows])),
    }


def mean_limits(values: Sequence[float]) -> dict[str, float | None]:
    """The mean of figures of several forces, with 95% limits by Student; none for one force.

    Args:
        values: One of each force.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": round(mean, 5), "low": None, "high": None}
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    limits = {"mean": mean, "low": mean - half, "high": mean + half}
    return {name: round(value, 5) for name, value in limits.items()}
