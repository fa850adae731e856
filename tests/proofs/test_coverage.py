"""How the audits of several forces are put together, counted by hand; figures: tests/slow."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdi_proofs import coverage
from cdi_proofs.__main__ import app
from cdi_proofs.coverage import FORCE, summarise_domains


def row(seed: int, case: str, domain: str, shown: int, held: int) -> dict[str, Any]:
    """A row of a seed, of 100 audits."""
    return {
        "seed": seed,
        "universe": "frame",
        "audited": 400,
        "case": case,
        "domain": domain,
        "shown": shown,
        "held": held,
        "replicates": 100,
    }


def test_the_lowest_share_is_of_the_audits_in_which_the_interval_was_shown() -> None:
    rows = [
        row(1, "main", "rape", 50, 45),
        row(2, "main", "rape", 10, 6),
        row(3, "main", "rape", 0, 0),  # never shown, so it says nothing
        row(1, "main", "drug_offences", 0, 0),
        row(1, "too_sure", "force", 100, 93),
        row(2, "too_sure", "force", 100, 95),
        row(1, "comparator", "rape", 100, 20),
    ]
    rape, drugs, force = summarise_domains(rows)
    assert (rape["domain"], rape["shown"], rape["held"]) == ("rape", 60 / 300, 51 / 60)
    assert (rape["lowest"], rape["lowest_seed"], rape["lowest_shown"]) == (0.6, 2, 10)
    assert (drugs["shown"], drugs["held"], drugs["lowest"], drugs["lowest_seed"]) == (
        0,
        *[None] * 3,
    )
    assert (force["case"], force["held"], force["lowest"]) == ("too_sure", 0.94, 0.93)


def test_a_case_that_no_audit_shows_has_dashes(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"coverage": None, "half_width": None, "ratio_to_classical": None}
    withheld = row(1, "useless", FORCE, 0, 0) | {"estimator": "risk_greg", **figures}
    monkeypatch.setattr(coverage, "run_coverage", lambda *_: [withheld])
    monkeypatch.setenv("MONTHS", "")  # restored after the command has set it
    done = CliRunner().invoke(app, ["coverage"], catch_exceptions=False)
    assert done.exit_code == 0
    (line,) = (line for line in done.output.splitlines() if "risk_greg" in line)
    assert line.split()[-3:] == ["–", "–", "–"]
