"""The Airflow side: what a connection becomes, how a note is cut, how a moment is read."""

import contextlib
import errno
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from cdi.errors import BusyError, CdiError, SourceError
from cdi.steps.step import Step


@pytest.fixture(autouse=True)
def airflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the user's own Airflow home."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))


def test_a_connections_log_in_and_extras_go_to_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    from cdi_airflow.operators import ExtractOperator

    connection = {
        "conn_type": "generic",
        "host": "files.example.org",
        "login": "cdi",
        "password": "secret",
        "extra": {"timeout": 5},
    }
    monkeypatch.setenv("AIRFLOW_CONN_FORCE_FILES", json.dumps(connection))
    operator = ExtractOperator(
        task_id="extract", agency="nopd", dataset="calls", connection="force_files"
    )
    access = operator.access()
    assert access
    assert access.storage_options == {
        "host": "files.example.org",
        "username": "cdi",
        "password": "secret",
        "timeout": 5,
    }
    without = ExtractOperator(task_id="extract", agency="nopd", dataset="calls", connection=None)
    assert without.access() is None


def test_a_long_note_is_cut_at_a_lines_end_and_says_so() -> None:
    from cdi_airflow.notes import NOTE_LENGTH, shorten

    assert shorten("short") == "short"
    cut = shorten("\n".join(f"line {n}" for n in range(500)))
    assert len(cut) <= NOTE_LENGTH
    *lines, last = cut.split("\n")
    assert "log" in last
    assert lines == [f"line {n}" for n in range(len(lines))]


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2022-01-01T00:00:00Z", 0), ("2022-01-01T00:00:00-06:00", 6), ("2022-01-01T00:00:00", 0)],
)
def test_a_moment_without_an_offset_is_utc(text: str, hour: int) -> None:
    from cdi_airflow.operators import parse_moment

    assert parse_moment(text) == datetime(2022, 1, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run_type", "wait_hours", "rule", "is_deferred"),
    [
        ("scheduled", 6, "SRC-NOT-FOUND", True),
        ("scheduled", 1, "SRC-NOT-FOUND", False),  # the interval ended two hours ago
        ("scheduled", None, "SRC-NOT-FOUND", False),
        ("scheduled", 6, "SRC-GZIP", False),
        ("manual", 6, "SRC-NOT-FOUND", False),
        ("backfill", 6, "SRC-NOT-FOUND", False),
    ],
)
def test_a_scheduled_run_waits_for_late_files_without_a_worker(
    monkeypatch: pytest.MonkeyPatch,
    run_type: str,
    wait_hours: int | None,
    rule: str,
    is_deferred: bool,
) -> None:
    from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

    from cdi.errors import SourceError
    from cdi.steps import extract as step
    from cdi_airflow import operators

    noted: list[str] = []
    monkeypatch.setattr(operators, "write_note", lambda context, text, **how: noted.append(text))
    operator = operators.ExtractOperator(
        task_id="extract", agency="a", dataset="calls", connection=None, wait_hours=wait_hours
    )
    end = datetime.now(UTC) - timedelta(hours=2)
    operator.interval_start, operator.interval_end = end.isoformat(), end.isoformat()

    def late(*arguments: object, **named: object) -> None:
        raise SourceError(rule, "calls-2026-01-05.csv is not there", "wait")

    monkeypatch.setattr(step, "extract", late)
    expected = TaskDeferred if is_deferred else AirflowFailException
    with pytest.raises(expected) as caught:
        operator.execute({"dag_run": SimpleNamespace(run_type=run_type)})
    assert ("waiting until" in noted[0]) == is_deferred
    if isinstance(caught.value, TaskDeferred):
        moment = caught.value.trigger.serialize()[1]["moment"]
        waited = (moment - datetime.now(UTC)).total_seconds()
        assert 200 < waited <= operators.ASK_AGAIN.total_seconds()
        assert caught.value.method_name == "ask_again"
        with pytest.raises(TaskDeferred):
            operator.ask_again({"dag_run": SimpleNamespace(run_type=run_type)}, event=moment)


def test_what_another_process_makes_is_waited_for_and_all_else_that_is_expected_fails_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from cdi.errors import BuildError, BusyError
    from cdi.steps import retain
    from cdi_airflow import operators

    noted: list[bool] = []
    monkeypatch.setattr(
        operators, "write_note", lambda context, text, **how: noted.append(how["of_run"])
    )
    operator = operators.StepOperator(
        task_id="retain", step="retain.retain", arguments={"agency": "a"}
    )
    for error, raised, attempt in (
        (BusyError, BusyError, 1),
        (BusyError, BusyError, 3),
        (BuildError, AirflowFailException, 1),
    ):

        def step(agency: str, error: type[BuildError] = error) -> None:
            raise error("BUILD-X", f"another build of {agency} is running", "wait")

        monkeypatch.setattr(retain, "retain", step)
        with pytest.raises(raised, match="BUILD-X"):
            operator.execute({"ti": SimpleNamespace(try_number=attempt, max_tries=2)})
    # the run fails with the last attempt, and its note then says why
    assert noted == [False, True, True]


PLANTED = "Jane Doe of 12 High Street, calls-jane-doe.csv"


@pytest.fixture
def centre(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the centre is told by a task at a force: XComs by key; it has no account for notes."""
    monkeypatch.delenv("AIRFLOW_CONN_CDI_AIRFLOW_API", raising=False)
    return defaultdict(list)


def context_of(operator: object, centre: dict[str, list[str]]) -> dict[str, object]:
    ti = SimpleNamespace(
        xcom_push=lambda key, value: centre[key].append(value), try_number=1, max_tries=2
    )
    return {"task": operator, "ti": ti, "dag_run": SimpleNamespace(run_type="scheduled")}


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Step(True, PLANTED, "v1", {"read": 1234, "broken: FILE-28": 1}), "1,234 read, 1 broken"),
        (Step(True, PLANTED, "v1"), "done"),
        (Step(False, PLANTED), "nothing to do"),
        (SourceError("SRC-GZIP", PLANTED, PLANTED), "[SRC-GZIP] the log of this task"),
        (BusyError("BUILD-BUSY", PLANTED, PLANTED), "[BUILD-BUSY] the log of this task"),
        (OSError(errno.ENOSPC, "no space", PLANTED), "[DISK-FULL] the log of this task"),
        (SourceError("SRC-NOT-FOUND", PLANTED, PLANTED), "waiting until"),
    ],
)
def test_a_task_at_a_force_tells_the_centre_counts_and_rule_ids_alone(
    monkeypatch: pytest.MonkeyPatch,
    centre: dict[str, list[str]],
    outcome: Step | Exception,
    told: str,
) -> None:
    from airflow.sdk.exceptions import AirflowException, TaskDeferred

    from cdi.steps import extract
    from cdi_airflow import operators

    def step(**_: object) -> Step:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(extract, "extract", step)
    operator = operators.ExtractOperator(
        task_id="extract", agency="a", dataset="calls", connection=None, wait_hours=6, queue="a"
    )
    now = datetime.now(UTC).isoformat()
    operator.interval_start, operator.interval_end = now, now
    with contextlib.suppress(AirflowException, CdiError, TaskDeferred):
        operator.execute(context_of(operator, centre))
    assert list(centre) == ["told"]
    assert centre["told"][0].startswith(told)
    assert not any(word in centre["told"][0] for word in ("Jane", "High", "calls-"))


def test_who_releases_at_the_centre_reads_rule_ids_of_a_force_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.providers.standard.operators.hitl import HITLOperator

    from cdi.steps import build
    from cdi_airflow.release import ProposeRelease

    held = [SimpleNamespace(rule_id="MART-07", told=PLANTED)]
    monkeypatch.setattr(build, "read_held", lambda agency, version: held)
    monkeypatch.setattr(HITLOperator, "execute", lambda self, context: self.body)
    bodies = [
        ProposeRelease(task_id="release", agency="a", version="v1", **where).execute({})
        for where in ({}, {"queue": "a"})
    ]
    assert [("MART-07" in body, PLANTED in body) for body in bodies] == [
        (True, True),
        (True, False),
    ]


def test_a_good_run_asks_nobody_and_skips_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skipped task is pink in the UI, and then nobody looks at pink any more."""
    from cdi.steps import build
    from cdi_airflow.release import ConfirmRelease, ProposeRelease

    monkeypatch.setattr(build, "read_held", lambda agency, version: [])
    names = {"agency": "a", "version": "v1"}
    assert ProposeRelease(task_id="release", **names).execute({}) is None
    assert ConfirmRelease(task_id="confirm", proposal=None, **names).execute({}) is None


@pytest.mark.parametrize(("queue", "told"), [("default", {"version": "v1"}), ("a", {})])
def test_an_asset_event_says_what_was_made_unless_it_stays_at_a_force(
    monkeypatch: pytest.MonkeyPatch, queue: str, told: dict[str, object]
) -> None:
    from airflow.sdk import Asset

    from cdi_airflow import operators

    monkeypatch.setattr(operators, "write_note", lambda context, text, **how: None)
    step = Step(True, "note", "v1", event={"version": "v1"})
    asset = Asset(name="a_published", uri="cdi://a/published")
    operator = operators.StepOperator(
        task_id="publish", step="build.x", arguments={}, outlets=[asset], queue=queue
    )
    monkeypatch.setattr(operator, "call", lambda: lambda: step)
    pushed: dict[str, list[object]] = defaultdict(list)
    extra: dict[str, object] = {}
    events = {asset: SimpleNamespace(extra=extra)}
    assert operator.execute({**context_of(operator, pushed), "outlet_events": events}) == "v1"  # type: ignore[arg-type]
    assert extra == told
    assert list(pushed) == ([operators.EVENT] if told else [])


def test_the_last_task_of_a_run_tells_what_each_part_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """As event of the asset, and as note of the run: a cleared run has that of its failure."""
    from airflow.sdk import Asset

    from cdi_airflow import operators

    notes: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        operators,
        "write_note",
        lambda context, text, *, outline, of_run: notes.append((text, of_run)),
    )
    asset = Asset(name="a_landing", uri="cdi://a/landing")
    operator = operators.AnyNewOperator(task_id="landed", outlets=[asset], otherwise="nothing")
    parts = {"calls.check": {"batch": "b1", "rows": 5000}, "crime_records.check": None}
    operator.upstream_task_ids = set(parts)
    ti = SimpleNamespace(
        dag_id="a__extract",
        run_id="r",
        get_task_states=lambda **_: {"r": {"calls.check": "success"}},
        xcom_pull=lambda task_ids, key: [parts[task] for task in task_ids],
    )
    extra: dict[str, object] = {}
    operator.execute({"ti": ti, "outlet_events": {asset: SimpleNamespace(extra=extra)}})
    assert extra == {"calls": {"batch": "b1", "rows": 5000}}
    assert notes == [("new: calls\n- calls: batch b1, rows 5,000", True)]
