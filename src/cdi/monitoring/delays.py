"""Whether the newest weeks are recorded as fast as those before them.

The chain ladder takes each week to develop as older ones did (see `cdi.monitoring.nowcast`). If
delays get shorter or longer, it takes records that come in sooner for more of them, and later ones
for fewer, and its limits do not know. The triangle itself shows such a change: Venter (1998,
"Testing the assumptions of age-to-age factors") tests the factors by their residuals under the
variance of Mack (1993). As nobody knows when a change began, all moments are tried, and the largest
difference counts, as in the test of Andrews (1993) for a change at an unknown time.

Only steps from one age to the next are compared. How many of the crimes due are recorded at once
says nothing for certain: it also rises where more crimes are recorded, which is what the rate is
there to show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdi.monitoring.nowcast import development, last_ages

Floats = NDArray[np.float64]

LEAST_CHANGED = 4  # origins: fewer have hardly developed
# In standard errors. Where nothing has changed, chance alone takes the largest of all differences
# beyond it in about 1% of triangles: docs/estimation.md says what was measured.
CRITICAL_VALUE = 3.4


@dataclass(frozen=True)
class DelayChange:
    """When delays changed, and in which direction.

    Attributes:
        origins: How many origins, up to the newest, are recorded by the new delays.
        statistic: Their difference from the origins before, in standard errors: below 0 if fewer
            records than before come in late, so that delays have become shorter.
    """

    origins: int
    statistic: float


def delay_change(cumulative: Floats, before: int, most: int) -> DelayChange | None:
    """Find since when records come in sooner or later than before, if they do.

    Args:
        cumulative: A triangle of counts by origin and age, not a number where the future begins;
            rows in order of time.
        before: With how many origins before a change those after it are compared.
        most: How many origins back a change is looked for, as far as delays may reach. Once a
            change is older than both together, all that is compared came after it, and it is found
            no more.

    Returns:
        The change with the largest difference between the origins since and before, or None if
        none is larger than chance explains, or if the triangle has too few origins to compare any.

    Raises:
        AuditError: NOWCAST-TRIANGLE if the rows are not filled from the left, oldest the fullest.
    """
    last_ages(cumulative)
    changes = [
        DelayChange(newest, _compare_origins(cumulative[-newest - before :, :newest], newest))
        for newest in range(LEAST_CHANGED, min(most, len(cumulative) - before) + 1)
    ]
    largest = max(changes, key=lambda change: abs(change.statistic), default=None)
    if largest is None or abs(largest.statistic) <= CRITICAL_VALUE:
        return None
    return largest


def _compare_origins(cumulative: Floats, newest: int) -> float:
    """Standardise how far the newest origins develop otherwise than all do together.

    The residuals of all steps are added up with their signs: if delays become longer, more than
    usual comes in at each of them. Where either group has no crime at the start of a step, the step
    says nothing.
    """
    is_newest = (np.arange(len(cumulative)) >= len(cumulative) - newest)[:, None]
    new, old = development(cumulative, is_newest), development(cumulative, ~is_newest)
    both = new.start + old.start
    is_shared = (new.start > 0) & (old.start > 0)
    both = np.where(is_shared, both, 1.0)
    factor = (new.end + old.end) / both
    # Counts vary by chance at least as a Poisson variable does. Without this floor a few crimes
    # that happen to develop alike would make any difference look certain.
    squares, degrees = new.squares + old.squares, new.degrees + old.degrees
    sigma2 = np.maximum(squares / np.maximum(degrees, 1), np.abs(factor - 1))
    residual = np.where(is_shared, new.end - factor * new.start, 0.0).sum()
    variance = np.where(is_shared, sigma2 * new.start * old.start / both, 0.0).sum()
    return float(residual / np.sqrt(variance)) if variance > 0 else 0.0
