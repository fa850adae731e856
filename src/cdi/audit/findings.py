"""What auditors found: checked against the draw, and counted only when the audit is complete.

Findings are rows of two kinds, as in the landing: one row per audited log and auditor, and one row
per crime that the auditor found in the log. A log without rows of crimes reports no crime.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi import paths
from cdi.audit.draws import ADJUDICATOR, Draw
from cdi.audit.estimators import Design, SecondDraw
from cdi.audit.rates import FORCE, SecondReadings, known_totals
from cdi.audit.second_readings import expect_changes
from cdi.errors import AuditError

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
FLAGS = {"is_rape": "rape", "is_domestic_abuse": "domestic_abuse"}  # domain by flag of a crime


@dataclass(frozen=True)
class Findings:
    """A complete audit.

    Attributes:
        positions: Positions of the audited logs in the frame, without erased logs.
        design: Design of these logs.
        found: For the force and each domain: crimes recorded and due in each audited log, as they
            are known best: as the registrar decided, where two auditors differ.
        second: The logs that were read twice; None if none was.
        kappa: Agreement (Cohen's kappa) of two auditors on the number of crimes due and recorded,
            as it would be if all logs were read twice; None if none was.
        erased: Number of drawn logs that were erased before they could count.
    """

    positions: NDArray[np.int64]
    design: Design
    found: dict[str, tuple[Floats, Floats]]
    second: SecondReadings | None
    kappa: float | None
    erased: int


def check_findings(draw: Draw, logs: Sequence[Row], crimes: Sequence[Row]) -> None:
    """Refuse findings that do not belong to this draw, or lack what an estimate needs.

    Args:
        draw: As loaded.
        logs: call_id, auditor_code, audited_at; one row per log and auditor.
        crimes: call_id, auditor_code, crime_number, is_recorded; one row per crime and auditor.

    Raises:
        AuditError: The first of AUDIT-NOT-DRAWN, AUDIT-NO-AUDITOR, AUDIT-NO-TIME, AUDIT-TWICE,
            AUDIT-NO-LOG and AUDIT-NO-JUDGEMENT that applies.
    """
    drawn = set(draw.call_ids)
    fix = "correct the worksheet and deliver it again"
    for row in (*logs, *crimes):
        if row["call_id"] not in drawn:
            raise AuditError(
                "AUDIT-NOT-DRAWN",
                f"log {row['call_id']} is not in the sample of {draw.draw_id}",
                "deliver findings for drawn logs only: others were not chosen by chance",
            )
        if not row.get("auditor_code"):
            raise AuditError("AUDIT-NO-AUDITOR", f"log {row['call_id']} has no auditor", fix)
    for row in logs:
        if not row.get("audited_at"):
            raise AuditError("AUDIT-NO-TIME", f"log {row['call_id']} has no time of audit", fix)
    log_counts = Counter(map(_reading_key, logs))
    crime_counts = Counter((*_reading_key(row), row["crime_number"]) for row in crimes)
    twice = [key for key, count in (*log_counts.items(), *crime_counts.items()) if count > 1]
    if twice:
        raise AuditError("AUDIT-TWICE", f"delivered twice: {' '.join(map(str, twice[0]))}", fix)
    for row in crimes:
        call_id, auditor = _reading_key(row)
        if (call_id, auditor) not in log_counts:
            raise AuditError(
                "AUDIT-NO-LOG",
                f"there is a crime of log {call_id}, which {auditor} did not read",
                fix,
            )
        if row.get("is_recorded") is None:
            message = f"crime {row['crime_number']} of log {call_id}: recorded or not?"
            raise AuditError("AUDIT-NO-JUDGEMENT", message, fix)


def match_counts(logs: Sequence[Row], crimes: Sequence[Row]) -> None:
    """Refuse a log whose counts differ from its rows of crimes: a row was lost on the way.

    Args:
        logs: See `check_findings`; also due_count, recorded_count.
        crimes: See `check_findings`; all of them, whatever the offence.

    Raises:
        AuditError: AUDIT-COUNTS for the first such log.
    """
    crimes_by_reading = _group_by_reading(crimes)
    for row in logs:
        call_id, auditor = key = _reading_key(row)
        counts = (row["due_count"], row["recorded_count"])
        rows = _count_crimes(crimes_by_reading.get(key, []))
        if counts != rows:
            raise AuditError(
                "AUDIT-COUNTS",
                f"log {call_id}: {auditor} counted {counts[0]} crimes, {counts[1]} of them "
                f"recorded, and there are rows of {rows[0]} and {rows[1]}",
                "deliver the worksheet again; what became of its rows is in the quarantine",
            )


def complete_findings(draw: Draw, logs: Sequence[Row], crimes: Sequence[Row]) -> Findings:
    """Count the findings of a complete audit, log by log.

    Where two auditors read a log and differ, the decision of the force crime registrar counts
    (auditor_code ``FCR``), and only there: the registrar may not change what two auditors agree on.

    Args:
        draw: As loaded.
        logs: See `check_findings`.
        crimes: See `check_findings`; also offence_group, is_rape, is_domestic_abuse.

    Raises:
        AuditError: AUDIT-EXPIRED if retention removed a drawn log. AUDIT-INCOMPLETE while a drawn
            log was not read by all auditors to whom it was given, or the second readings are not
            drawn: whoever sees an estimate on the way can choose when to stop. AUDIT-SECOND if a
            first reading is not the one by which the second readings were drawn. AUDIT-UNDECIDED
            while the registrar has not decided where two auditors differ. Also those of
            `check_findings`.
    """
    refuse_expired(draw)
    check_findings(draw, logs, crimes)
    _refuse_incomplete(draw, logs)
    refuse_changed(draw, logs)
    differing = {call_id for call_id, *_ in differing_logs(draw, logs, crimes)}
    _refuse_undecided(draw, logs, differing)
    crimes_by_reading = _group_by_reading(crimes)
    places = [place for place, call_id in enumerate(draw.call_ids) if call_id is not None]
    positions = draw.positions[places]
    first, final, pairs = [], [], []
    for place in places:
        call_id, auditor = str(draw.call_ids[place]), draw.auditors[place]
        first.append(crimes_by_reading.get((call_id, auditor), []))
        decided = (call_id, ADJUDICATOR)
        final.append(crimes_by_reading.get(decided, []) if call_id in differing else first[-1])
        if draw.seconds[place]:
            second = crimes_by_reading.get((call_id, draw.seconds[place]), [])
            pairs.append((_count_crimes(first[-1]), _count_crimes(second)))
    # A log is erased because somebody asked for it, which says nothing about the rate: the other
    # audited logs of its stratum stand for it, if the stratum was not drawn whole.
    of_log = draw.strata.of_log
    population = np.bincount(of_log, draw.is_counted, minlength=len(draw.strata.population))
    design = Design(of_log[positions], population)
    district = draw.frame.logs["district"].to_pylist()
    districts = [district[position] for position in positions]
    twice = _describe_second(draw, places, _count_by_domain(first, districts))
    return Findings(
        positions=positions,
        design=design,
        found=_count_by_domain(final, districts),
        second=twice,
        kappa=cohen_kappa(pairs, twice.draw.design.weight) if twice else None,
        erased=len(draw.call_ids) - len(places),
    )


def _describe_second(
    draw: Draw, places: list[int], first: dict[str, tuple[Floats, Floats]]
) -> SecondReadings | None:
    """Describe the second readings of the audited logs; None if no log is read twice."""
    if draw.second_stratum is None:
        return None
    twice = np.flatnonzero([bool(draw.seconds[place]) for place in places])
    of_log = _merge_thin(draw.second_stratum[places], twice)
    y, m = first[FORCE]
    expected = expect_changes(known_totals(draw.frame)[draw.positions[places]], y, m)
    return SecondReadings(SecondDraw(of_log, twice), first, expected)


def _merge_thin(of_log: NDArray[np.int64], twice: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put a second stratum of which erasures left fewer than two readings together with the next.

    Second strata are cut by size, so that the next one is the most alike, and nobody chooses it
    (collapsed strata: Cochran 1977, 5A.12).

    Args:
        of_log: Second stratum of each audited log.
        twice: Places of the logs that are read twice.

    Returns:
        The strata, numbered from 0.
    """
    while True:
        # numbered anew, because a stratum all of whose logs were erased is none
        _, of_log = np.unique(of_log, return_inverse=True)
        population = np.bincount(of_log)
        read = np.bincount(of_log[twice], minlength=len(population))
        thin = np.flatnonzero(read < np.minimum(2, population))
        if not len(thin) or len(population) == 1:
            return of_log
        first = min(thin[0], len(population) - 2)  # the last one goes to the one before it
        of_log = np.where(of_log == first, first + 1, of_log)


def refuse_expired(draw: Draw) -> None:
    """Refuse an audit of which retention removed logs.

    They are the oldest, and not a part that chance chose: what is left of the sample would give the
    rate of the last days of the period as that of all of it.

    Args:
        draw: As loaded.

    Raises:
        AuditError: AUDIT-EXPIRED if a drawn log expired.
    """
    if draw.expired_count:
        raise AuditError(
            "AUDIT-EXPIRED",
            f"{draw.expired_count} of the {len(draw.positions)} logs of {draw.draw_id} were "
            "removed by retention, so its rate can no longer be worked out",
            "read its rate in its pack and in the reports of that time; audit a newer period",
        )


def _refuse_incomplete(draw: Draw, logs: Sequence[Row]) -> None:
    """Refuse an audit of which a reading is missing."""
    read = set(map(_reading_key, logs))
    missing = [
        f"{call_id} ({auditor})"
        for call_id, *readers in zip(draw.call_ids, draw.auditors, draw.seconds, strict=True)
        for auditor in readers
        if call_id is not None and auditor and (call_id, auditor) not in read
    ]
    if missing:
        raise AuditError(
            "AUDIT-INCOMPLETE",
            f"{len(missing)} of the readings of {draw.draw_id} are missing, first {missing[0]}",
            "finish the audit: a rate is only worked out when every drawn log was read",
        )
    if draw.awaits_second:
        raise AuditError(
            "AUDIT-INCOMPLETE",
            f"all first readings of {draw.draw_id} are there, and no second ones are drawn",
            f"run {paths.CDI} audit worksheets, and have the logs of the new sheets read",
        )


def refuse_changed(draw: Draw, logs: Sequence[Row]) -> None:
    """Refuse first readings that are not those by which the second readings were drawn.

    Second readings say what first readings overlook only if nobody changed a first one afterwards.

    Args:
        draw: As loaded.
        logs: See `check_findings`; also due_count and recorded_count, as the auditor counted.

    Raises:
        AuditError: AUDIT-SECOND for the first such log.
    """
    if draw.first_counts is None:
        return
    by_reading = {_reading_key(row): row for row in logs}
    rows = zip(draw.call_ids, draw.auditors, draw.first_counts.tolist(), strict=True)
    for call_id, auditor, counts in rows:
        row = by_reading.get((str(call_id), auditor))
        if row is not None and [int(row["due_count"]), int(row["recorded_count"])] != counts:
            raise AuditError(
                "AUDIT-SECOND",
                f"log {call_id}: the first reading by {auditor} was changed after the second "
                "readings had been drawn",
                "deliver the first reading as it was: where two auditors differ, the registrar "
                "decides",
            )


def _refuse_undecided(draw: Draw, logs: Sequence[Row], differing: set[str]) -> None:
    """Refuse an audit of which the registrar has not decided a log."""
    read = set(map(_reading_key, logs))
    undecided = sorted(call_id for call_id in differing if (call_id, ADJUDICATOR) not in read)
    if undecided:
        raise AuditError(
            "AUDIT-UNDECIDED",
            f"two auditors differ on {len(undecided)} logs of {draw.draw_id}, first {undecided[0]}",
            f"have the registrar decide in the worksheet of {ADJUDICATOR}",
        )


def differing_logs(
    draw: Draw, logs: Sequence[Row], crimes: Sequence[Row]
) -> list[tuple[str, list[Row], list[Row]]]:
    """List the logs on which two auditors differ, whether they were decided or not.

    Args:
        draw: As loaded.
        logs: See `check_findings`.
        crimes: See `check_findings`.

    Returns:
        The log, and the crimes that each of the two auditors found in it.
    """
    read = set(map(_reading_key, logs))
    crimes_by_reading = _group_by_reading(crimes)
    differing = []
    for call_id, *readers in zip(draw.call_ids, draw.auditors, draw.seconds, strict=True):
        if call_id is None or not {(call_id, auditor) for auditor in readers} <= read:
            continue
        first, second = (crimes_by_reading.get((call_id, auditor), []) for auditor in readers)
        if _count_crimes(first) != _count_crimes(second):
            differing.append((call_id, first, second))
    return differing


def _reading_key(row: Row) -> tuple[str, str]:
    """Name the reading that a row belongs to: its log and its auditor."""
    return row["call_id"], row["auditor_code"]


def _group_by_reading(crimes: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    crimes_by_reading: dict[tuple[str, str], list[Row]] = {}
    for row in crimes:
        crimes_by_reading.setdefault(_reading_key(row), []).append(row)
    return crimes_by_reading


def _count_crimes(crimes: Sequence[Row]) -> tuple[int, int]:
    """Count the crimes that an auditor found, and those of them that are recorded."""
    return len(crimes), sum(bool(row["is_recorded"]) for row in crimes)


def _count_by_domain(
    crimes_by_log: list[list[Row]], districts: list[str]
) -> dict[str, tuple[Floats, Floats]]:
    """Count crimes recorded and due in each audited log, for the force and each domain."""
    size = len(crimes_by_log)
    counts: dict[str, tuple[Floats, Floats]] = {FORCE: (np.zeros(size), np.zeros(size))}
    for place, crimes in enumerate(crimes_by_log):
        for row in crimes:
            flags = (domain for flag, domain in FLAGS.items() if row.get(flag))
            for domain in (FORCE, f"district {districts[place]}", row["offence_group"], *flags):
                y, m = counts.setdefault(domain, (np.zeros(size), np.zeros(size)))
                m[place] += 1
                y[place] += bool(row["is_recorded"])
    return counts


def cohen_kappa(pairs: Sequence[tuple[Any, Any]], weights: Sequence[float] | Floats) -> float:
    """Work out the agreement of two readings of the same logs beyond chance (Cohen 1960).

    Args:
        pairs: What the two readings say of each log.
        weights: Number of logs that each of these stands for.

    Returns:
        Kappa; 1 if both readings say one and the same thing of all logs.
    """
    first: dict[Any, float] = defaultdict(float)
    second: dict[Any, float] = defaultdict(float)
    apart = 0.0
    shares = np.asarray(weights, float) / np.sum(weights)
    for (a, b), share in zip(pairs, shares.tolist(), strict=True):
        first[a] += share
        second[b] += share
        apart += share * (a != b)
    by_chance = sum(share * (1 - second[value]) for value, share in first.items())
    # readings that could not differ by chance agree
    return 1.0 if apart == 0 else 1 - apart / by_chance
