"""All figures of one audit: the force and its domains, with limits, and what is withheld."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi.audit.design import Strata
from cdi.audit.estimators import (
    Auxiliary,
    Coefficients,
    Design,
    Estimate,
    Rereading,
    SecondDraw,
    estimate_domain,
    estimate_greg,
    estimate_ratio,
    fit_coefficients,
)
from cdi.audit.intervals import (
    LEAST_SIZE,
    Limits,
    Reliability,
    domain_limits,
    force_limits,
    is_too_wide,
    judge_reliability,
)
from cdi.audit.predictions import LEAST_CHANCE, Frame

Floats = NDArray[np.float64]

FORCE = "force"
LEAST_ASSISTED = 30  # audited crimes of a domain from which predictions may assist
LEAST_EXPECTED = 40  # crimes of a domain that the audit must be expected to find
# Of crimes that happen with a rate as small as 3 / n, none is seen in n trials once in 20 times.
RULE_OF_THREE = 3.0
UNPLANNED = f"the plan expects fewer than {LEAST_EXPECTED} of its crimes"
UNSURE = f"fewer than {LEAST_SIZE} crimes, or too wide an interval (NCHS)"


@dataclass(frozen=True)
class Domain:
    """A part of the crimes that has a rate of its own.

    Attributes:
        name: A group of offences, ``rape``, ``domestic_abuse``, or e.g. ``district DENBY``.
        known: Predictions for the domain: one row per log of the frame, the columns of
            `known_totals`.
        share: Share of each log's missed crimes that is taken to be of the domain.
        logs: Which logs are the domain's, where it is a set of logs such as those of a district.
            Then each stratum has a level of its own in the domain. None where one log may have
            crimes of several domains.
    """

    name: str
    known: Floats
    share: Floats
    logs: NDArray[np.bool_] | None = None


def known_totals(frame: Frame) -> Floats:
    """Set side by side what is predicted of each log: crimes recorded, due and missed.

    Args:
        frame: Logs with predictions.
    """
    return np.column_stack([frame.column(name) for name in ("recorded", "due", "missed")])


def list_domains(frame: Frame) -> list[Domain]:
    """List the domains: groups of offences, rape, domestic abuse and districts.

    Args:
        frame: Logs with predictions.
    """
    whole = known_totals(frame)
    crimes = {name: np.asarray(frame.crimes[name]) for name in frame.crimes.column_names}
    parts = {name: crimes["offence_group"] == name for name in np.unique(crimes["offence_group"])}
    parts |= {"rape": crimes["is_rape"], "domestic_abuse": crimes["is_domestic_abuse"]}
    domains = []
    for name, rows in parts.items():
        position, is_recorded = crimes["position"][rows], crimes["is_recorded"][rows]
        due = np.bincount(position, minlength=len(whole)).astype(float)
        recorded = np.bincount(position, is_recorded, minlength=len(whole))
        # Missed crimes of a log are taken to be of the same kinds as those that the published
        # version counts in it or, if it counts none, as those in all logs.
        share = np.full(len(whole), due.sum() / whole[:, 1].sum())
        np.divide(due, whole[:, 1], out=share, where=whole[:, 1] > 0)
        known = np.column_stack([recorded, due, whole[:, 2] * share])
        domains.append(Domain(str(name), known, share))
    district = np.asarray(frame.logs["district"])
    for name in np.unique(district):
        logs = district == name
        domains.append(Domain(f"district {name}", whole * logs[:, None], logs * 1.0, logs))
    return domains


@dataclass(frozen=True)
class Assistance:
    """What is known of a frame and its draw before the audit, and assists the estimates.

    Attributes:
        design: Design of the audited logs.
        force: Predictions for the force: one row per log of the frame.
        variance: Predicted variance of each log of the frame.
        strata: Strata of the frame.
        is_counted: Which logs of the frame belong to the population, see `Draw.is_counted`.
    """

    design: Design
    force: Floats
    variance: Floats
    strata: Strata
    is_counted: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: Frame, strata: Strata) -> "Assistance":
        """Take what is known of a frame whose logs are all audited as drawn.

        Args:
            frame: Logs with predictions.
            strata: Strata of the frame, with the number of logs to audit.
        """
        is_counted = np.ones(len(frame.logs), bool)
        return cls(strata.design, known_totals(frame), frame.column("variance"), strata, is_counted)

    def predicted(self, share: Floats | float = 1.0) -> Floats:
        """Predicted variance within each stratum, of the force or of a domain.

        Args:
            share: Share of each log's variance that is taken to be of the domain.
        """
        total = np.bincount(self.strata.of_log, self.variance * share)
        return np.asarray(total / self.strata.population)

    def is_planned(self, domain: Domain) -> bool:
        """Tell whether the audit is expected to find enough of a domain's crimes for a figure.

        It is decided before the draw. If a small domain were shown whenever chance drew enough of
        its crimes, it would be shown just when the sample is unlike the domain.

        Args:
            domain: One of the frame.
        """
        expected = (domain.known[:, 0] + domain.known[:, 2]) @ self.strata.probability
        return bool(expected >= LEAST_EXPECTED)

    def whole(self, drawn: NDArray[np.int64]) -> Auxiliary:
        """What was known of the force's audited logs.

        Args:
            drawn: Their positions in the frame, on the last axis.
        """
        totals = self.force[self.is_counted].sum(axis=0)
        return Auxiliary.with_strata(self.design, self.force[drawn], totals)

    def part(self, domain: Domain, drawn: NDArray[np.int64]) -> Auxiliary:
        """What was known of a domain's audited logs, in the same variables as of the force's.

        Args:
            domain: One of the frame.
            drawn: Positions of the audited logs in the frame, on the last axis.
        """
        known, totals = domain.known[drawn], domain.known[self.is_counted].sum(axis=0)
        if domain.logs is None:
            return Auxiliary(known, totals)
        member = self.design.member * domain.logs[drawn][..., None]
        of_log, count = self.strata.of_log, len(self.design.population)
        sizes = np.bincount(of_log, domain.logs & self.is_counted, minlength=count)
        return Auxiliary(np.concatenate([member, known], axis=-1), np.concatenate([sizes, totals]))


def estimate_force_rate(
    drawn: NDArray[np.int64],
    y: Floats,
    m: Floats,
    by: Assistance,
    reread: Rereading | None = None,
) -> Estimate:
    """Estimate the force's rate.

    Args:
        drawn: Positions of the audited logs in the frame.
        y: Crimes recorded in each audited log.
        m: Crimes that should be recorded in each audited log.
        by: What was known.
        reread: What second readings changed; None if no log was read twice.
    """
    return estimate_greg(by.design, y, m, by.whole(drawn), by.predicted(), reread)


def estimate_domain_rate(
    domain: Domain,
    drawn: NDArray[np.int64],
    y: Floats,
    m: Floats,
    by: Assistance,
    whole: Coefficients,
    reread: Rereading | None = None,
) -> Estimate:
    """Estimate a domain's rate: assisted if enough of its crimes were audited, else direct.

    Args:
        domain: One of the frame.
        drawn: Positions of the audited logs in the frame.
        y: Crimes of the domain recorded in each audited log.
        m: Crimes of the domain that should be recorded in each audited log.
        by: What was known.
        whole: Coefficients of the whole sample.
        reread: What second readings changed in the domain; None if no log was read twice.
    """
    predicted = by.predicted(domain.share)
    direct = estimate_ratio(by.design, y, m, reread=reread)
    assisted = estimate_domain(by.design, y, m, by.part(domain, drawn), whole, predicted, reread)
    is_assisted = (direct.crimes >= LEAST_ASSISTED) & (assisted.rate > 0) & (assisted.rate < 1)
    chosen = {
        field.name: np.where(
            is_assisted, getattr(assisted, field.name), getattr(direct, field.name)
        )
        for field in fields(Estimate)
    }
    return Estimate(**chosen)


@dataclass(frozen=True)
class SecondReadings:
    """The logs that were read twice, and what the first readings had found.

    Attributes:
        draw: Which of the audited logs were read twice.
        first: By domain, and for the force: crimes recorded and due in each audited log, by its
            first reading.
        expected: Expected square of the change by a second reading, of each audited log.
    """

    draw: SecondDraw
    first: dict[str, tuple[Floats, Floats]]
    expected: Floats

    def changes(self, name: str, y: Floats, m: Floats, share: Floats | float) -> Rereading:
        """Give what second readings changed in the force or in a domain.

        Args:
            name: Of the domain.
            y: Crimes recorded in each audited log, as they are known best.
            m: Crimes due in each audited log, as they are known best.
            share: Share of each log's changes that is taken to be of the domain.
        """
        y_first, m_first = self.first.get(name, (np.zeros(len(y)), np.zeros(len(m))))
        places = self.draw.places
        return Rereading(
            self.draw, (y - y_first)[places], (m - m_first)[places], self.expected * share
        )


def measure_errors(
    second: SecondReadings, weight: Floats, y: Floats, m: Floats
) -> dict[str, float]:
    """Estimate how often auditors err, from the logs that were read twice.

    Args:
        second: These logs.
        weight: Number of logs that each audited log stands for.
        y: Crimes recorded in each audited log, as they are known best.
        m: Crimes due in each audited log, as they are known best.

    Returns:
        Crimes as shares of all crimes due: overlooked by a reading, invented by it, recorded and
        taken for not recorded, not recorded and taken for recorded.
    """
    reread = second.changes(FORCE, y, m, 1.0)
    places = second.draw.places
    counted = weight[places] * second.draw.design.weight
    due = weight @ m + reread.total_unread(weight, reread.m)
    more, fewer = np.maximum(reread.m, 0), np.maximum(-reread.m, 0)
    kinds = {
        "overlooked_share": more,
        "invented_share": fewer,
        # a recorded crime that was overlooked, or invented, is an error of one kind alone
        "taken_for_missed_share": np.maximum(reread.y - more, 0),
        "taken_for_recorded_share": np.maximum(-reread.y - fewer, 0),
    }
    return {name: float(counted @ crimes / due) for name, crimes in kinds.items()}


def bound_unseen(
    domain: Domain, drawn: NDArray[np.int64], y: Floats, m: Floats, by: Assistance
) -> Floats:
    """Bound the missed crimes of a domain in logs of which none was predicted.

    Where a domain's crimes are predicted, nearly all its logs are drawn, and its variance nearly
    vanishes. If there are a few more in other logs, the interval is right only when one of them is
    drawn: it would be shown just when it is wrong. So if none was drawn, the rule of three bounds
    how many there are (Hanley and Lippman-Hand 1983). They are taken to lie where missed crimes are
    predicted: how often such logs were drawn says how often one would have been seen.

    Args:
        domain: One of the frame.
        drawn: Positions of the audited logs in the frame, on the last axis.
        y: Crimes of the domain recorded in each audited log.
        m: Crimes of the domain that should be recorded in each audited log.
        by: What was known.

    Returns:
        The bound, in crimes; 0 where such a crime was seen, because then the variance knows of
        them.
    """
    is_outside = by.is_counted & (domain.known[:, 1] == 0)
    if domain.logs is not None:
        is_outside &= domain.logs
    chance = np.maximum(by.force[:, 2], LEAST_CHANCE) * is_outside
    seen = ((m - y) * is_outside[drawn]).sum(-1)
    share_drawn = chance @ by.strata.probability / max(chance.sum(), LEAST_CHANCE)
    with np.errstate(divide="ignore"):
        bound = RULE_OF_THREE / share_drawn if is_outside.any() else 0.0
    return np.where(seen > 0, 0.0, bound)


def limit_domain(estimate: Estimate, domain: Domain, unseen: Floats) -> tuple[Limits, Reliability]:
    """Limit a domain's rate, and judge whether it may be shown.

    Args:
        estimate: Of the domain.
        domain: One of the frame.
        unseen: Bound of its missed crimes that no prediction knows of, see `bound_unseen`.
    """
    low, high = domain_limits(estimate)
    recorded = domain.known[:, 0].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        lowered = recorded / (recorded / estimate.rate + unseen)
    low = np.fmin(low, lowered)
    reliability = judge_reliability(estimate)
    is_wide = is_too_wide(estimate.rate, high - low)
    return (low, high), replace(reliability, is_withheld=reliability.is_withheld | is_wide)


def audit_figures(
    drawn: NDArray[np.int64],
    found: dict[str, tuple[Floats, Floats]],
    by: Assistance,
    parts: list[Domain],
    second: SecondReadings | None,
) -> list[dict[str, Any]]:
    """Work out all rates of one audit.

    Args:
        drawn: Positions of the audited logs in the frame.
        found: By domain, and for the force: crimes recorded and crimes due in each audited log.
        by: What was known.
        parts: The domains.
        second: What the logs that were read twice say of the first readings; None if none was.

    Returns:
        One row per domain, the force first; a figure that is withheld is None.
    """
    y, m = found[FORCE]
    whole = fit_coefficients(by.design, y, m, by.whole(drawn))
    reread = second.changes(FORCE, y, m, 1.0) if second else None
    force = estimate_force_rate(drawn, y, m, by, reread)
    reliability = judge_reliability(force)
    rows = [
        _describe_estimate(FORCE, force, force_limits(force), reliability, is_planned=True)
        | {"audited_share": share_audited(by.design, m)}
    ]
    no_crimes = np.zeros(len(drawn)), np.zeros(len(drawn))
    for domain in parts:
        y, m = found.get(domain.name, no_crimes)
        share = domain.share[drawn]
        reread = second.changes(domain.name, y, m, share) if second else None
        estimate = estimate_domain_rate(domain, drawn, y, m, by, whole, reread)
        unseen = bound_unseen(domain, drawn, y, m, by)
        limits, reliability = limit_domain(estimate, domain, unseen)
        is_planned = by.is_planned(domain)
        rows.append(
            _describe_estimate(domain.name, estimate, limits, reliability, is_planned=is_planned)
            | {"audited_share": share_audited(by.design, m)}
        )
    return rows


def share_audited(design: Design, m: Floats) -> float | None:
    """Share of the crimes due in a frame that auditors found, as the audit itself estimates it.

    The nearer it is to 1, the more the audit is a count and the less it is a sample.

    Args:
        design: The draw.
        m: Crimes that should be recorded in each audited log; for a domain, only its own.

    Returns:
        The share; None if no crime was found.
    """
    total = float(design.total(m))
    return float(m.sum()) / total if total else None


def _describe_estimate(
    name: str, estimate: Estimate, limits: Limits, reliability: Reliability, *, is_planned: bool
) -> dict[str, Any]:
    """Describe an estimate as a row; its rates are None unless they may be shown."""
    is_shown = is_planned and not reliability.is_withheld
    low, high = limits
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
    reason = None
    if not is_shown:
        reason = UNSURE if is_planned else UNPLANNED
    return {
        "domain": name,
        "crime_logs": int(estimate.logs),
        "audited_crimes": int(estimate.crimes),
        "is_assisted": bool(estimate.is_assisted),
        "is_withheld": not is_shown,
        "withheld_reason": reason,
        "is_flagged": bool(reliability.is_flagged),
        **{name: float(value) if is_shown else None for name, value in rates.items()},
    }
