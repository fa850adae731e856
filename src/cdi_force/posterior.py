"""What a reader who knew the generator's own law could tell from each log: the Bayes ceiling.

Given the kind of a phrase, which phrase it is says nothing more about the truth. So the evidence of
a log is a cell: codes, result, kinds of phrases, how many crimes they tell, qualifier, whether
another log of the same place came shortly before, and whether a record of it was cancelled. How
many crimes the logs of a cell really report is learnt from another year of the same law, so that
this year's chance is not read back as knowledge.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi_force.closings import RESULTS
from cdi_force.subjects import CLOSINGS, REASONS
from cdi_force.year import AMBIGUOUS, DUPLICATE, JUSTIFIED, NEAR_MISS, TOLD, Year

MOST = 4  # crimes of one log


def is_crime_code(year: Year) -> NDArray[np.bool_]:
    """Which codes of the force are crime types."""
    return np.char.startswith(np.array(year.codes), "CR")


def is_in_frame(year: Year) -> NDArray[np.bool_]:
    """Logs with a crime-type opening or closing code, as the extract shows them."""
    crime = is_crime_code(year)
    return np.asarray(crime[year.logs["opening"]] | crime[year.logs["seen_closing"]])


def crimes_due(year: Year) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per log: crimes that should be recorded, and of them those with a record at as_of."""
    crimes, n = year.crimes, len(year.logs["kind"])
    due = (crimes["log"] >= 0) & (crimes["fate"] != JUSTIFIED)
    done = due & crimes["has_record"] & (crimes["recorded"] < year.as_of)
    return (
        np.bincount(crimes["log"][due], minlength=n),
        np.bincount(crimes["log"][done], minlength=n),
    )


def _has_earlier_twin(year: Year) -> NDArray[np.bool_]:
    """Another log of the same place within 40 minutes before."""
    logs = year.logs
    order = np.lexsort((logs["received"], logs["address"]))
    address, received = logs["address"][order], logs["received"][order]
    near = np.r_[False, (address[1:] == address[:-1]) & (np.diff(received) <= 2400)]
    found = np.zeros(len(order), bool)
    found[order] = near
    return found


def _cancellation(year: Year) -> NDArray[np.int64]:
    """Per log: 0 nothing cancelled, 1 a record cancelled with all checks met, 2 with a flaw."""
    records = year.records
    rows = np.flatnonzero((records["log"] >= 0) & (records["cancelled"] < year.as_of))
    found = np.zeros(len(year.logs["kind"]), np.int64)
    np.maximum.at(found, records["log"][rows], 1 + (records["flaw"][rows] > 0))
    return found


def _cells(year: Year) -> NDArray[np.int64]:
    """The evidence of each log, as one number."""
    logs = year.logs
    crime = is_crime_code(year)
    # of a log whose crime is told later, the vague first account says nothing more
    told = logs["crime_1"] >= 0
    account = np.where(told, TOLD, logs["account"])
    account = np.where(
        ~told & (logs["account"] == TOLD) | (logs["kind"] == DUPLICATE) & ~told, 3, account
    )
    account = np.where(told, 0, np.where(np.isin(account, (NEAR_MISS, AMBIGUOUS)), account, 3))
    others = (logs["crime_2"] >= 0).astype(int) + (logs["crime_3"] >= 0)
    subjects = (*CLOSINGS, *REASONS)
    number = {subject: at for at, subject in enumerate(subjects)}
    closing = np.vectorize(number.__getitem__, otypes=[np.int64])(logs["text_subject"])
    parts: list[tuple[NDArray[Any], int]] = [
        (crime[logs["opening"]], 2),
        (crime[logs["closing"]], 2),
        (logs["result"], len(RESULTS)),
        (account, 4),
        (told * (1 + logs["further"] + others), 6),
        (closing, len(subjects)),
        (logs["qualifiers"] & 1, 2),
        (_has_earlier_twin(year), 2),
        (logs["is_non_crime"], 2),
        (_cancellation(year), 3),
    ]
    cell = np.zeros(len(told), np.int64)
    for values, size in parts:
        cell = cell * size + np.minimum(values.astype(np.int64), size - 1)
    return cell


def crimes_named(year: Year, before: Year) -> NDArray[np.int64]:
    """How many crimes the best reader would name for each log.

    Args:
        year: To read.
        before: To learn from; another draw of the same law.

    Returns:
        For each log the largest j with P(at least j crimes | evidence) >= 1/2; no less than the
        crimes that records prove.
    """
    known, cell = _cells(before), _cells(year)
    due, _ = crimes_due(before)
    values, inverse = np.unique(known, return_inverse=True)
    count = np.bincount(inverse)
    at = np.minimum(np.searchsorted(values, cell), len(values) - 1)
    is_seen = values[at] == cell
    named = np.zeros(len(cell), np.int64)
    for j in range(1, MOST + 1):
        share = np.bincount(inverse, due >= j) / count
        named += is_seen & (share[at] >= 0.5)
    # a cell that the other year has not: as many as the text tells
    named = np.where(is_seen, named, np.where(year.logs["crime_1"] >= 0, 1, 0))
    _, done = crimes_due(year)
    return np.maximum(named, done)
