"""Cheating fails with a clear error: redraws, changed frames or predictions, edited registers."""

import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdi import paths
from cdi.audit import draws, results
from cdi.audit.design import Options, draw_sample
from cdi.audit.draws import (
    Draw,
    draw_audit,
    erase_from_register,
    frame_leaves,
    load_draw,
    read_assignments,
    read_drawn_logs,
)
from cdi.audit.register import Register
from cdi.audit.second_readings import draw_second_readings
from cdi.errors import AuditError, BusyError, StateError
from cdi.files import take_lock
from cdi.landing.batches import MOVED_KEYS, moved_file
from cdi.sealed_files import write_sealed
from tests.audit import AGENCY, AT, AUDITORS, PERIOD, Force


@pytest.fixture(scope="module")
def force() -> Force:
    return Force()


def draw_logs(force: Force, **changed: Any) -> Draw:
    chosen: dict[str, Any] = {"seed": 7, **changed}
    return draw_audit(AGENCY, "v1", PERIOD, force.frame, Options(400), AUDITORS, AT, **chosen)


def rewrite(name: str, column: str, row: int, value: Any) -> None:
    """Change one cell of a file of the draw."""
    (folder,) = (f for f in paths.audit(AGENCY).iterdir() if f.is_dir())
    table = pq.read_table(folder / name)
    values = table[column].to_pylist()
    values[row] = value
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), folder / name)


def test_a_draw_is_written_down_and_can_be_read_back(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    assert len(draw.positions) == 400
    assert draw.frame.logs["inclusion_probability"].to_pylist() == pytest.approx(
        draw.strata.probability.tolist()
    )
    again = load_draw(AGENCY, draw.draw_id)
    assert (again.positions == draw.positions).all()
    assert again.auditors == draw.auditors
    ids = force.frame.logs["call_id"].to_pylist()
    assert again.call_ids == [ids[position] for position in draw.positions]
    assert again.call_ids is again.call_ids  # asked for log by log, it is looked up once
    # it follows from what was written before anybody saw it
    assert (draw_sample(again.strata, draw.facts["seed"]) == draw.positions).all()
    kinds = [line["kind"] for line in Register(AGENCY).entries()]
    assert kinds == ["draw", "sample"]


def test_a_part_is_read_twice_by_two_people_and_the_logs_are_shared_out(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    assert draw.awaits_second
    assert not any(draw.seconds)
    counts = [draw.auditors.count(name) for name in AUDITORS]
    assert max(counts) - min(counts) <= 1
    draw = force.read_twice(draw)
    assert not draw.awaits_second
    twice = [(a, b) for a, b in zip(draw.auditors, draw.seconds, strict=True) if b]
    assert len(twice) == 40  # 10% of 400
    assert all(a != b for a, b in twice)


def test_second_readings_follow_from_the_seed_and_the_first_ones(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    first = force.read_twice(draw)
    # killed before its line in the register, it is made again
    lines = Register(AGENCY).file.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["kind"] == "second"
    with write_sealed(AGENCY, Register(AGENCY).file) as written:
        written.write_text("".join(lines[:-1]))
    again = load_draw(AGENCY, draw.draw_id)
    assert again.awaits_second
    assert force.read_twice(again).seconds == first.seconds
    names = {row["auditor_code"] for row in read_assignments(AGENCY)}
    assert names == {*AUDITORS, "FCR"}


def test_two_auditors_may_deliver_the_last_sheets_at_once(state: Path, force: Force) -> None:
    """Then both processes draw the second readings: the same ones, with two lines."""
    draw = draw_logs(force)
    first, again = force.read_twice(draw), force.read_twice(draw)
    kinds = [line["kind"] for line in Register(AGENCY).entries()]
    assert kinds.count("second") == 2
    assert again.seconds == first.seconds


def test_a_reading_that_takes_a_record_for_none_is_read_again(state: Path, force: Force) -> None:
    """Most second readings go where the first one was not expected, the rest by chance."""
    draw = draw_logs(force)
    rng = np.random.default_rng(3)
    recorded, due = force.recorded[draw.positions], force.due[draw.positions]
    wrong = (recorded > 0) & (rng.random(len(recorded)) < 0.08)
    assert 8 < wrong.sum() < 40
    counts = {
        str(call_id): (int(m), int(y))
        for call_id, m, y in zip(draw.call_ids, due, recorded - wrong, strict=True)
    }
    draw = draw_second_readings(AGENCY, draw, counts, AT)
    is_read_twice = np.array([bool(name) for name in draw.seconds])
    assert is_read_twice[wrong].mean() > 5 * is_read_twice[~wrong].mean() > 0


def test_who_reads_what_a_second_time_is_not_changed(state: Path, force: Force) -> None:
    draw = force.read_twice(draw_logs(force))
    place = next(n for n, who in enumerate(draw.seconds) if who)
    rewrite("second.parquet", "second_auditor", place, "")
    with pytest.raises(AuditError, match="AUDIT-SAMPLE"):
        load_draw(AGENCY, draw.draw_id)


def test_without_a_given_seed_each_draw_has_its_own(state: Path, force: Force) -> None:
    first = draw_logs(force, seed=None)
    second = draw_logs(force, seed=None, reason="first sheet was lost in the post")
    assert first.facts["seed"] != second.facts["seed"]


def test_a_redraw_needs_a_reason_which_the_register_keeps(state: Path, force: Force) -> None:
    draw_logs(force)
    with pytest.raises(AuditError, match="AUDIT-REDRAWN"):
        draw_logs(force, seed=8)
    draw_logs(force, seed=8, reason="two auditors fell ill")
    assert [line["reason"] for line in Register(AGENCY).draws()] == [None, "two auditors fell ill"]


def test_days_that_were_drawn_are_refused_as_such_also_for_a_smaller_frame(
    state: Path, force: Force
) -> None:
    """The plan of the draw before, of 400 logs, is not one for these 100 logs."""
    draw_logs(force)
    few = Force(100).frame
    with pytest.raises(AuditError, match="AUDIT-REDRAWN"):
        draw_audit(AGENCY, "v1", PERIOD, few, Options(50, oversampled={}), AUDITORS, AT)


@pytest.mark.parametrize("names", [["A", "A"], ["A", "a"], ["A", " "], ["A", "B", "fcr"]])
def test_one_auditor_is_not_enough(state: Path, force: Force, names: list[str]) -> None:
    with pytest.raises(AuditError, match="AUDIT-AUDITORS"):
        draw_audit(AGENCY, "v1", PERIOD, force.frame, Options(400), names, AT)
    assert Register(AGENCY).entries() == []


@pytest.mark.parametrize("name", ["HQ/12", "../12", "12\n13", "12\0"])
def test_a_staff_number_that_no_file_can_be_called_by_is_refused(
    state: Path, force: Force, name: str
) -> None:
    """Else the draw would be in the register for ever, and no sheet could be written for it."""
    with pytest.raises(AuditError, match=r"(?s)AUDIT-AUDITORS.*slash"):
        draw_audit(AGENCY, "v1", PERIOD, force.frame, Options(400), ["A", name], AT)
    assert Register(AGENCY).entries() == []


def test_a_first_draw_that_is_refused_leaves_nothing(state: Path, force: Force) -> None:
    """Neither for its auditors nor for its size, nor if the agency has moved elsewhere."""
    with pytest.raises(AuditError, match="AUDIT-AUDITORS"):
        draw_audit(AGENCY, "v1", PERIOD, force.frame, Options(400), ["A"], AT)
    with pytest.raises(AuditError, match="AUDIT-SIZE"):
        draw_audit(AGENCY, "v1", PERIOD, force.frame, Options(10**6), AUDITORS, AT)
    moved = moved_file(AGENCY)
    moved.parent.mkdir(parents=True, exist_ok=True)
    moved.write_text(json.dumps({key: None for key in MOVED_KEYS} | {"target": "elsewhere"}))
    with pytest.raises(StateError, match="AGENCY-MOVED"):
        draw_audit(AGENCY, "v1", PERIOD, force.frame, Options(400), AUDITORS, AT)
    assert not paths.audit(AGENCY).exists()


def test_a_staff_number_is_kept_in_capitals_as_its_readings_are_staged(
    state: Path, force: Force
) -> None:
    draw = draw_audit(AGENCY, "v1", PERIOD, force.frame, Options(400), ["ab1", " cd2"], AT)
    force.read_twice(draw)
    auditors = {row["auditor_code"] for row in read_assignments(AGENCY)}
    assert auditors == {"AB1", "CD2", "FCR"}


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"previous"', '"before"', 1),
        lambda text: f"{text}null\n",
        lambda text: f"{text}\udcff\n",
    ],
)
def test_a_register_that_cannot_be_read_is_refused(
    state: Path, force: Force, edit: Callable[[str], str]
) -> None:
    draw_logs(force)
    file = Register(AGENCY).file
    file.write_text(edit(file.read_text()), errors="surrogateescape")
    with pytest.raises(AuditError, match="AUDIT-REGISTER"):
        Register(AGENCY).entries()


@pytest.mark.parametrize(
    ("name", "column", "rule"),
    [
        ("frame.parquet", "leaf", "AUDIT-FRAME"),
        ("frame.parquet", "missed", "AUDIT-PREDICTIONS"),
        ("frame.parquet", "stratum", "AUDIT-STRATA"),
        ("crimes.parquet", "is_rape", "AUDIT-PREDICTIONS"),
        ("sample.parquet", "auditor", "AUDIT-SAMPLE"),
    ],
)
def test_a_file_of_a_draw_that_cannot_be_read_is_refused_as_a_changed_one(
    state: Path, force: Force, name: str, column: str, rule: str
) -> None:
    draw = draw_logs(force)
    file = paths.audit(AGENCY) / draw.draw_id / name
    whole = file.read_bytes()
    pq.write_table(pq.read_table(file).drop_columns([column]), file)
    with pytest.raises(AuditError, match=rule):
        load_draw(AGENCY, draw.draw_id)
    file.write_bytes(whole[:500])
    # the build withholds its rate and goes on
    _, row = results._read_audit(AGENCY, draw.draw_id, [])
    assert row["withheld_rule_id"] == dict(f[:2] for f in draws.FILES)[name]


def test_a_damaged_draw_stops_no_other(state: Path, force: Force) -> None:
    """Killed between its line and its frame; drawn again, and an erasure comes in."""
    first = draw_logs(force)
    shutil.rmtree(paths.audit(AGENCY) / first.draw_id)
    second = draw_logs(force, seed=8, reason="it was killed")
    assert {row["draw_id"] for row in read_assignments(AGENCY)} == {second.draw_id}
    gone = force.ids[int(second.positions[3])]
    assert erase_from_register(AGENCY, [gone], datetime(2017, 8, 1), "request 12") == 1
    (paths.audit(AGENCY) / second.draw_id / "frame.parquet").write_bytes(b"PAR1")
    with pytest.raises(AuditError, match="AUDIT-FRAME"):  # it may hold what is to go
        erase_from_register(AGENCY, [gone], datetime(2017, 8, 1), "request 13")


def test_a_drawn_log_has_the_chance_at_which_it_was_drawn(state: Path, force: Force) -> None:
    """By the numbers in the register: what the drawn logs stand for is the frame."""
    draw = draw_logs(force)
    rows = read_drawn_logs(AGENCY, ["unknown", draw.draw_id])
    assert [row["call_id"] for row in rows] == draw.call_ids
    assert {row["draw_id"] for row in rows} == {draw.draw_id}
    chances = dict(enumerate(np.divide(draw.facts["audited"], draw.facts["population"])))
    strata = draw.strata.of_log[draw.positions].tolist()
    assert [row["inclusion_probability"] for row in rows] == [chances[h] for h in strata]
    assert sum(1 / row["inclusion_probability"] for row in rows) == pytest.approx(3000)
    gone = force.ids[int(draw.positions[3])]
    erase_from_register(AGENCY, [gone], datetime(2017, 8, 1), "request 12")
    assert read_drawn_logs(AGENCY, [draw.draw_id]) == [*rows[:3], *rows[4:]]
    rewrite("frame.parquet", "inclusion_probability", 0, 0.5)
    assert read_drawn_logs(AGENCY, [draw.draw_id]) == []


def test_a_changed_frame_is_refused(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    rewrite("frame.parquet", "row_hash", 5, "other")
    with pytest.raises(AuditError, match="AUDIT-FRAME"):
        load_draw(AGENCY, draw.draw_id)


def test_a_log_that_was_moved_to_another_district_is_refused(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    other = {"NORTH": "SOUTH", "SOUTH": "NORTH"}[draw.frame.logs["district"][5].as_py()]
    rewrite("frame.parquet", "district", 5, other)
    with pytest.raises(AuditError, match="AUDIT-FRAME"):
        load_draw(AGENCY, draw.draw_id)


def test_a_draw_from_before_districts_were_hashed_can_still_be_read(
    state: Path, force: Force, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Register.append

    def without(self: Register, kind: str, at: datetime, **facts: Any) -> dict[str, Any]:
        facts.pop("districts_hash", None)
        return append(self, kind, at, **facts)

    monkeypatch.setattr(Register, "append", without)
    draw = draw_logs(force)
    assert "districts_hash" not in draw.facts
    assert len(load_draw(AGENCY, draw.draw_id).positions) == 400


def test_changed_predictions_are_refused(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    rewrite("frame.parquet", "missed", 5, 0.5)
    with pytest.raises(AuditError, match="AUDIT-PREDICTIONS"):
        load_draw(AGENCY, draw.draw_id)


def test_changed_predictions_of_a_crime_are_refused(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    rewrite("crimes.parquet", "offence_group", 0, "robbery")
    with pytest.raises(AuditError, match="AUDIT-PREDICTIONS"):
        load_draw(AGENCY, draw.draw_id)


def test_a_changed_stratum_or_sample_is_refused(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    other = next(n for n in range(3000) if n not in set(draw.positions.tolist()))
    rewrite("sample.parquet", "position", 0, other)
    with pytest.raises(AuditError, match="AUDIT-SAMPLE"):
        load_draw(AGENCY, draw.draw_id)
    rewrite("frame.parquet", "stratum", 0, int(draw.strata.of_log[0]) ^ 1)
    with pytest.raises(AuditError, match="AUDIT-STRATA"):
        load_draw(AGENCY, draw.draw_id)


@pytest.mark.parametrize("edit", ["change", "remove"])
def test_an_edited_register_is_refused(state: Path, force: Force, edit: str) -> None:
    draw_logs(force)
    draw_logs(force, reason="again")
    file = Register(AGENCY).file
    lines = file.read_text().splitlines()
    if edit == "change":
        first = json.loads(lines[0])
        first["seed"] = 1
        lines[0] = json.dumps(first)
    else:
        del lines[0:2]  # the draw that nobody was to know of
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(AuditError, match="AUDIT-REGISTER"):
        Register(AGENCY).entries()


def test_a_register_without_the_key_that_sealed_it_is_refused(state: Path, force: Force) -> None:
    """As in a copy of the state folder without its secrets, where a new key is made."""
    draw_logs(force)
    (paths.secrets() / f"{AGENCY}.key").unlink()
    with pytest.raises(AuditError, match=r"AUDIT-REGISTER.*the agency's key is another one"):
        Register(AGENCY).entries()


def test_a_register_whose_end_is_gone_or_whose_chain_was_made_anew_is_refused(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    file = Register(AGENCY).file
    lines = file.read_text().splitlines(keepends=True)
    first = json.loads(lines[0]) | {"seed": 1}
    del first["hash"]
    # worked out by hand as the docstring of the module says: the chain itself needs no key
    text = json.dumps(first, sort_keys=True).encode() + b"\x1f"
    chained = json.dumps(first | {"hash": hashlib.sha256(text).hexdigest()}, sort_keys=True)
    for content in ("".join(lines[:-1]), f"{chained}\n", ""):
        file.write_text(content)
        with pytest.raises(AuditError, match="AUDIT-REGISTER"):
            load_draw(AGENCY, draw.draw_id)
        with pytest.raises(AuditError, match="AUDIT-REGISTER"):
            Register(AGENCY).append("delivery", AT, draw_id=draw.draw_id)
        assert file.read_text() == content


def test_an_inclusion_probability_of_which_the_register_has_no_hash_is_sealed(
    state: Path, force: Force
) -> None:
    draw = draw_logs(force)
    rewrite("frame.parquet", "inclusion_probability", 0, 0.5)
    with pytest.raises(AuditError, match="AUDIT-FRAME"):
        load_draw(AGENCY, draw.draw_id)


def test_an_unknown_draw_is_named(state: Path, force: Force) -> None:
    with pytest.raises(AuditError, match="AUDIT-UNKNOWN"):
        load_draw(AGENCY, "frame_20160701_20170531_1")


def test_a_draw_that_was_cut_short_is_said_to_be_so(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    (paths.audit(AGENCY) / draw.draw_id / "sample.parquet").unlink()
    with pytest.raises(AuditError, match="AUDIT-SAMPLE"):
        load_draw(AGENCY, draw.draw_id)


def test_an_erased_log_leaves_a_named_hole(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    gone = int(draw.positions[3])
    erased = erase_from_register(
        AGENCY, [force.ids[gone], "L99999"], datetime(2017, 8, 1), "request 12"
    )
    assert erased == 1
    after = load_draw(AGENCY, draw.draw_id)
    assert after.holes == {gone}
    assert after.call_ids[3] is None
    assert [i for i in after.call_ids if i] == [i for i in draw.call_ids if i != force.ids[gone]]
    kept = pq.read_table(paths.audit(AGENCY) / draw.draw_id / "frame.parquet")
    assert kept["call_id"].null_count == kept["row_hash"].null_count == 1
    assert force.ids[gone] not in kept["call_id"].to_pylist()
    assert force.ids[gone] not in Register(AGENCY).file.read_text()


def test_a_hole_that_no_erasure_explains_is_refused(state: Path, force: Force) -> None:
    draw = draw_logs(force)
    rewrite("frame.parquet", "call_id", 5, None)
    with pytest.raises(AuditError, match="AUDIT-FRAME"):
        load_draw(AGENCY, draw.draw_id)


def test_two_who_draw_at_once_draw_one_after_the_other(
    state: Path, force: Force, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the draws of before and writing its own, a draw keeps all others out."""
    others: list[Future[Draw]] = []
    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patch:

        def hash_while_another_draws(*arguments: Any) -> Any:
            if not others:
                others.append(pool.submit(draw_logs, force, seed=8))
                with (
                    pytest.raises(BusyError, match="BUILD-BUSY"),
                    take_lock(paths.audit(AGENCY), "a draw"),
                ):
                    pass
            return frame_leaves(*arguments)

        patch.setattr(draws, "frame_leaves", hash_while_another_draws)
        first = draw_logs(force)
        (second,) = others
        with pytest.raises(AuditError, match="AUDIT-REDRAWN"):
            second.result()
    assert [line["draw_id"] for line in Register(AGENCY).draws()] == [first.draw_id]
