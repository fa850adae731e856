"""Second readings: which audited logs another auditor reads too, and what that says of errors.

Auditors err: they overlook a crime, or take a record for none. So another auditor, who does not
know what the first one found, reads a part of the logs, and where the two differ the registrar
decides. What two agree on, or the registrar decides, is taken for true. That is double sampling
(Neyman 1938; Särndal, Swensson and Wretman 1992, Model Assisted Survey Sampling, chapter 9): the
first phase is the audit with one reading of each log, the second phase the logs that are read
twice. The estimate adds what second readings change to what first readings found, and its variance
is the sum of those of both phases.

Second readings are drawn when all first ones are there. An error mostly contradicts what was
predicted of its log, so most of them go to logs whose first reading was not expected, and the rest
by chance to all others: of as many second readings that are drawn blindly, few would meet an error.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from cdi.audit.design import (
    NEYMAN,
    Options,
    Strata,
    cut_cells,
    draw_sample,
    plan_logs,
    predict_variance,
    round_to_total,
    stratify_frame,
    variance_wanted,
)
from cdi.audit.draws import ERASED, SECOND, Draw, hash_table, load_draw, write_table
from cdi.audit.estimators import Floats, SecondDraw
from cdi.audit.predictions import LEAST_CHANCE, Frame
from cdi.audit.rates import known_totals
from cdi.audit.register import Register

# Share of readings that are expected to be wrong: it decides where second readings go, and not what
# the estimate is.
EXPECTED_ERROR = 0.05
# Chance that a crime is recorded whose record was linked, and that one is of which no record was.
RECORDED = {True: 0.95, False: 0.02}
LOGS_PER_STRATUM = 7  # second readings that a stratum has on average
MOST_STRATA = 10
LEAST_PER_STRATUM = 8
IMAGINED_AUDITS = 20  # by which a plan works out what errors leave open


def expect_changes(known: Floats, y: Floats, m: Floats) -> Floats:
    """Expect how much a second reading of each log would change, squared, in crimes.

    A change is one of y - R m: of crimes recorded less the rate times crimes due. The chance of an
    error follows from `EXPECTED_ERROR` and from what was predicted, by Bayes' theorem; but no
    prediction is taken to be so sure that a log would escape its second reading.

    Args:
        known: Predictions of each audited log: crimes recorded, due and missed.
        y: Crimes recorded in each log, by the first reading.
        m: Crimes that should be recorded in each log, by the first reading.
    """
    missed = np.clip(known[:, 2], LEAST_CHANCE, 1 - LEAST_CHANCE)
    is_linked = known[:, 0] - y >= 0.5
    is_missed = m - y >= 0.5  # a crime was read that has no record
    recorded = EXPECTED_ERROR * np.where(is_linked, RECORDED[True], RECORDED[False])
    is_taken_for_missed = np.where(is_missed, recorded / (recorded + missed), 0.0)
    # A log of which a missed crime was read hides hardly another one.
    hidden = np.where(is_missed, LEAST_CHANCE, missed)
    is_overlooked = EXPECTED_ERROR * hidden / (EXPECTED_ERROR * hidden + 1 - hidden)
    is_invented = np.where(m >= 0.5, EXPECTED_ERROR * RECORDED[False], 0.0)
    return np.asarray(is_taken_for_missed + is_overlooked + is_invented)


def draw_second(weight: Floats, expected: Floats, logs: int, seed: list[int]) -> SecondDraw:
    """Draw the logs that are read twice.

    Args:
        weight: Number of logs that each audited log stands for.
        expected: See `expect_changes`.
        logs: How many to read twice; as many as there are, at most.
        seed: Of the random numbers.
    """
    size = weight * np.sqrt(expected)
    logs = min(logs, len(size))
    count = int(np.clip(logs // LOGS_PER_STRATUM, 1, MOST_STRATA))
    of_log = cut_cells(np.zeros(len(size), np.int64), size, count)
    population = np.bincount(of_log)
    least = max(2, min(LEAST_PER_STRATUM, logs // (2 * len(population))))
    wanted = NEYMAN * np.bincount(of_log, size) / size.sum() + (1 - NEYMAN) * population / len(size)
    drawn = round_to_total(wanted, np.minimum(population, least), population, logs)
    rng = np.random.default_rng(seed)
    places = [
        rng.choice(np.flatnonzero(of_log == stratum), number, replace=False)
        for stratum, number in enumerate(drawn)
    ]
    return SecondDraw(of_log, np.sort(np.concatenate(places)))


def draw_second_readings(
    agency: str, draw: Draw, counts: Mapping[str, tuple[int, int]], at: datetime
) -> Draw:
    """Draw the logs that are read twice, by what their first auditors found.

    All follows from the first readings and from the seed, which stood in the register before them.
    What was killed half-way is made again, and is the same.

    Args:
        agency: Name of the agency.
        draw: As loaded; its second readings are still to be drawn.
        counts: Of each log that is not erased, by its number: crimes due and recorded, as its first
            auditor counted them.
        at: When they are drawn.

    Returns:
        The draw with its second readings.
    """
    places = np.array([n for n, call_id in enumerate(draw.call_ids) if call_id is not None])
    first = np.array([counts[str(draw.call_ids[place])] for place in places], np.int64)
    positions = draw.positions[places]
    due, recorded = first.T.astype(float)
    expected = expect_changes(known_totals(draw.frame)[positions], recorded, due)
    weight = 1 / draw.strata.probability[positions]
    logs = max(2, round(draw.facts["double_blind"] * len(places)))
    seed = [draw.facts["seed"], 2]
    drawn = draw_second(weight, expected, logs, seed)
    size, names = len(draw.positions), draw.facts["auditors"]
    stratum, seconds, first_counts = np.full(size, ERASED), [""] * size, np.zeros((size, 2), int)
    stratum[places], first_counts[places] = drawn.of_log, first
    rng = np.random.default_rng([*seed, 1])
    for place in places[drawn.places]:
        # any auditor but the first: 1 to n - 1 places further round
        other = names.index(draw.auditors[place]) + int(rng.integers(1, len(names)))
        seconds[place] = names[other % len(names)]
    table = pa.table(
        {
            "stratum": stratum,
            "second_auditor": seconds,
            "first_due": first_counts[:, 0],
            "first_recorded": first_counts[:, 1],
        }
    )
    register = Register(agency)
    write_table(agency, table, register.folder / draw.draw_id / SECOND)
    register.append("second", at, draw_id=draw.draw_id, second_hash=hash_table(table))
    return load_draw(agency, draw.draw_id)


def plan_second_readings(
    frame: Frame,
    options: Options,
    points: float,
    share: Floats | None = None,
    *,
    error: float,
) -> int:
    """Tell how many logs to audit for a rate to within +/- some points, by auditors who err.

    `Options.double_blind` says which share of them is read twice. What second readings leave open
    is worked out from imagined audits, whose truth and whose errors are drawn from the predictions.

    Args:
        frame: Logs with predictions.
        options: Options of the draw; its `logs` is not used.
        points: Half-width wanted of the interval at 95%, in percentage points.
        share: Share of each log's crimes that is taken to be of the domain; all by default.
        error: Share of readings that take a record for none, or overlook a missed crime.

    Returns:
        The number of logs; all logs if no number is enough.
    """
    wanted = variance_wanted(points)

    def is_enough(logs: int) -> bool:
        strata = stratify_frame(frame, replace(options, logs=logs))
        left = wanted - predict_variance(frame, strata, share)
        return left >= 0 and (
            _imagine_variance(frame, strata, options.double_blind, share, error) <= left
        )

    low, high = plan_logs(frame, options, points, share), len(frame.logs)
    return low + bisect_left(range(low, high), True, key=is_enough)


def _imagine_variance(
    frame: Frame, strata: Strata, twice: float, share: Floats | None, error: float
) -> float:
    """Variance by the second draw, on average over imagined audits, see `plan_second_readings`."""
    all_known, weight = known_totals(frame), strata.design.weight
    variances = []
    for seed in range(IMAGINED_AUDITS):
        rng = np.random.default_rng(seed)
        drawn = draw_sample(strata, seed)
        known = all_known[drawn]
        part = np.ones(len(drawn)) if share is None else share[drawn]
        missed = rng.random(len(drawn)) < known[:, 2]
        is_wrong = rng.random((2, len(drawn))) < error
        taken_for_missed, overlooked = is_wrong[0] * known[:, 0], is_wrong[1] & missed
        y, m = known[:, 0] - taken_for_missed, known[:, 0] + missed - overlooked
        due = weight @ ((known[:, 0] + missed) * part)
        rate = weight @ (known[:, 0] * part) / due
        logs = max(2, round(twice * len(drawn)))
        second = draw_second(weight, expect_changes(known, y, m), logs, [seed])
        change = weight * part * (taken_for_missed - rate * overlooked) / due
        strata_count = len(second.design.population)
        spread = [change[second.of_log == stratum].var() for stratum in range(strata_count)]
        variances.append(second.design.factor @ spread)
    return float(np.mean(variances))
