"""A rehearsal of the audit: what an earlier one left."""

from pathlib import Path

import pytest

from cdi import paths
from cdi_proofs.audit_rehearsal import _forget_earlier_rehearsals


def keep_something(folder: Path) -> Path:
    folder.mkdir(parents=True)
    file = folder / "something"
    file.touch()
    return file


@pytest.mark.parametrize("has_draw", [False, True])
def test_what_is_published_stands_unless_a_rehearsal_drew_from_it(
    state: Path, has_draw: bool
) -> None:
    kept = [keep_something(f(paths.SIMULATED)) for f in (paths.published, paths.weights)]
    if has_draw:
        kept.append(keep_something(paths.audit(paths.SIMULATED)))
    _forget_earlier_rehearsals()
    assert [file.exists() for file in kept] == [not has_draw] * len(kept)
