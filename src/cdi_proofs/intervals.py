"""95% intervals of shares and rates of a simulated force, whose days are clusters.

What is reported on one day belongs together: people are victims again, one evening has one shift.
So days are what is drawn, not crimes, and variances are those of ratios of totals of days, by
linearisation (Cochran 1977, Sampling Techniques, chapter 6). An interval is about other days of the
same force, in the same words and under the same law of missing. It is not about another force.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi.audit.intervals import wilson_limits

Floats = NDArray[np.float64]
NORMAL = 1.959964  # of 95%


def share_limits(hits: Any, of: Any) -> tuple[float, float, float]:
    """A share, and Wilson's limits on the size that its variance between days is worth.

    Korn and Graubard 1998 take an effective size in this way. It is at most the size itself, and it
    is the size where all or none are hits, as no variance is seen then.

    Args:
        hits: Of each day, how many are hits.
        of: Of each day, of how many; in all there is at least one.

    Returns:
        Share, lower and upper limit.
    """
    hits, of = np.asarray(hits, float), np.asarray(of, float)
    size = of.sum()
    share = hits.sum() / size
    variance = _variance_of_total((hits - share * of) / size)
    if variance > 0:
        size = min(size, share * (1 - share) / variance)
    low, high = wilson_limits(share, size)
    return float(share), float(low), float(high)


def rate_error_limits(recorded: Any, read: Any, due: Any) -> tuple[float, float, float]:
    """How far a recording rate is off if crimes are counted by a reader, with normal limits.

    Both rates have the same recorded crimes, so their errors hang together, and the difference has
    a variance of its own.

    Args:
        recorded: Of each day, how many crimes were recorded.
        read: How many there are by the reader; at least as many as recorded.
        due: How many there are.

    Returns:
        Rate by the reader less true rate, lower and upper limit.
    """
    recorded, read, due = (np.asarray(counts, float) for counts in (recorded, read, due))
    by_reader, true = recorded.sum() / read.sum(), recorded.sum() / due.sum()
    influence = (recorded - by_reader * read) / read.sum() - (recorded - true * due) / due.sum()
    half = NORMAL * np.sqrt(_variance_of_total(influence))
    error = by_reader - true
    return float(error), float(error - half), float(error + half)


def _variance_of_total(influence: Floats) -> float:
    """Variance of the sum of independent days, whose mean is 0."""
    days = len(influence)
    return float(days / (days - 1) * np.sum(influence**2)) if days > 1 else 0.0
