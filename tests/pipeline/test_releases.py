"""A failed check that people waive: by two, for one failure, and never for what must hold."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cdi import cli, paths
from cdi.agency.interval import Interval
from cdi.build.version import plan_version
from cdi.errors import CdiError, GateError
from cdi.landing.batches import accepted_batches
from cdi.people.decisions import waive_check
from cdi.quality.rules import all_rules
from cdi.quality.waivers import StoppingFailure, find_stopped, version_content_id
from cdi.steps.build import check_marts, read_held, release_and_check
from cdi.steps.extract import check_landing, extract
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.pipeline.test_decisions import row, write

WHY = "half a year was deleted, as agreed with the owner"


def waive(small: SmallAgency, rule_id: str, **changed: str) -> StoppingFailure:
    """Waive by two people, unless `changed` says otherwise."""
    people = {"by": "1207", "second_person": "1311", "reason": WHY}
    return waive_check(small.agency, rule_id, **{**people, **changed})  # type: ignore[arg-type]


def deliver(small: SmallAgency, rows: int) -> None:
    """Calls anew, as many as given; extracted and checked."""
    small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:rows]))
    small.extract_and_check()


@pytest.fixture
def stopped(small: SmallAgency) -> SmallAgency:
    """A snapshot with less than half of the rows of the one before: FILE-07 refuses it."""
    small.extract_and_check()
    with pytest.raises(GateError) as stop:
        deliver(small, 2)
    assert stop.value.broken == ("FILE-07",)
    return small


def test_a_refused_batch_is_held_and_enters_once_two_people_released_it(
    stopped: SmallAgency,
) -> None:
    (failure,) = find_stopped(stopped.agency)
    assert (failure.rule_id, failure.is_releasable) == ("FILE-07", True)
    assert failure.what.startswith("calls/")
    waive(stopped, "FILE-07")
    stopped.extract_and_check()
    assert stopped.run()
    assert stopped.rows("select count(*) from fct_calls") == [(2,)]
    assert stopped.rows(
        "select released_by, release_reason, is_success from data_quality "
        "where rule_id = 'FILE-07' and released_by is not null"
    ) == [("1207, 1311", WHY, False)]
    assert stopped.rows("select count(*) from data_quality where released_by is not null") == [(1,)]
    assert f"Approved by 1207, 1311: {WHY}" in (stopped.published / "validation.html").read_text()


def answer(small: SmallAgency, interval: Interval) -> None:
    """Extract the calls of an interval, and check them if they are new."""
    extracted = extract("testville", "calls", interval)
    if extracted.result is not None:
        check_landing("testville", "calls", extracted.result)


@pytest.mark.parametrize("rows", [len(CALLS), len(CALLS) - 1], ids=["nothing new", "accepted"])
def test_a_good_answer_of_the_source_settles_what_was_refused(
    stopped: SmallAgency, rows: int
) -> None:
    """The file comes again, whole: else operators would read for ever that a check stops it."""
    stopped.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:rows]))
    answer(stopped, stopped.interval)
    assert find_stopped(stopped.agency) == []


@pytest.mark.parametrize(("delivery", "left"), [("changes", ["FILE-07"]), ("snapshot", [])])
def test_a_later_snapshot_settles_what_was_refused_and_later_changes_do_not(
    stopped: SmallAgency, delivery: str, left: list[str]
) -> None:
    """Changes of another day say nothing about the day that was refused."""
    stopped.settings["sources"]["calls"]["delivery"] = delivery
    stopped.write_settings()
    stopped.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:4]))
    day = timedelta(days=1)
    answer(stopped, Interval(stopped.interval.start + day, stopped.interval.end + day))
    assert [failure.rule_id for failure in find_stopped(stopped.agency)] == left


def test_the_command_says_what_is_approved_and_how_the_run_goes_on(
    stopped: SmallAgency,
) -> None:
    def say(*words: str) -> str:
        return CliRunner().invoke(cli.app, ["release", "testville", *words]).output

    assert "FILE-07 stopped calls/" in say()
    assert "approved" not in say()
    approved = say("FILE-07", "--by", "1207", "--second-person", "1311", "--reason", WHY)
    next_step = "in the failed run of testville__extract clear the task calls.extract"
    assert approved.splitlines()[1:] == [next_step]
    assert f"approved by 1207, 1311; {next_step}" in say()
    stopped.extract_and_check()
    assert say().startswith("no failed check stops a batch or a version of testville")


def test_a_release_is_for_that_batch_alone(stopped: SmallAgency) -> None:
    waive(stopped, "FILE-07")
    with pytest.raises(GateError, match="FILE-07"):
        deliver(stopped, 1)
    assert len(accepted_batches("testville", "calls")) == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"second_person": "1207"}, "DEC-06"),
        ({"by": "Ann.Lee", "second_person": "ann.LEE"}, "DEC-06"),
        ({"second_person": ""}, "DEC-05"),
        ({"reason": ""}, "DEC-09"),
        ({"by": ""}, "decided_by"),
    ],
    ids=["one person twice", "one person in capitals", "one person", "no reason", "nobody"],
)
def test_a_release_that_is_not_in_order_is_refused(
    stopped: SmallAgency, changed: dict[str, str], why: str
) -> None:
    with pytest.raises(CdiError, match="DECIDE-REFUSED") as refused:
        waive(stopped, "FILE-07", **changed)
    assert why in str(refused.value)
    with pytest.raises(GateError):
        stopped.extract_and_check()


@pytest.mark.parametrize("forged", [{"second_person": "1207"}, {"reason": ""}, {}])
def test_a_file_written_by_hand_releases_no_more(
    stopped: SmallAgency, forged: dict[str, str]
) -> None:
    (failure,) = find_stopped(stopped.agency)
    whole = {
        "rule_id": "FILE-07",
        "content_id": failure.content_id,
        "reason": WHY,
        "second_person": "1311",
        "call_reference": "",
    }
    write(stopped, "by-hand.csv", row("D1", "released", **{**whole, **forged}))
    if forged:
        with pytest.raises(GateError):
            stopped.extract_and_check()
    else:
        stopped.extract_and_check()


def test_what_stopped_nothing_is_not_released(small: SmallAgency) -> None:
    small.extract_and_check()
    with pytest.raises(CdiError, match="RELEASE-NOTHING"):
        waive(small, "FILE-07")


def broken_marts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule_id: str) -> None:
    """Let a rule of the marts fail, whatever the data: its table has 1,207 rows."""
    folder = tmp_path / "expectations"
    (folder / "marts").mkdir(parents=True)
    for file in paths.EXPECTATIONS.glob("*"):
        if file.name != "marts":
            (folder / file.name).symlink_to(file)
    for file in (paths.EXPECTATIONS / "marts").glob("*.yaml"):
        suite = yaml.safe_load(file.read_text(encoding="utf-8"))
        for rule in suite["expectations"]:
            if rule["meta"]["rule_id"] == rule_id:
                rule["type"] = "expect_table_row_count_to_equal"
                rule["kwargs"] = {"value": 1207}
        (folder / "marts" / file.name).write_text(
            yaml.safe_dump(suite, sort_keys=False), encoding="utf-8"
        )
    monkeypatch.setattr(paths, "EXPECTATIONS", folder)


def test_a_version_is_held_released_and_stays_released_when_the_decision_lands(
    built: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = built.built
    broken_marts(tmp_path, monkeypatch, "MART-15")
    with pytest.raises(GateError, match="MART-15"):
        check_marts("testville", version)
    step = check_marts("testville", version, wait_for_approval="True")
    assert step.note.startswith("held until two people approve it")
    (failure,) = read_held("testville", version)
    assert (failure.rule_id, failure.what) == ("MART-15", version)
    step = release_and_check("testville", version, WHY, "ada", "bo")
    assert "Approved by ada, bo" in step.note
    assert built.run()
    assert built.published.resolve().name != version  # the decision was landed
    assert built.rows(
        "select rule_id, released_by from data_quality where released_by is not null"
    ) == [("MART-15", "ada, bo")]
    staged = built.rows("select rule_id, content_id from staging.stg_decisions")
    assert staged == [("MART-15", failure.content_id)]
    # another call in the data: another content
    before = version_content_id(plan_version(built.agency))
    deliver(built, 4)
    assert version_content_id(plan_version(built.agency)) != before


def test_what_must_hold_is_never_released(
    built: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = built.built
    broken_marts(tmp_path, monkeypatch, "MART-30")
    for waits in (None, "True"):
        with pytest.raises(GateError, match="MART-30"):
            check_marts("testville", version, wait_for_approval=waits)
    with pytest.raises(CdiError, match="RELEASE-NEVER"):
        waive(built, "MART-30")
    (failure,) = find_stopped(built.agency)
    whole = {
        "rule_id": "MART-30",
        "content_id": failure.content_id,
        "reason": WHY,
        "second_person": "1311",
        "call_reference": "",
    }
    write(built, "by-hand.csv", row("D1", "released", **whole))
    with pytest.raises(GateError, match="MART-30"):
        check_marts("testville", version)


def test_conservation_and_one_outcome_each_are_never_released() -> None:
    never = {rule.rule_id for rule in all_rules() if not rule.is_releasable}
    assert never >= {"FILE-01", "MART-10", "MART-30", "MART-31", "MART-32"}
    assert all(rule.severity == "fail" for rule in all_rules() if not rule.is_releasable)
