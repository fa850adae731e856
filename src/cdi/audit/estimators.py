"""Recording rates from an audited stratified sample: ratio estimates, plain and assisted.

The unit is the log: one row per audited log, with `m` crimes that should be recorded and `y` of
them recorded, so that crimes of one log are never taken for independent. Variances are linearised
(Taylor series), with finite population correction.

The plain estimate is the stratified, combined ratio (Cochran 1977, Sampling Techniques, chapter 6).
The assisted one is the generalised regression estimate, GREG (Särndal, Swensson and Wretman 1992,
Model Assisted Survey Sampling, chapters 6 and 7). Arrays may have leading axes: each is a replicate
of the sample.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cdi.errors import AuditError

Floats = NDArray[np.float64]

PRIOR_LOGS = 5  # number of audited logs that the predicted variance of a stratum counts as
# The standard error of a domain that predictions assist is at least this share of the one that was
# predicted before the draw: chance may draw a few crimes that look far more even than all are.
LEAST_OF_PREDICTED = 0.6
PRIOR_READ_TWICE = 1  # the same of logs that were read twice, in a stratum of the second draw
# What is taken to be known of errors of reading before any log was read twice: a tenth of what was
# expected, as if a change of half a crime had been expected in all.
PRIOR_SHARE, PRIOR_CHANGE = 0.1, 0.5


@dataclass(frozen=True)
class Design:
    """How the audited logs were drawn: simple random samples within strata.

    Attributes:
        stratum: Stratum of each audited log, 0 to H-1, as it was at the draw, whatever is known of
            the log since.
        population: Number of logs of each stratum.
    """

    stratum: NDArray[np.int64]
    population: Floats

    def __post_init__(self) -> None:
        """Refuse a stratum whose variance cannot be estimated.

        Raises:
            AuditError: AUDIT-STRATUM if a stratum holds logs and fewer than two were audited.
        """
        thin = np.flatnonzero(self.drawn < np.minimum(2, self.population))
        if len(thin):
            raise AuditError(
                "AUDIT-STRATUM",
                f"stratum {thin[0]} has {self.population[thin[0]]:.0f} logs and "
                f"{self.drawn[thin[0]]:.0f} of them audited",
                "at least two are needed to see how far logs differ; if erasures left fewer, draw "
                "the period again, and give the reason",
            )

    @cached_property
    def drawn(self) -> Floats:
        """Number of audited logs of each stratum."""
        return np.bincount(self.stratum, minlength=len(self.population)).astype(float)

    @cached_property
    def weight(self) -> Floats:
        """Number of logs that each audited log stands for."""
        return (self.population / np.maximum(self.drawn, 1))[self.stratum]

    @cached_property
    def factor(self) -> Floats:
        """What a stratum's variance is multiplied by in that of a total: N^2 (1 - n/N) / n."""
        drawn = np.maximum(self.drawn, 1)
        return self.population * (self.population - drawn) / drawn

    @cached_property
    def member(self) -> Floats:
        """Matrix of audited logs (rows) and strata (columns): 1 where the log is of the stratum."""
        return np.eye(len(self.population))[self.stratum]

    def total(self, values: Floats) -> Floats:
        """Estimate the total over the population.

        Args:
            values: Of each audited log, on the last axis.
        """
        return np.asarray(values @ self.weight)

    def products(self, first: Floats, second: Floats) -> Floats:
        """Covariance of two values within each stratum, divided by n - 1.

        Args:
            first: Of each audited log, on the last axis.
            second: Of each audited log, on the last axis.

        Returns:
            The covariances, with the strata on the last axis.
        """
        first_off, second_off = self._off_mean(first), self._off_mean(second)
        return np.asarray((first_off * second_off) @ self.member / np.maximum(self.drawn - 1, 1))

    def _off_mean(self, values: Floats) -> Floats:
        """Subtract from each value the mean of its stratum."""
        drawn = np.maximum(self.drawn, 1)
        return np.asarray(values - (values @ self.member / drawn)[..., self.stratum])

    def variance(
        self, values: Floats, predicted: Floats | None = None, prior: int = PRIOR_LOGS
    ) -> Floats:
        """Variance of an estimated total.

        Args:
            values: Of each audited log.
            predicted: Variance of each stratum as predicted before the draw. It counts as some
                audited logs more, since a stratum in which the few audited logs show no missed
                crime is not a stratum without variance.
            prior: As how many logs it counts.
        """
        within = self.products(values, values)
        if predicted is not None:
            more = np.maximum(self.drawn - 1, 0)
            within = (prior * predicted + more * within) / (prior + more)
        return np.asarray(within @ self.factor)

    def degrees(self, values: Floats, variance: Floats) -> Floats:
        """Degrees of freedom of a variance, from its own variance (Satterthwaite 1946).

        They are few if a few logs make up most of the variance: hence the fourth moment.

        Args:
            values: Of each audited log.
            variance: Of their estimated total.
        """
        square = self._off_mean(values) ** 2
        spread = self._off_mean(square) ** 2
        scale = (self.factor / np.maximum(self.drawn - 1, 1)) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2 * variance**2 / ((spread @ self.member) @ scale))


@dataclass(frozen=True)
class SecondDraw:
    """Which of the audited logs are read twice: simple random samples within strata.

    Attributes:
        of_log: Stratum of each audited log in this second draw, from 0.
        places: Places of the logs that are read twice among the audited ones, in order.
    """

    of_log: NDArray[np.int64]
    places: NDArray[np.int64]

    @cached_property
    def design(self) -> Design:
        """Design of the logs that are read twice; their population is the audited logs."""
        return Design(self.of_log[self.places], np.bincount(self.of_log).astype(float))


@dataclass(frozen=True)
class Rereading:
    """What second readings changed, in the force or in a domain.

    It is double sampling (Särndal et al. 1992, chapter 9): an estimated total is that of the best
    known values and, of the logs that were read once, what second readings would change in them.

    Attributes:
        draw: Which of the audited logs were read twice.
        y: Final less first reading of the crimes recorded, of each log that was read twice.
        m: Final less first reading of the crimes due, of each log that was read twice.
        expected: Expected square of the change of y - R m by a second reading, of each audited log.
    """

    draw: SecondDraw
    y: Floats
    m: Floats
    expected: Floats

    def total_unread(self, weight: Floats, changes: Floats) -> Floats:
        """Estimate what second readings would change in the logs that were read once.

        Args:
            weight: Number of logs that each audited log stands for.
            changes: Of each log that was read twice.
        """
        changed = weight[self.draw.places] * changes
        return np.asarray(self.draw.design.total(changed) - changed.sum())

    def variance(self, weight: Floats, rate: Floats) -> Floats:
        """Variance that an estimate has because not all logs were read twice.

        A stratum without an error among its few logs is not one without errors. So, as with the
        first readings, a predicted variance counts as some logs more: the expected changes, brought
        to the size of those that were seen in all strata together.

        Args:
            weight: What a crime of each audited log counts in the estimate.
            rate: The estimate.
        """
        changes = self.y - rate * self.m
        expected = self.expected[self.draw.places].sum() + PRIOR_CHANGE
        share = (changes @ changes + PRIOR_SHARE * PRIOR_CHANGE) / expected
        strata = self.draw.of_log
        predicted = np.bincount(strata, share * weight**2 * self.expected) / np.bincount(strata)
        seen = weight[self.draw.places] * changes
        return self.draw.design.variance(seen, predicted, PRIOR_READ_TWICE)

    def join_degrees(self, first: Floats, degrees: Floats, second: Floats) -> Floats:
        """Degrees of freedom of the sum of both variances (Satterthwaite 1946).

        Args:
            first: Variance by the draw of the audit.
            degrees: Its degrees of freedom.
            second: Variance by the draw of the second readings.
        """
        own = max(1, len(self.draw.places) - len(self.draw.design.population))
        with np.errstate(divide="ignore", invalid="ignore"):
            joint = (first + second) ** 2 / (first**2 / degrees + second**2 / own)
        return np.asarray(np.where(second > 0, joint, degrees))


@dataclass(frozen=True)
class Estimate:
    """A recording rate, 0 to 1, with what its interval needs.

    Attributes:
        rate: Total of y divided by total of m.
        variance: Variance of the rate.
        crimes: Number of audited crimes that it rests on (unweighted).
        logs: Number of audited logs with such a crime.
        worth: Number of logs drawn alike, each with a crime, that they are worth by their weights
            (Kish 1965): heavy logs make it small.
        degrees: Degrees of freedom of the variance.
        rho: Correlation of y - R m with its prediction within strata; 0 without predictions.
        is_assisted: Whether predictions assist the estimate.
    """

    rate: Floats
    variance: Floats
    crimes: Floats
    logs: Floats
    worth: Floats
    degrees: Floats
    rho: Floats
    is_assisted: NDArray[np.bool_]

    @property
    def se(self) -> Floats:
        """Standard error of the rate."""
        return np.sqrt(self.variance)

    @property
    def n_effective(self) -> Floats:
        """Effective sample size: crimes of a simple random sample with the same variance.

        Where all audited crimes or none are recorded, that size says nothing, because such a sample
        would have no variance: it is what the audited logs are worth. Where no variance was
        observed at another rate, it is the number of audited crimes. Without predictions it is
        never more than that number.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            n = self.rate * (1 - self.rate) / self.variance
        n = np.where(self.variance > 0, n, self.crimes)
        n = np.where((self.rate == 0) | (self.rate == 1), self.worth, n)
        n = np.where(self.is_assisted, n, np.minimum(n, self.crimes))
        return np.asarray(np.maximum(n, 0))

    @property
    def design_effect(self) -> Floats:
        """Variance divided by that of a simple random sample of as many crimes (Kish 1965)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.crimes / self.n_effective)


def _count_crimes(design: Design, m: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Count audited crimes, logs with one, what these are worth, and they less their strata.

    The last number is the degrees of freedom.
    """
    has_crime = (m > 0).astype(float)
    logs = has_crime.sum(-1)
    weighted = m * design.weight
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = np.where(logs > 0, weighted.sum(-1) ** 2 / (weighted**2).sum(-1), 0.0)
    return m.sum(-1), logs, worth, logs - (has_crime @ design.member > 0).sum(-1)


def estimate_ratio(
    design: Design,
    y: Floats,
    m: Floats,
    predicted: Floats | None = None,
    reread: Rereading | None = None,
) -> Estimate:
    """Estimate a rate by the stratified ratio (Cochran 1977, 6.11), of the force or of a domain.

    Args:
        design: The draw.
        y: Crimes recorded in each audited log; for a domain, only its own.
        m: Crimes that should be recorded in each audited log; for a domain, only its own.
        predicted: Variance of y - R m within each stratum, as predicted before the draw.
        reread: What second readings changed in y and m; None if no log was read twice.

    Returns:
        The estimate; its rate is not a number where no crime was audited.
    """
    totals = _add_unread(reread, design.weight, design.total(y), design.total(m))
    return _estimate_from_totals(design, y, m, *totals, predicted, reread)


def _add_unread(
    reread: Rereading | None, weight: Floats, recorded: Floats, due: Floats
) -> tuple[Floats, Floats]:
    """Add to two totals what second readings would change in the logs that were read once."""
    if reread is None:
        return recorded, due
    return (
        recorded + reread.total_unread(weight, reread.y),
        due + reread.total_unread(weight, reread.m),
    )


def _estimate_from_totals(
    design: Design,
    y: Floats,
    m: Floats,
    recorded: Floats,
    due: Floats,
    predicted: Floats | None,
    reread: Rereading | None,
) -> Estimate:
    """Divide two estimated totals, with the linearised variance of their ratio.

    Args:
        design: The draw.
        y: What the variance of the first total comes from: crimes recorded, or their residuals.
        m: What the variance of the second total comes from: crimes due, or their residuals.
        recorded: Estimated total of crimes recorded.
        due: Estimated total of crimes due.
        predicted: Variance of y - R m within each stratum, as predicted before the draw.
        reread: What second readings changed.
    """
    crimes, logs, worth, degrees = _count_crimes(design, m)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = recorded / due
        residual = (y - rate[..., None] * m) / due[..., None]
        if predicted is not None:
            predicted = predicted / due[..., None] ** 2
        variance = design.variance(residual, predicted)
        if reread is not None:
            by_second = reread.variance(design.weight / due, rate)
            degrees = reread.join_degrees(variance, degrees, by_second)
            variance = variance + by_second
    return Estimate(
        rate,
        variance,
        crimes,
        logs,
        worth,
        degrees,
        np.zeros_like(rate),
        np.zeros(rate.shape, bool),
    )


@dataclass(frozen=True)
class Auxiliary:
    """What was known of every log before the draw (auxiliary variables).

    Attributes:
        values: Of the audited logs; the variables are on the last axis.
        totals: Of each variable, over the whole frame.
    """

    values: Floats
    totals: Floats

    @classmethod
    def with_strata(cls, design: Design, predictions: Floats, totals: Floats) -> "Auxiliary":
        """Set the strata beside predictions, so that each stratum has a level of its own.

        Args:
            design: The draw.
            predictions: Of the audited logs.
            totals: Of each prediction, over the whole frame.
        """
        strata = np.broadcast_to(design.member, (*predictions.shape[:-1], len(design.population)))
        return cls(
            np.concatenate([strata, predictions], axis=-1),
            np.concatenate([design.population, totals]),
        )


def _invert_cross_products(design: Design, x: Floats) -> Floats:
    """Invert the weighted sum of x x'.

    A pseudo-inverse, because predictions may be constant, or a combination of the strata.
    """
    return np.linalg.pinv((x * design.weight[:, None]).swapaxes(-1, -2) @ x, hermitian=True)


def _fit_least_squares(design: Design, x: Floats, inverse: Floats, values: Floats) -> Floats:
    """Fit the coefficients of a weighted least squares regression of values on x."""
    weighted = (values * design.weight)[..., None, :] @ x
    return np.asarray((weighted @ inverse)[..., 0, :])


def _fitted_values(x: Floats, coefficients: Floats) -> Floats:
    return np.asarray((x @ coefficients[..., None])[..., 0])


@np.errstate(divide="ignore", invalid="ignore")  # a draw may have no crime that is due
def estimate_greg(
    design: Design,
    y: Floats,
    m: Floats,
    known: Auxiliary,
    predicted: Floats | None = None,
    reread: Rereading | None = None,
) -> Estimate:
    """Estimate the force's rate by generalised regression, GREG (Särndal et al. 1992, chapter 7).

    The figures are those of `calibrate` and `svyratio` of R's package survey.

    Args:
        design: The draw.
        y: Crimes recorded in each audited log.
        m: Crimes that should be recorded in each audited log.
        known: Predictions, frozen before the draw.
        predicted: Variance of y - R m about its prediction within each stratum, as predicted before
            the draw.
        reread: What second readings changed in y and m; None if no log was read twice.
    """
    x = known.values
    inverse = _invert_cross_products(design, x)
    # Calibration: each log's weight is multiplied by a factor near 1, so that the weighted totals
    # of the predictions are exactly those of the frame.
    shortfall = known.totals - design.weight @ x
    weights = 1 + _fitted_values(x, (shortfall[..., None, :] @ inverse)[..., 0, :])
    recorded, due = design.total(weights * y), design.total(weights * m)
    recorded, due = _add_unread(reread, weights * design.weight, recorded, due)
    rate = recorded / due
    z = (y - rate[..., None] * m) / due[..., None]
    # Only what the predictions leave unexplained contributes to the variance.
    fitted = _fitted_values(x, _fit_least_squares(design, x, inverse, z))
    if predicted is not None:
        predicted = predicted / due[..., None] ** 2
    crimes, logs, worth, _ = _count_crimes(design, m)
    degrees = np.full_like(rate, len(design.stratum) - np.count_nonzero(design.population))
    variance = design.variance(weights * (z - fitted), predicted)
    if reread is not None:
        by_second = reread.variance(weights * design.weight / due, rate)
        degrees = reread.join_degrees(variance, degrees, by_second)
        variance = variance + by_second
    return Estimate(
        rate,
        variance,
        crimes,
        logs,
        worth,
        degrees,
        _correlate_within_strata(design, z, fitted),
        np.ones(rate.shape, bool),
    )


def _correlate_within_strata(design: Design, z: Floats, fitted: Floats) -> Floats:
    """Correlate two values within strata, each stratum counting as it does in the variance."""
    both = design.products(z, fitted) @ design.factor
    each = (design.products(z, z) @ design.factor) * (
        design.products(fitted, fitted) @ design.factor
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(each > 0, both / np.sqrt(each), 0.0))


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of the whole sample's regressions on the auxiliary variables.

    Attributes:
        y: Of the regression of crimes recorded.
        m: Of the regression of crimes due.
    """

    y: Floats
    m: Floats


def fit_coefficients(design: Design, y: Floats, m: Floats, known: Auxiliary) -> Coefficients:
    """Fit the coefficients once, on the whole sample, for all domains.

    Coefficients that are fitted again inside a small domain follow its few logs, and the interval
    gets too short (measured: a coverage of 80 to 86% in place of 95%).

    Args:
        design: The draw.
        y: Crimes recorded in each audited log.
        m: Crimes that should be recorded in each audited log.
        known: Predictions, frozen before the draw.
    """
    inverse = _invert_cross_products(design, known.values)
    return Coefficients(
        _fit_least_squares(design, known.values, inverse, y),
        _fit_least_squares(design, known.values, inverse, m),
    )


def estimate_domain(
    design: Design,
    y: Floats,
    m: Floats,
    known: Auxiliary,
    whole: Coefficients,
    predicted: Floats | None = None,
    reread: Rereading | None = None,
) -> Estimate:
    """Estimate a domain's rate, assisted by predictions with the whole sample's coefficients.

    It is the difference estimate of each total (Särndal et al. 1992, 6.3): the predicted total of
    the domain, plus the estimated total of what the predictions miss.

    Args:
        design: The draw.
        y: Crimes of the domain recorded in each audited log.
        m: Crimes of the domain that should be recorded in each audited log.
        known: Predictions for the domain, in the variables of the whole sample, or in the last of
            them if the others say nothing of the domain.
        whole: Coefficients of the whole sample.
        predicted: Variance of y - R m about its prediction within each stratum, as predicted before
            the draw. The standard error by the draw is at least `LEAST_OF_PREDICTED` of the one
            that follows from it.
        reread: What second readings changed in the domain; None if no log was read twice.
    """
    count = len(known.totals)
    y_coefficients, m_coefficients = whole.y[..., -count:], whole.m[..., -count:]
    y_left = y - _fitted_values(known.values, y_coefficients)
    m_left = m - _fitted_values(known.values, m_coefficients)
    recorded = y_coefficients @ known.totals + design.total(y_left)
    due = m_coefficients @ known.totals + design.total(m_left)
    recorded, due = _add_unread(reread, design.weight, recorded, due)
    estimate = _estimate_from_totals(design, y_left, m_left, recorded, due, predicted, reread)
    crimes, logs, worth, degrees = _count_crimes(design, m)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = y - estimate.rate[..., None] * m
        residual = y_left - estimate.rate[..., None] * m_left
        rho = _correlate_within_strata(design, z, z - residual)
        by_second = np.zeros_like(estimate.rate)
        if reread is not None:
            by_second = reread.variance(design.weight / due, estimate.rate)
        by_first = estimate.variance - by_second
        by_moments = design.degrees(residual / due[..., None], by_first)
        if predicted is not None:
            least = LEAST_OF_PREDICTED**2 * (predicted @ design.factor) / due**2
            by_first = np.fmax(by_first, least)
    # The smaller of the two counts, ignoring one that is not a number; at least 1.
    degrees = np.fmax(np.fmin(degrees, by_moments), 1)
    if reread is not None:
        degrees = np.fmax(reread.join_degrees(by_first, degrees, by_second), 1)
    return Estimate(
        estimate.rate,
        by_first + by_second,
        crimes,
        logs,
        worth,
        degrees,
        rho,
        np.ones(rho.shape, bool),
    )
