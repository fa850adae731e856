"""The pictures of docs/chief-officer.md, from figures that are written here."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cdi.errors import AuditError
from cdi.report.charts import BLUE, VERMILION
from cdi_proofs.pictures import make_pictures

PART = {"domain": "force", "recording_rate": 0.8, "lower_limit": 0.78, "upper_limit": 0.82}
WITHHELD = {"domain": "rape", "recording_rate": None, "lower_limit": None, "upper_limit": None}
MISSES = {"seed": 2, "recording_rate": 0.9, "lower_limit": 0.88, "upper_limit": 0.92}


def dots(file: Path) -> list[str | None]:
    """The colour of each rate's dot."""
    root = ElementTree.parse(file).getroot()  # noqa: S314  a file of our own
    assert root.tag.endswith("svg")
    groups = [g for g in root.iter() if (g.get("class") or "").startswith("mark-symbol")]
    return [dot.get("fill") for group in groups for dot in group]


def test_without_figures_it_says_what_to_run(state: Path) -> None:
    with pytest.raises(AuditError, match="AUDIT-NO-REHEARSAL"):
        make_pictures(state)


def test_the_pictures_show_each_interval_and_say_simulated(state: Path) -> None:
    figures = {
        "audited": 400,
        "first_round": {"parts": [PART, WITHHELD]},
        "one_round": {
            "true_rate": 0.8,
            "covered": 1,
            "of": 2,
            "draws": [PART | {"seed": 1}, MISSES],
        },
    }
    state.mkdir()
    (state / "audit_rehearsal.json").write_text(json.dumps(figures), encoding="utf-8")
    rates, again = make_pictures(state / "pictures")
    for file in (rates, again):
        assert "SIMULATED" in file.read_text(encoding="utf-8")
    assert dots(rates) == [BLUE]  # a rate that is withheld has none
    assert dots(again) == [BLUE, VERMILION]  # the second interval misses the truth
    assert "1 of 2 bars hold the true rate" in again.read_text(encoding="utf-8")
