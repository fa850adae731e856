"""Findings: only of drawn logs, by a named auditor, all of them; then the truth is covered."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cdi.audit import draws, results
from cdi.audit.design import Options
from cdi.audit.draws import Draw, draw_audit, erase_from_register, load_draw
from cdi.audit.findings import Findings, check_findings, cohen_kappa, complete_findings
from cdi.audit.rates import FORCE, measure_errors
from cdi.errors import AuditError
from tests.audit import AGENCY, AT, AUDITORS, PERIOD, Force, without


@pytest.fixture(scope="module")
def force() -> Force:
    return Force()


def draw_logs(force: Force, seed: int = 7, logs: int = 400) -> Draw:
    """A draw whose logs were all read once, and whose second readings are drawn."""
    return force.read_twice(draw_first(force, seed, logs))


def draw_first(force: Force, seed: int = 7, logs: int = 400) -> Draw:
    reason = f"test {seed}" if seed != 7 else None
    options = Options(logs, oversampled={})
    return draw_audit(
        AGENCY, "v1", PERIOD, force.frame, options, AUDITORS, AT, seed=seed, reason=reason
    )


def figures(draw: Draw, findings: Findings) -> dict[str, dict[str, Any]]:
    return {row["domain"]: row for row in results.estimate_rates(draw, findings)}


def test_a_complete_audit_gives_a_rate_that_covers_the_truth(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    findings = complete_findings(draw, *force.audited(draw))
    rows = figures(draw, findings)
    truth = force.recorded.sum() / force.due.sum()
    assert rows[FORCE]["lower_limit"] < truth < rows[FORCE]["upper_limit"]
    assert rows[FORCE]["upper_limit"] - rows[FORCE]["lower_limit"] < 0.06
    assert rows[FORCE]["audited_crimes"] == findings.found[FORCE][1].sum() > 200
    assert rows[FORCE]["rho"] > 0.5
    for name in ("theft", "violence_against_the_person", "district NORTH", "district SOUTH"):
        row = rows[name]
        assert not row["is_withheld"], name
        assert row["is_assisted"]
        assert row["lower_limit"] < row["recording_rate"] < row["upper_limit"]
    assert rows["rape"]["is_withheld"]  # too few of them
    assert rows["rape"]["recording_rate"] is None
    assert findings.kappa == 1.0


def test_the_domains_of_a_finding_are_those_that_the_auditor_named(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    rename = [row | {"offence_group": "robbery"} for row in crimes]
    findings = complete_findings(draw, logs, rename)
    assert findings.found["robbery"][1].sum() == findings.found[FORCE][1].sum()
    assert "theft" not in findings.found


def test_y_is_never_above_m(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    findings = complete_findings(draw, *force.audited(draw))
    assert len(findings.found) > 5
    for y, m in findings.found.values():
        assert (y <= m).all()


@pytest.mark.parametrize(
    ("kind", "changed", "rule"),
    [
        ("logs", {"call_id": "L99999"}, "AUDIT-NOT-DRAWN"),
        ("crimes", {"call_id": "L99999"}, "AUDIT-NOT-DRAWN"),
        ("logs", {"auditor_code": ""}, "AUDIT-NO-AUDITOR"),
        ("crimes", {"auditor_code": None}, "AUDIT-NO-AUDITOR"),
        ("logs", {"audited_at": None}, "AUDIT-NO-TIME"),
        ("crimes", {"auditor_code": "AUD99"}, "AUDIT-NO-LOG"),
        ("crimes", {"is_recorded": None}, "AUDIT-NO-JUDGEMENT"),
    ],
)
def test_findings_that_cannot_be_are_refused(
    state: Path, force: Force, kind: str, changed: dict[str, Any], rule: str
) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    check_findings(draw, logs, crimes)
    if kind == "logs":
        logs = without(logs, 3, **changed)
    else:
        crimes = without(crimes, 3, **changed)
    with pytest.raises(AuditError, match=rule):
        check_findings(draw, logs, crimes)


def test_a_log_that_was_not_drawn_does_not_get_in(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    other = next(i for i in force.ids if i not in set(draw.call_ids))
    more = [*logs, logs[0] | {"call_id": other}]
    with pytest.raises(AuditError, match=f"AUDIT-NOT-DRAWN.*{other}"):
        complete_findings(draw, more, crimes)


def test_a_finding_that_is_delivered_twice_is_refused(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    for rows in ([*logs, logs[0]], crimes), (logs, [*crimes, crimes[0]]):
        with pytest.raises(AuditError, match="AUDIT-TWICE"):
            check_findings(draw, *rows)


@pytest.mark.parametrize("changed", [{}, {"is_recorded": False}])
def test_a_log_of_which_a_crime_is_lost_tells_no_rate(
    state: Path, force: Force, changed: dict[str, Any]
) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    due = Counter((row["call_id"], row["auditor_code"]) for row in crimes)
    recorded = Counter(
        (row["call_id"], row["auditor_code"]) for row in crimes if row["is_recorded"]
    )
    assert due.total() > recorded.total() > 0
    readings = [row | {"crime_number": 0} for row in logs]
    crimes = [row | {"is_headline": True} for row in crimes]
    audit, row = results._read_audit(AGENCY, draw.draw_id, [*readings, *crimes])
    assert audit is not None
    place = next(n for n, row in enumerate(crimes) if row["is_recorded"])
    left = without(crimes, place, **changed)
    audit, row = results._read_audit(AGENCY, draw.draw_id, [*readings, *left])
    assert audit is None
    assert row["withheld_rule_id"] == "AUDIT-COUNTS"
    assert str(crimes[place]["call_id"]) in row["withheld_reason"]
    # of an offence that is none of the headline's a crime is there, and does not count
    other = without(crimes, place, is_headline=False)
    audit, row = results._read_audit(AGENCY, draw.draw_id, [*readings, *other])
    assert audit is not None


def test_nobody_peeks_before_the_last_log_is_read(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    gone = logs[0]["call_id"]
    left = [row for row in logs if row["call_id"] != gone]
    of_left = [row for row in crimes if row["call_id"] != gone]
    with pytest.raises(AuditError, match=f"AUDIT-INCOMPLETE.*{gone}"):
        complete_findings(draw, left, of_left)


def test_the_second_reading_is_part_of_the_audit(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    place = next(n for n, who in enumerate(draw.seconds) if who)
    key = (draw.call_ids[place], draw.seconds[place])
    left = [row for row in logs if (row["call_id"], row["auditor_code"]) != key]
    of_left = [row for row in crimes if (row["call_id"], row["auditor_code"]) != key]
    with pytest.raises(AuditError, match="AUDIT-INCOMPLETE"):
        complete_findings(draw, left, of_left)


def test_where_two_auditors_differ_the_registrar_decides(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    twice = {c: b for c, b in zip(draw.call_ids, draw.seconds, strict=True) if b}
    row = next(r for r in crimes if twice.get(r["call_id"]) == r["auditor_code"])
    call_id = row["call_id"]
    differ = [r | {"is_recorded": not r["is_recorded"]} if r is row else r for r in crimes]
    before = complete_findings(draw, logs, crimes)
    with pytest.raises(AuditError, match=f"AUDIT-UNDECIDED.*{call_id}"):
        complete_findings(draw, logs, differ)
    decided = complete_findings(
        draw,
        [*logs, {"call_id": call_id, "auditor_code": "FCR", "audited_at": AT}],
        [*differ, row | {"auditor_code": "FCR", "is_recorded": not row["is_recorded"]}],
    )
    assert decided.kappa is not None
    assert 0.5 < decided.kappa < 1
    assert abs((decided.found[FORCE][0] - before.found[FORCE][0]).sum()) == 1


def test_what_two_auditors_found_alike_the_registrar_does_not_change(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    twice = {c for c, b in zip(draw.call_ids, draw.seconds, strict=True) if b}
    other = [
        row | {"auditor_code": "FCR", "is_recorded": True}
        for row in {r["call_id"]: r for r in crimes if r["call_id"] in twice}.values()
    ]
    assert not all(row["is_recorded"] for row in crimes if row["call_id"] in twice)
    more = [{"call_id": c, "auditor_code": "FCR", "audited_at": AT} for c in twice]
    before = complete_findings(draw, logs, crimes)
    after = complete_findings(draw, [*logs, *more], [*crimes, *other])
    assert (after.found[FORCE][0] == before.found[FORCE][0]).all()


def test_an_erased_log_is_left_out_and_the_rest_stands_for_its_stratum(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    gone = draw.call_ids[10]
    assert gone is not None
    erase_from_register(AGENCY, [gone], datetime(2017, 8, 1), "request 12")
    after = load_draw(AGENCY, draw.draw_id)
    findings = complete_findings(after, *force.audited(after))
    assert findings.erased == 1
    assert len(findings.positions) == 399
    assert findings.design.weight.sum() == pytest.approx(3000)
    assert not figures(after, findings)[FORCE]["is_withheld"]


def test_of_an_audit_whose_oldest_logs_expired_no_rate_is_worked_out_again(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    reason = "retention: as of 2018-01-01"
    not_drawn = next(i for i in force.ids if i not in set(draw.call_ids))
    erase_from_register(AGENCY, [not_drawn], AT, reason)
    after = load_draw(AGENCY, draw.draw_id)
    assert complete_findings(after, *force.audited(after)).erased == 0
    gone = [str(call_id) for call_id in draw.call_ids[10:12]]
    erase_from_register(AGENCY, gone, AT, reason)
    after = load_draw(AGENCY, draw.draw_id)
    logs, crimes = force.audited(after)
    readings = [row | {"crime_number": 0} for row in logs]
    crimes = [row | {"is_headline": True} for row in crimes]
    audit, row = results._read_audit(AGENCY, draw.draw_id, [*readings, *crimes])
    assert audit is None
    assert row["withheld_rule_id"] == "AUDIT-EXPIRED"
    assert "2 of the 400 logs" in row["withheld_reason"]


@pytest.mark.parametrize("erased", [1, 2])
def test_for_an_erased_log_of_a_stratum_that_was_drawn_whole_nobody_stands(
    state: Path, erased: int
) -> None:
    """Two logs with a rape are a stratum of their own, and both are drawn."""
    force = Force()
    positions = np.asarray(force.frame.crimes["position"])
    rapes = positions[[10, 20]]
    crimes = force.frame.crimes.set_column(
        force.frame.crimes.column_names.index("is_rape"),
        "is_rape",
        pa.array(np.isin(positions, rapes)),
    )
    frame = replace(force.frame, crimes=crimes)
    options = Options(400, oversampled={"is_rape": 6.0})
    draw = draw_audit(AGENCY, "v1", PERIOD, frame, options, AUDITORS, AT, seed=7)
    draw = force.read_twice(draw)
    stratum = draw.strata.of_log[rapes[0]]
    assert draw.strata.population[stratum] == draw.strata.audited[stratum] == 2
    gone = rapes[:erased]
    erase_from_register(AGENCY, [force.ids[n] for n in gone], AT, "request 12")
    after = load_draw(AGENCY, draw.draw_id)
    findings = complete_findings(after, *force.audited(after))
    assert findings.erased == erased
    assert findings.design.weight.sum() == pytest.approx(3000 - erased)
    left = findings.design.stratum == stratum
    assert findings.design.weight[left].tolist() == [1.0] * (2 - erased)
    assert not figures(after, findings)[FORCE]["is_withheld"]
    # what is published, for R to work the rate out again, is of the same logs
    strata = results._rows_of_strata(results.Audit(after, findings, []))
    assert sum(row["log_count"] for row in strata) == 3000 - erased
    assert [row["log_count"] for row in strata if row["stratum"] == stratum] == [1] * (2 - erased)
    due = force.frame.column("due")
    assert sum(row["predicted_due"] for row in strata) == due.sum() - due[gone].sum()
    assert due[gone].sum() == erased


def test_a_stratum_that_was_not_drawn_whole_needs_two_audited_logs(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    counts = np.bincount(draw.strata.of_log[draw.positions])
    stratum = int(np.argmin(counts))
    assert counts[stratum] < draw.strata.population[stratum]
    of_stratum = np.flatnonzero(draw.strata.of_log[draw.positions] == stratum)
    gone = [str(draw.call_ids[place]) for place in of_stratum[1:]]
    erase_from_register(AGENCY, gone, AT, "request 12")
    after = load_draw(AGENCY, draw.draw_id)
    with pytest.raises(AuditError, match=r"(?s)AUDIT-STRATUM.*draw the period again"):
        complete_findings(after, *force.audited(after))


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("is_last", [False, True])
def test_a_second_stratum_that_erasures_leave_too_thin_joins_the_next(
    state: Path, force: Force, left: int, is_last: bool
) -> None:
    draw = draw_logs(force)
    assert draw.second_stratum is not None
    last = int(np.max(draw.second_stratum))
    stratum, other = (last, last - 1) if is_last else (0, 1)
    in_both = np.isin(draw.second_stratum, [stratum, other])
    is_twice = np.array([bool(auditor) for auditor in draw.seconds])
    twice = np.flatnonzero(is_twice & (draw.second_stratum == stratum))
    assert np.sum(draw.second_stratum == stratum) > len(twice) > 2
    gone = [str(draw.call_ids[place]) for place in twice[left:]]
    erase_from_register(AGENCY, gone, AT, "request 12")
    after = load_draw(AGENCY, draw.draw_id)
    findings = complete_findings(after, *force.audited(after))
    assert findings.second is not None
    second = findings.second.draw
    assert len(second.design.population) == last  # one fewer than there were
    joint = last - 1 if is_last else 0
    assert second.design.population[joint] == in_both.sum() - len(gone)
    assert second.design.drawn[joint] == (in_both & is_twice).sum() - len(gone)
    assert not figures(after, findings)[FORCE]["is_withheld"]


def test_kappa_by_hand() -> None:
    """Of 100 logs both say "crime" in 40 and both "none" in 30: (0.7 - 0.5) / (1 - 0.5)."""
    pairs = [(1, 1)] * 40 + [(0, 0)] * 30 + [(1, 0)] * 20 + [(0, 1)] * 10
    assert cohen_kappa(pairs, [1] * 100) == pytest.approx((0.7 - 0.5) / 0.5)
    # the same from one pair of each kind, each standing for the logs that say so
    kinds = [(1, 1), (0, 0), (1, 0), (0, 1)]
    assert cohen_kappa(kinds, [40, 30, 20, 10]) == pytest.approx((0.7 - 0.5) / 0.5)
    assert cohen_kappa([(1, 1)] * 5, [3.0] * 5) == 1.0


def test_nobody_peeks_before_the_second_readings_are_drawn(state: Path, force: Force) -> None:
    draw = draw_first(force)
    readings = force.audited(draw)
    with pytest.raises(AuditError, match=r"AUDIT-INCOMPLETE.*no second ones are drawn"):
        complete_findings(draw, *readings)
    assert complete_findings(replace(draw, facts=draw.facts | {"double_blind": 0}), *readings)


def test_a_first_reading_is_not_changed_after_the_second_ones_were_drawn(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    place = next(n for n, row in enumerate(logs) if row["due_count"])
    changed = [
        row | {"due_count": 0, "recorded_count": 0} if n == place else row
        for n, row in enumerate(logs)
    ]
    assert not draw.seconds[draw.call_ids.index(logs[place]["call_id"])]
    with pytest.raises(AuditError, match=f"AUDIT-SECOND.*{logs[place]['call_id']}"):
        complete_findings(draw, changed, crimes)


def test_errors_of_reading_are_counted_by_kind(state: Path, force: Force) -> None:
    """One log of each kind, by hand: a crime overlooked, one invented, two records misjudged."""
    draw = draw_logs(force)
    logs, crimes = force.audited(draw)
    twice = {c: b for c, b in zip(draw.call_ids, draw.seconds, strict=True) if b}
    found = {row["call_id"]: row for row in crimes}
    recorded = next(c for c in twice if c in found and found[c]["is_recorded"])
    missed, other = [c for c in twice if c in found and not found[c]["is_recorded"]][:2]
    none = next(c for c in twice if c not in found)
    invented = {**crimes[0], "call_id": none, "is_recorded": False}
    # what the registrar decides, in place of both: the first readings had it wrong
    truth = {recorded: [{"is_recorded": False}], missed: [{"is_recorded": True}], other: []}
    decided = [
        found[call_id] | {"auditor_code": "FCR"} | change
        for call_id, changes in truth.items()
        for change in changes
    ]
    decided.append(invented | {"auditor_code": "FCR"})
    seconds = {(call_id, auditor) for call_id, auditor in twice.items()}
    wrong = {recorded, missed, other, none}
    differ = [
        row
        for row in crimes
        if row["call_id"] not in wrong or (row["call_id"], row["auditor_code"]) not in seconds
    ]
    differ += [row | {"auditor_code": twice[row["call_id"]]} for row in decided]
    more = [{"call_id": c, "auditor_code": "FCR", "audited_at": AT} for c in wrong]
    findings = complete_findings(draw, [*logs, *more], [*differ, *decided])
    assert findings.second is not None
    y, m = findings.found[FORCE]
    weight = findings.design.weight
    errors = measure_errors(findings.second, weight, y, m)
    due = sum(weight[place] * m[place] for place in range(len(m)))
    place_of = {c: n for n, c in enumerate(draw.call_ids)}
    lost = {}
    read = findings.second.draw
    for call_id in wrong:
        place = place_of[call_id]
        stratum = read.of_log == read.of_log[place]
        lost[call_id] = weight[place] * stratum.sum() / stratum[read.places].sum()
    unread = lost[none] - weight[place_of[none]] - (lost[other] - weight[place_of[other]])
    expected = {
        "overlooked_share": none,
        "invented_share": other,
        "taken_for_missed_share": missed,
        "taken_for_recorded_share": recorded,
    }
    for name, call_id in expected.items():
        assert errors[name] == pytest.approx(lost[call_id] / (due + unread)), name


def test_a_draw_of_before_has_its_second_readings_drawn_with_the_sample(
    state: Path, force: Force, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registers of earlier versions stay valid: there 7.5% of the logs were read twice, blindly."""

    def assign_at_once(strata: Any, facts: Any) -> pa.Table:
        sample = assign(strata, facts)
        names = sample["auditor"].to_pylist()
        others = [next(a for a in AUDITORS if a != name) for name in names]
        seconds = [other if n % 13 == 0 else "" for n, other in enumerate(others)]
        return sample.append_column("second_auditor", pa.array(seconds))

    assign = draws._draw_and_assign
    monkeypatch.setattr(draws, "_draw_and_assign", assign_at_once)
    draw = draw_first(force)
    assert not draw.awaits_second
    assert sum(map(bool, draw.seconds)) == 31
    findings = complete_findings(draw, *force.audited(draw))
    assert findings.second is not None
    assert len(findings.second.draw.design.population) == 1
    assert not figures(draw, findings)[FORCE]["is_withheld"]
