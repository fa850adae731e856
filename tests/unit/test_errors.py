"""Errors that people read reach another process whole, as a pool of workers sends them on."""

import pickle

import pytest

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
