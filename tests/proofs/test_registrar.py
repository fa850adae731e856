"""The simulated registrar: whose order it is, how often people err, and what bias is measured by.

Figures of whole forces: tests/slow/test_registrar.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdi.desk import queue
from cdi.desk.queue import QueuedLog
from cdi.desk.standing import CONFIRMED, DISMISSED, PROPOSED
from cdi.errors import CdiError
from cdi.variant import Variant
from cdi_proofs import registrar
from cdi_proofs.registrar import Work, measure_force
from cdi_proofs.registrar_desk import (
    LOT,
    ORDER,
    RIGHT,
    Decision,
    Read,
    deal_lots,
    decide_all,
    find_sample,
    hand_out,
    list_open_logs,
    shuffle,
)
from cdi_proofs.registrar_figures import compare_labels, mean_limits, summarise_forces
from cdi_proofs.registrar_tables import list_tables
from tests.conftest import SmallAgency
from tests.desk import sign_in

TOP = 90  # of a list of 300 logs; these are missed crimes, and of the others one in three is


def make_log(number: int, **crime: Any) -> QueuedLog:
    """A log with one suspected crime."""
    call_id = f"T-{number:04}"
    facts = {"reported_crime_id": f"{call_id}#1", "call_id": call_id, "is_rape": False}
    return QueuedLog(call_id, number, [facts | crime], None, None)


def read_for(seed: int, logs: Sequence[QueuedLog], count: int) -> list[Read]:
    """What the desk hands to a registrar who has lots of their own."""
    return hand_out(deal_lots(logs, seed), count)


LOGS = [make_log(number) for number in range(300)]
MISSED = {
    log.crimes[0]["reported_crime_id"]
    for number, log in enumerate(LOGS)
    if number < TOP or number % 3 == 0
}
TRUE = len(MISSED) / len(LOGS)


def test_the_order_is_that_in_which_the_desk_hands_out_logs(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody at the real desk decides log after log, of which every second comes by lot."""
    monkeypatch.setattr(queue, "LOT_SHARE", 2)
    shown, logs = list_open_logs(agency="testville")
    expected = [(by, log.call_id) for by, log in hand_out(logs, len(logs))]
    clerk = sign_in("reader.one")
    page, served = clerk.get("start"), []
    while page.url.path.endswith("/log"):
        served.append((page.url.params["by"], page.url.params["call"]))
        page = clerk.send(clerk.find_form(page.text, CONFIRMED))
    assert served == expected
    assert {by for by, _ in served} == {ORDER, LOT}
    assert len(served) == len(logs) > 3
    assert shown.now == shown.as_of


def test_one_log_of_ten_comes_by_lot_and_the_same_seed_draws_the_same() -> None:
    read = read_for(1, LOGS, 120)
    assert [by for by, _ in read] == ([ORDER] * 9 + [LOT]) * 12
    in_order = [log.call_id for by, log in read if by == ORDER]
    assert in_order == sorted(in_order)
    assert len({log.call_id for _, log in read}) == 120
    assert read_for(1, LOGS, 120) == read
    assert read_for(2, LOGS, 120) != read


def test_one_decision_of_twenty_is_wrong() -> None:
    decisions = decide_all([(ORDER, log) for log in LOGS] * 40, MISSED, np.random.default_rng(1))
    wrong = sum(not each.is_right for each in decisions)
    # 12,000 coins: 600, give or take 24
    assert wrong == pytest.approx((1 - RIGHT) * 12_000, abs=4 * 24)
    assert all(each.is_missed == (each.crime["reported_crime_id"] in MISSED) for each in decisions)
    assert {each.kind for each in decisions} == {CONFIRMED, DISMISSED}


def test_a_rape_is_dismissed_by_two_who_agree() -> None:
    rape = make_log(1, is_rape=True)
    rng = np.random.default_rng(2)
    read = [(ORDER, rape)] * 40_000
    for missed, dismissed, proposed in (
        ({"T-0001#1"}, 0.05 * 0.05, 0.05 * 0.95),
        (set[str](), 0.95 * 0.95, 0.95 * 0.05),
    ):
        kinds = [each.kind for each in decide_all(read, missed, rng)]
        for kind, share in ((DISMISSED, dismissed), (PROPOSED, proposed)):
            error = (share * (1 - share) / len(read)) ** 0.5
            assert kinds.count(kind) / len(read) == pytest.approx(share, abs=4 * error)


def test_the_logs_below_the_last_lot_are_a_fair_sample_and_those_by_lot_are_not() -> None:
    """Half of the list is read. What came by lot alone lacks more and more of the top."""
    by_lot, sampled = [], []
    for seed in range(40):
        read = read_for(seed, LOGS, 150)
        lots = [log for by, log in read if by == LOT]
        sample = [log for _, log in find_sample(read)]
        assert len(sample) >= len(lots) - 1
        for found, logs in ((by_lot, lots), (sampled, sample)):
            found.append(np.mean([log.crimes[0]["reported_crime_id"] in MISSED for log in logs]))
    error = np.std(sampled, ddof=1) / len(sampled) ** 0.5
    assert np.mean(sampled) == pytest.approx(TRUE, abs=4 * error)
    assert np.mean(by_lot) < TRUE - 4 * error


def test_nothing_is_a_sample_before_the_first_lot() -> None:
    assert find_sample(read_for(3, LOGS, 9)) == []


def test_bias_is_measured_by_the_truth_of_the_whole_list() -> None:
    read = read_for(4, LOGS, 90)
    decisions = [
        Decision(log.crimes[0], by, log.crimes[0]["reported_crime_id"] in MISSED, CONFIRMED)
        for by, log in read
    ]
    # one more of the lots was proposed to be dismissed: it is not decided
    decisions[-1] = Decision(decisions[-1].crime, LOT, decisions[-1].is_missed, PROPOSED)
    compared = compare_labels(read, decisions, TRUE)
    assert compared["true"] == TRUE
    assert compared[ORDER] == {"rows": 81, "confirmed": 1.0, "missed": 1.0}  # all from the top
    lots = [log for by, log in read if by == LOT]
    hits = sum(log.crimes[0]["reported_crime_id"] in MISSED for log in lots)
    assert compared[LOT] == {"rows": 9, "confirmed": 1.0, "missed": round(hits / 9, 5)}


def test_random_order_reads_all_parts_of_the_list() -> None:
    read = shuffle(LOGS, 150, np.random.default_rng(5))
    assert len({log.call_id for _, log in read}) == 150
    top = sum(int(log.call_id[2:]) < TOP for _, log in read)
    assert top == pytest.approx(45, abs=4 * 4)  # hypergeometric


def test_limits_are_students_and_one_force_has_none() -> None:
    assert mean_limits([2.0]) == {"mean": 2.0, "low": None, "high": None}
    # 4.303 standard errors of 1 / sqrt(3) for two degrees of freedom
    limits = mean_limits([1.0, 2.0, 3.0])
    assert limits["mean"] == 2.0
    assert limits["high"] == pytest.approx(2 + 4.303 / 3**0.5, abs=1e-3)
    assert limits["low"] == pytest.approx(2 - 4.303 / 3**0.5, abs=1e-3)


def make_force(seed: int, brier: float) -> dict[str, Any]:
    """A force as `measure_force` gives it, of which two registrars read the list."""
    counts = ("logs", "found_per_log", "found", "found_in_time", "found_grave")
    reading = dict.fromkeys((*counts, "wrongly_dismissed", "wrongly_confirmed"), seed)
    part = {"logs": 50, "missed": 40, "expected": 30.0}
    audits = {"frame": {"held": 90 + seed, "shown": 100, "half_width": 2.0, "bias": 0.1}}
    return {
        "seed": seed,
        "promised": [
            {
                "reading_part": name,
                "log_count": 10,
                "expected_count": 8.0,
                "lower_limit": 7.0,
                "upper_limit": 9.0,
                "true_count": 9,
            }
            for name in ("now", "likely")
        ],
        "yields": [{"desk": reading, "random": reading}] * 2,
        "labels": [
            {"true": 0.5}
            | {
                name: {"rows": 10, "confirmed": confirmed, "missed": 0.5}
                for name in ("order", "lot", "sample")
            }
            for confirmed in (0.6, 0.8 + seed / 10)
        ],
        "cases": {
            case: {
                "month": {name: {**part, "brier": value} for name in ("listed", "others")},
                "rates": {"frame": {"truth": 0.8, "standard": 0.81}},
                "audits": audits,
            }
            for case, value in (("nobody decided", 0.1), ("learnt from all", brier))
        },
    }


def test_forces_are_put_together_as_one_figure_each() -> None:
    figures = summarise_forces([make_force(1, 0.2), make_force(2, 0.4)])
    assert figures["promised"]["expected_count"] == 16.0  # of what is read now, and of nothing else
    assert figures["yield"]["desk"]["found"]["mean"] == 1.5
    # registrars: 0.6 and 0.9, 0.6 and 1.0, less the true 0.5
    assert figures["labels"]["order"]["bias_of_confirmed"]["mean"] == pytest.approx(27.5)
    assert figures["labels"]["order"]["rows"] == 40
    before, after = figures["model"]
    assert before["listed"]["brier_change"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert after["listed"]["brier_change"]["mean"] == pytest.approx(0.2)
    assert after["others"]["missed"] == 80
    assert after["rate_error"]["mean"] == pytest.approx(1.0)
    row = figures["audits"][0]
    assert (row["audits"], row["holds"], row["lowest"]) == (200, 183 / 200, 0.91)
    for seeds in ((1, 2), (1,)):
        told = summarise_forces([make_force(seed, 0.2) for seed in seeds])
        assert len(list(list_tables(told))) == 4


def test_a_measurement_that_was_stopped_leaves_nothing_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its decisions would be taken for those of somebody who decided before."""
    home = tmp_path / "steady_practice-1"
    (home / "decisions").mkdir(parents=True)
    (home / "decisions" / "decisions.csv").write_text("decision_kind\n")

    def stop(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(registrar, "publish_alone", stop)
    with pytest.raises(InterruptedError):
        measure_force(home, Variant("steady_practice", 12, 1), Work())
    assert [file.name for file in home.iterdir()] == ["secrets"]


def test_one_month_alone_is_refused_before_any_force_is_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The newest month is held out, so nothing would be left to read."""

    def begin(*_: object) -> None:
        raise AssertionError("a force is published")

    monkeypatch.setattr(registrar, "ProcessPoolExecutor", begin)
    with pytest.raises(CdiError, match="at least 2 months") as error:
        registrar.run_registrar(Variant("steady_practice", 1, 1), 1, Work(), lambda *_: None)
    assert error.value.rule_id == "PROOF-MONTHS"
    with pytest.raises(AssertionError, match="is published"):
        registrar.run_registrar(Variant("steady_practice", 2, 1), 1, Work(), lambda *_: None)
