"""What the best possible reader could tell from each log: the Bayes ceiling.

Such a reader knows the law by which the generator draws. Which phrase of a kind was drawn says
nothing more about the truth, so logs with equal evidence form a cell. The evidence is: codes,
result, kinds of phrases, how many crimes they tell, whether in few words, qualifier, whether
another log of the same place came shortly before, and whether a record of the log was cancelled.
How many crimes the logs of a cell really report is learnt from another year of the same law: learnt
from the same year, chance would pass for knowledge.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.subjects import CLOSINGS, REASONS
from cdi_force.year import AMBIGUOUS, DUPLICATE, JUSTIFIED, NEAR_MISS, TOLD, Year

MOST_CRIMES = 4  # of one log


def is_crime_code(year: Year) -> NDArray[np.bool_]:
    """Say of each code of the force whether it is a crime type."""
    return np.char.startswith(np.array(year.codes), "CR")


def is_in_frame(year: Year) -> NDArray[np.bool_]:
    """Say of each log whether the extract shows it opened or closed under a crime type."""
    crime = is_crime_code(year)
    return np.asarray(crime[year.logs["opening"]] | crime[year.logs["seen_closing"]])


def crimes_due(year: Year) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count per log the crimes that should be recorded, and those of them recorded at as_of."""
    crimes, n = year.crimes, len(year.logs["kind"])
    is_due = (crimes["log"] >= 0) & (crimes["fate"] != JUSTIFIED)
    is_recorded = is_due & crimes["has_record"] & (crimes["recorded"] < year.as_of)
    return (
        np.bincount(crimes["log"][is_due], minlength=n),
        np.bincount(crimes["log"][is_recorded], minlength=n),
    )


def _has_earlier_twin(year: Year) -> NDArray[np.bool_]:
    """Say of each log whether another of the same place came within the 40 minutes before it."""
    logs = year.logs
    order = np.lexsort((logs["received"], logs["address"]))
    address, received = logs["address"][order], logs["received"][order]
    has_neighbour = np.r_[False, (address[1:] == address[:-1]) & (np.diff(received) <= 2400)]
    has_twin = np.zeros(len(order), bool)
    has_twin[order] = has_neighbour
    return has_twin


def _classify_cancellations(year: Year) -> NDArray[np.int64]:
    """Classify each log: 0 nothing cancelled, 1 cancelled by the rules, 2 cancelled with a flaw."""
    records = year.records
    rows = np.flatnonzero((records["log"] >= 0) & (records["cancelled"] < year.as_of))
    cancellation = np.zeros(len(year.logs["kind"]), np.int64)
    np.maximum.at(cancellation, records["log"][rows], 1 + (records["flaw"][rows] > 0))
    return cancellation


def _number_cells(year: Year) -> NDArray[np.int64]:
    """Number the cell of each log: equal evidence gives equal numbers."""
    logs = year.logs
    crime = is_crime_code(year)
    # where the crime is told later, the vague first account adds nothing
    is_told = logs["crime_1"] >= 0
    account = np.where(is_told, TOLD, logs["account"])
    account = np.where(
        ~is_told & (logs["account"] == TOLD) | (logs["kind"] == DUPLICATE) & ~is_told, 3, account
    )
    account = np.where(is_told, 0, np.where(np.isin(account, (NEAR_MISS, AMBIGUOUS)), account, 3))
    others = (logs["crime_2"] >= 0).astype(int) + (logs["crime_3"] >= 0)
    subjects = (*CLOSINGS, *REASONS)
    number = {subject: place for place, subject in enumerate(subjects)}
    closing = np.vectorize(number.__getitem__, otypes=[np.int64])(logs["text_subject"])
    parts: list[tuple[NDArray[Any], int]] = [
        (crime[logs["opening"]], 2),
        (crime[logs["closing"]], 2),
        (logs["result"], len(year.scenario.closings.results)),
        (account, 4),
        (is_told * (1 + logs["further"] + others), 6),
        (closing, len(subjects)),
        (logs["qualifiers"] & 1, 2),
        (_has_earlier_twin(year), 2),
        (logs["is_non_crime"], 2),
        (_classify_cancellations(year), 3),
        (logs["is_terse"], 2),  # only missed crimes are told so
    ]
    cell = np.zeros(len(is_told), np.int64)
    for values, size in parts:
        cell = cell * size + np.minimum(values.astype(np.int64), size - 1)
    return cell


def crimes_named(year: Year, before: Year) -> NDArray[np.int64]:
    """Count the crimes that the best reader would name for each log.

    Args:
        year: To read.
        before: To learn from; another draw of the same law.

    Returns:
        For each log the largest j with P(at least j crimes | evidence) >= 1/2; no less than the
        crimes that records prove.
    """
    cells_before, cell = _number_cells(before), _number_cells(year)
    due, _ = crimes_due(before)
    values, inverse = np.unique(cells_before, return_inverse=True)
    count = np.bincount(inverse)
    place = np.minimum(np.searchsorted(values, cell), len(values) - 1)
    is_seen = values[place] == cell
    crime_counts = np.zeros(len(cell), np.int64)
    for j in range(1, MOST_CRIMES + 1):
        share = np.bincount(inverse, due >= j) / count
        crime_counts += is_seen & (share[place] >= 0.5)
    # a cell that the other year does not have: one crime if the text tells of any
    crime_counts = np.where(is_seen, crime_counts, np.where(year.logs["crime_1"] >= 0, 1, 0))
    _, recorded = crimes_due(year)
    return np.maximum(crime_counts, recorded)
