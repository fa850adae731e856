"""Part of a proof, chosen by name: a name that there is not ends it before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdi.errors import CdiError
from cdi_proofs import corruption_trial, coverage, durability
from cdi_proofs.corruption_trial import run_corruptions
from cdi_proofs.coverage import run_coverage
from cdi_proofs.durability import run_durability


def ignore(*_: object) -> None:
    """Nobody is told."""


def try_corruptions(*names: str) -> None:
    run_corruptions(only=names)


def try_coverage(*names: str) -> None:
    run_coverage(1, 1, names, ignore, ignore)


def try_durability(*names: str, rounds: int = 1) -> None:
    run_durability(ignore, ignore, cuts=rounds, kills=rounds, fills=rounds, seed=1, only=names)


@pytest.fixture(autouse=True)
def untouched(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder in which no proof may begin."""

    def begin(*_: object) -> Any:
        raise AssertionError("the proof has begun")

    monkeypatch.setattr(corruption_trial, "prepare_stages", begin)
    monkeypatch.setattr(coverage, "run_simulated", begin)
    monkeypatch.setattr(durability, "require_disks", begin)


@pytest.mark.parametrize(
    ("run", "known", "what"),
    [
        (try_corruptions, "gzip_cut_off", "corruption"),
        (try_coverage, "main", "case"),
        (try_durability, "extract", "step"),
    ],
)
def test_a_name_that_there_is_not_is_refused(
    run: Callable[..., None], known: str, what: str
) -> None:
    with pytest.raises(CdiError) as error:
        run(known, "mian")
    assert error.value.rule_id == "PROOF-UNKNOWN"
    assert error.value.message == f"there is no {what} mian"
    assert known in error.value.fix
    with pytest.raises(AssertionError, match="has begun"):
        run(known)


def test_no_round_at_all_is_refused() -> None:
    with pytest.raises(CdiError) as error:
        try_durability(rounds=0)
    assert error.value.rule_id == "PROOF-EMPTY"
