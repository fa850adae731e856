"""Every corruption of both agencies is noticed, and a clean year raises no alarm."""

import json
from collections import Counter
from pathlib import Path

import pytest

from cdi import paths
from cdi.landing.batches import accepted_batches
from cdi_proofs.corruption_trial import VERDICTS
from tests.slow.conftest import YEAR, proof


def test_nothing_is_missed(tmp_path: Path) -> None:
    """As a person runs it: the exit code, the file, and what the file must hold."""
    done = proof("corruptions", home=tmp_path, seconds=2400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED" in done.stdout
    rows = json.loads((tmp_path / "corruptions.json").read_text())
    by_agency = {
        agency: {row["name"] for row in rows if row["agency"] == agency}
        for agency in ("simulated", "sample")
    }
    assert all(len(names) >= 40 for names in by_agency.values())
    verdicts = Counter(row["verdict"] for row in rows)
    assert set(verdicts) <= set(VERDICTS)
    assert verdicts["missed"] == 0
    assert verdicts["harmless"] <= len(rows) / 4
    assert min(verdicts[v] for v in ("failed", "quarantined", "warned", "harmless")) > 0
    assert all((row["rule_id"] is None) == (row["verdict"] == "harmless") for row in rows)


def test_a_clean_year_raises_no_alarm(
    published_year: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eleven months, then all twelve beside them: but for the month that is not there yet."""
    monkeypatch.setenv("CDI_HOME", str(published_year))
    broken: list[set[str]] = [set(), set()]
    with YEAR.selected():
        for dataset in ("calls", "crime_records", "log_actions"):
            deliveries = accepted_batches(paths.SIMULATED, dataset)
            assert len(deliveries) == len(broken)
            for batch, broken_by_it in zip(deliveries, broken, strict=True):
                assert batch.manifest["accepted"] > 30_000
                results = json.loads((batch.folder / "validation.json").read_text())
                assert len(results) >= 30
                broken_by_it |= {r["rule_id"] for r in results if not r["is_success"]}
    # June is missing, and with it the end; and two deliveries have no history (FILE-28, info)
    assert broken == [{"FILE-16", "FILE-24", "FILE-28"}, {"FILE-28"}]
