"""What auditors found: checked against the draw, and only read when the audit is complete.

Findings are rows of two kinds, as the landing has them: one per audited log and auditor, and one
per crime that an auditor found in it. A log without such a row reports none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdi.audit.estimators import Design, Floats
from cdi.audit.rates import FORCE
from cdi.audit.register import ADJUDICATOR, Draw
from cdi.errors import AuditError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Findings:
    """A complete audit.

    Attributes:
        positions: Of the audited logs in the frame; erased ones are left out.
        design: Of these logs.
        found: Of the force and each domain: crimes recorded and due, per audited log.
        kappa: Agreement of the two auditors of the logs read twice, on how many crimes are due and
            recorded; None if none was read twice.
        erased: Drawn logs that were erased before they could count.
    """

    positions: NDArray[np.int64]
    design: Design
    found: dict[str, tuple[Floats, Floats]]
    kappa: float | None
    erased: int


def check_findings(draw: Draw, logs: Sequence[Row], crimes: Sequence[Row]) -> None:
    """Refuse findings that are not of this draw.

    Args:
        draw: As loaded.
        logs: call_id, auditor_code, audited_at; one row per log and auditor.
        crimes: call_id, auditor_code, crime_number, is_recorded.

    Raises:
        AuditError: AUDIT-NOT-DRAWN, AUDIT-NO-AUDITOR, AUDIT-NO-TIME, AUDIT-TWICE, AUDIT-NO-LOG or
            AUDIT-NO-JUDGEMENT: the first that is found.
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
    read = Counter((row["call_id"], row["auditor_code"]) for row in logs)
    named = Counter((row["call_id"], row["auditor_code"], row["crime_number"]) for row in crimes)
    twice = [key for key, count in (*read.items(), *named.items()) if count > 1]
    if twice:
        raise AuditError("AUDIT-TWICE", f"delivered twice: {' '.join(map(str, twice[0]))}", fix)
    for row in crimes:
        if (row["call_id"], row["auditor_code"]) not in read:
            raise AuditError(
                "AUDIT-NO-LOG",
                f"a crime of log {row['call_id']}, which {row['auditor_code']} did not read", fix,
            )  # fmt: skip
        if row.get("is_recorded") is None:
            raise AuditError(
                "AUDIT-NO-JUDGEMENT",
                f"crime {row['crime_number']} of log {row['call_id']}: recorded or not?", fix,
            )  # fmt: skip


def match_counts(logs: Sequence[Row], crimes: Sequence[Row]) -> None:
    """Refuse a log whose counts are not those of its rows of crimes: a row was lost on the way.

    Args:
        logs: See `check_findings`; also due_count, recorded_count.
        crimes: See `check_findings`; all of them, of whatever offence.

    Raises:
        AuditError: AUDIT-COUNTS for the first such log.
    """
    by = _by_reading(crimes)
    for row in logs:
        key = (row["call_id"], row["auditor_code"])
        counts, found = (row["due_count"], row["recorded_count"]), _counts(by.get(key, []))
        if counts != found:
            raise AuditError(
                "AUDIT-COUNTS",
                f"log {key[0]}: {key[1]} counted {counts[0]} crimes, {counts[1]} of them recorded, "
                f"and there are rows of {found[0]} and {found[1]}",
                "deliver the worksheet again; what became of its rows is in the quarantine",
            )


def complete_findings(draw: Draw, logs: Sequence[Row], crimes: Sequence[Row]) -> Findings:
    """The findings of a complete audit, counted per log.

    Where two auditors read a log and differ, what the registrar decided counts (auditor_code
    ``FCR``), and only there: what two people found alike is nobody's to change.

    Args:
        draw: As loaded.
        logs: See `check_findings`.
        crimes: See `check_findings`; also offence_group, is_rape, is_domestic_abuse.

    Returns:
        The findings.

    Raises:
        AuditError: AUDIT-INCOMPLETE while a drawn log was not read by all to whom it was given:
            an estimate on the way would choose when to stop. AUDIT-UNDECIDED while the registrar
            has not decided where two auditors differ.
    """
    check_findings(draw, logs, crimes)
    read = {(row["call_id"], row["auditor_code"]) for row in logs}
    ids = draw.call_ids
    places = [place for place, call_id in enumerate(ids) if call_id is not None]
    missing = [
        f"{ids[p]} ({who})"
        for p in places
        for who in (draw.auditors[p], draw.seconds[p])
        if who and (ids[p], who) not in read
    ]
    if missing:
        raise AuditError(
            "AUDIT-INCOMPLETE",
            f"{len(missing)} of the readings of {draw.draw_id} are missing, first {missing[0]}",
            "finish the audit: a rate is only worked out when every drawn log was read",
        )
    by = _by_reading(crimes)
    differ = {call_id for call_id, *_ in differing_logs(draw, logs, crimes)}
    open_ = sorted(call_id for call_id in differ if (call_id, ADJUDICATOR) not in read)
    if open_:
        raise AuditError(
            "AUDIT-UNDECIDED",
            f"two auditors differ on {len(open_)} logs of {draw.draw_id}, first {open_[0]}",
            f"have the registrar decide: the worksheet of {ADJUDICATOR}",
        )
    counted = []
    for p in places:
        call_id = str(ids[p])
        final = ADJUDICATOR if call_id in differ else draw.auditors[p]
        counted.append(by.get((call_id, final), []))
    stratum = draw.strata.of_log[draw.positions[places]]
    # what is erased by a request says nothing of the rate: the rest of its stratum stands for it
    design = Design(stratum, draw.strata.population.astype(float))
    district = draw.frame.logs["district"].to_pylist()
    districts = [district[draw.positions[p]] for p in places]
    twice = [(str(ids[p]), draw.auditors[p], draw.seconds[p]) for p in places if draw.seconds[p]]
    pairs = [(_counts(by.get((c, a), [])), _counts(by.get((c, b), []))) for c, a, b in twice]
    return Findings(
        draw.positions[places],
        design,
        _by_domain(counted, districts),
        cohen_kappa(pairs) if pairs else None,
        len(ids) - len(places),
    )


def differing_logs(
    draw: Draw, logs: Sequence[Row], crimes: Sequence[Row]
) -> list[tuple[str, list[Row], list[Row]]]:
    """Logs on which two auditors differ, decided or not.

    Args:
        draw: As loaded.
        logs: See `check_findings`.
        crimes: See `check_findings`.

    Returns:
        The log, and the crimes that either auditor found.
    """
    read = {(row["call_id"], row["auditor_code"]) for row in logs}
    by = _by_reading(crimes)
    found = []
    for call_id, *readers in zip(draw.call_ids, draw.auditors, draw.seconds, strict=True):
        if call_id is None or not {(call_id, who) for who in readers} <= read:
            continue
        first, second = (by.get((call_id, who), []) for who in readers)
        if _counts(first) != _counts(second):
            found.append((call_id, first, second))
    return found


def _by_reading(crimes: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    by: dict[tuple[str, str], list[Row]] = {}
    for row in crimes:
        by.setdefault((row["call_id"], row["auditor_code"]), []).append(row)
    return by


def _counts(crimes: Sequence[Row]) -> tuple[int, int]:
    return len(crimes), sum(bool(row["is_recorded"]) for row in crimes)


def _by_domain(
    counted: list[list[Row]], districts: list[str]
) -> dict[str, tuple[Floats, Floats]]:  # fmt: skip
    """Crimes recorded and due per audited log, of the force and each domain."""
    found: dict[str, tuple[Floats, Floats]] = {}

    def add(name: str, place: int, row: Row) -> None:
        y, m = found.setdefault(name, (np.zeros(len(counted)), np.zeros(len(counted))))
        m[place] += 1
        y[place] += bool(row["is_recorded"])

    found[FORCE] = (np.zeros(len(counted)), np.zeros(len(counted)))
    for place, crimes in enumerate(counted):
        for row in crimes:
            add(FORCE, place, row)
            add(f"district {districts[place]}", place, row)
            add(row["offence_group"], place, row)
            for flag, name in (("is_rape", "rape"), ("is_domestic_abuse", "domestic_abuse")):
                if row.get(flag):
                    add(name, place, row)
    return found


def cohen_kappa(pairs: Sequence[tuple[Any, Any]]) -> float:
    """Cohen's kappa of two readings of the same logs; 1 if all say the same one thing."""
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    count = len(pairs)
    agreed = sum(a == b for a, b in pairs) / count
    chance = sum(first[value] * second[value] for value in first) / count**2
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)
