"""All figures of one audit: the force and its domains, with limits, and what is withheld."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi.audit import intervals
from cdi.audit.design import Strata
from cdi.audit.estimators import (
    Auxiliary,
    Coefficients,
    Design,
    Estimate,
    Floats,
    estimate_domain,
    estimate_greg,
    estimate_ratio,
    fit_coefficients,
)
from cdi.audit.intervals import domain_limits, force_limits, judge_reliability
from cdi.audit.predictions import Frame

FORCE = "force"
LEAST_ASSISTED = 30  # audited crimes of a domain from which predictions may assist
LEAST_EXPECTED = 40  # crimes of a domain, in the audit as version
UNPLANNED = f"the plan expects fewer than {LEAST_EXPECTED} of its crimes"
UNSURE = f"fewer than {intervals.LEAST_SIZE} crimes, or too wide an interval (NCHS)"


@dataclass(frozen=True)
class Domain:
    """Part of the crimes that a rate may be about.

    Attributes:
        name: E.g. a group of offences, ``rape``, ``domestic_abuse``, ``district DENBY``.
        known: Predictions for the domain: (logs of the frame, variables of `known_totals`).
        share: Of each log's missed crimes, how much is taken to be of the domain.
        logs: The domain's logs where it is a set of logs, such as a district's; then the level of
            each stratum counts in it. None where a log may be of several domains.
    """

    name: str
    known: Floats
    share: Floats
    logs: NDArray[np.bool_] | None = None


def known_totals(frame: Frame) -> Floats:
    """What predictions say of each log of the frame: recorded, due, missed."""
    return np.column_stack([frame.column(name) for name in ("recorded", "due", "missed")])


def list_domains(frame: Frame) -> list[Domain]:
    """Groups of offences, rape, domestic abuse and districts, with their predictions."""
    whole = known_totals(frame)
    crimes = {name: np.asarray(frame.crimes[name]) for name in frame.crimes.column_names}
    parts = {name: crimes["offence_group"] == name for name in np.unique(crimes["offence_group"])}
    parts |= {"rape": crimes["is_rape"], "domestic_abuse": crimes["is_domestic_abuse"]}
    made = []
    for name, rows in parts.items():
        position, is_recorded = crimes["position"][rows], crimes["is_recorded"][rows]
        due = np.bincount(position, minlength=len(whole)).astype(float)
        recorded = np.bincount(position, is_recorded, minlength=len(whole))
        # what is missed of a log is taken to be of the kinds seen in it, or of those seen in all
        share = np.full(len(whole), due.sum() / whole[:, 1].sum())
        np.divide(due, whole[:, 1], out=share, where=whole[:, 1] > 0)
        made.append(Domain(str(name), np.column_stack([recorded, due, whole[:, 2] * share]), share))
    district = np.asarray(frame.logs["district"])
    for name in np.unique(district):
        logs = district == name
        made.append(Domain(f"district {name}", whole * logs[:, None], logs * 1.0, logs))
    return made


@dataclass(frozen=True)
class Assistance:
    """What is known of a frame under a draw; of drawn logs, the force and each domain.

    Attributes:
        design: Of the draw.
        force: Predictions for the force, over the frame.
        variance: Predicted variance of each log of the frame.
        strata: Of the frame.
    """

    design: Design
    force: Floats
    variance: Floats
    strata: Strata

    @classmethod
    def of(cls, frame: Frame, strata: Strata) -> "Assistance":
        """Of a frame whose logs are audited as drawn."""
        return cls(strata.design, known_totals(frame), frame.column("variance"), strata)

    def predicted(self, share: Floats | float = 1.0) -> Floats:
        """Predicted variance within each stratum, of the force or of a domain."""
        total = np.bincount(self.strata.of_log, self.variance * share)
        return np.asarray(total / self.strata.population)

    def is_planned(self, domain: Domain) -> bool:
        """Whether enough of a domain's crimes are expected in the audit for a figure of its own.

        Known before the draw: a domain that is shown only when chance fills it is shown when it is
        unlike itself.
        """
        expected = (domain.known[:, 0] + domain.known[:, 2]) @ self.strata.probability
        return bool(expected >= LEAST_EXPECTED)

    def whole(self, drawn: NDArray[np.int64]) -> Auxiliary:
        """Of the force; `drawn` are positions in the frame, replicates before."""
        return Auxiliary.of(self.design, self.force[drawn], self.force.sum(axis=0))

    def part(self, domain: Domain, drawn: NDArray[np.int64]) -> Auxiliary:
        """Of a domain, in the same variables."""
        known, totals = domain.known[drawn], domain.known.sum(axis=0)
        if domain.logs is None:
            return Auxiliary(known, totals)
        member = self.design.member * domain.logs[drawn][..., None]
        of_log, count = self.strata.of_log, len(self.design.population)
        sizes = np.bincount(of_log, domain.logs, minlength=count)
        return Auxiliary(np.concatenate([member, known], axis=-1), np.concatenate([sizes, totals]))


def estimate_force_rate(drawn: NDArray[np.int64], y: Floats, m: Floats, by: Assistance) -> Estimate:
    """The force's rate."""
    return estimate_greg(by.design, y, m, by.whole(drawn), by.predicted())


def estimate_domain_rate(
    domain: Domain,
    drawn: NDArray[np.int64],
    y: Floats,
    m: Floats,
    by: Assistance,
    whole: Coefficients,
) -> Estimate:
    """A domain's rate; assisted where enough of its crimes were audited, else direct."""
    predicted = by.predicted(domain.share)
    direct = estimate_ratio(by.design, y, m)
    assisted = estimate_domain(by.design, y, m, by.part(domain, drawn), whole, predicted)
    is_assisted = (direct.crimes >= LEAST_ASSISTED) & (assisted.rate > 0) & (assisted.rate < 1)
    return Estimate(
        *(
            np.where(is_assisted, getattr(assisted, f.name), getattr(direct, f.name))
            for f in fields(Estimate)
        )
    )


def audit_figures(
    drawn: NDArray[np.int64], found: dict[str, tuple[Floats, Floats]], by: Assistance,
    parts: list[Domain],
) -> list[dict[str, Any]]:  # fmt: skip
    """All rates of one audit.

    Args:
        drawn: Positions of the audited logs in the frame.
        found: Of each domain, and of the force: crimes recorded and crimes due, per audited log.
        by: What was known.
        parts: The domains.

    Returns:
        One row per domain, the force first; figures that are withheld are none.
    """
    y, m = found[FORCE]
    whole = fit_coefficients(by.design, y, m, by.whole(drawn))
    rows = [_row(FORCE, estimate_force_rate(drawn, y, m, by), force_limits, True)]
    nothing = np.zeros(len(drawn)), np.zeros(len(drawn))
    for domain in parts:
        y, m = found.get(domain.name, nothing)
        estimate = estimate_domain_rate(domain, drawn, y, m, by, whole)
        rows.append(_row(domain.name, estimate, domain_limits, by.is_planned(domain)))
    return rows


def _row(name: str, estimate: Estimate, limits: Any, is_planned: bool) -> dict[str, Any]:
    judged = judge_reliability(estimate)
    is_shown = is_planned and not judged.is_withheld
    low, high = limits(estimate)
    rates = {
        "recording_rate": estimate.rate,
        "lower_limit": low,
        "upper_limit": high,
        "standard_error": estimate.se,
        "degrees_of_freedom": estimate.degrees,
        "effective_crimes": estimate.n_effective,
        "design_effect": estimate.design_effect,
        "rho": estimate.rho,
    }
    return {
        "domain": name,
        "crime_logs": int(estimate.logs),
        "audited_crimes": int(estimate.crimes),
        "is_assisted": bool(estimate.is_assisted),
        "is_withheld": not is_shown,
        "withheld_reason": None if is_shown else UNSURE if is_planned else UNPLANNED,
        "is_flagged": bool(judged.is_flagged),
        **{name: float(value) if is_shown else None for name, value in rates.items()},
    }
