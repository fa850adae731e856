"""Errors that people read: they reach another process whole, and name a failure of the machine."""

import pickle
import subprocess
from pathlib import Path

import pytest

from cdi.build import dbt
from cdi.errors import CdiError, GateError, SourceError


@pytest.mark.parametrize(
    "error",
    [
        SourceError("SRC-COLUMNS", "calls.csv has no column `number`", "add it to agency.yaml"),
        GateError("GATE", "2 rules did not hold", "read the page", broken=["CALL-01", "CALL-02"]),
    ],
)
def test_an_error_reaches_another_process_whole(error: CdiError) -> None:
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(sent) is type(error)
    assert str(sent) == str(error)
    assert (sent.rule_id, sent.message, sent.fix) == (error.rule_id, error.message, error.fix)
    assert vars(sent) == vars(error)


@pytest.mark.parametrize(
    ("told", "rule_id"),
    [
        ("12:00:00  Encountered an error:\n[Errno 28] No space left on device\n", "DISK-FULL"),
        ("Encountered an error:\nCompilation Error in model fct_calls\n", "BUILD-DBT"),
    ],
)
def test_what_dbt_tells_of_the_machine_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, rule_id: str
) -> None:
    failed = subprocess.CompletedProcess([], 2, told, "")
    monkeypatch.setattr(dbt, "start_dbt", lambda *arguments: failed)
    with pytest.raises(CdiError) as raised:
        dbt.call_dbt("testville", tmp_path / "a.duckdb", tmp_path, "build")
    assert raised.value.rule_id == rule_id
    assert told.splitlines()[1] in raised.value.message
