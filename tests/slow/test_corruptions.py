"""Every corruption of both agencies is noticed, and a clean year raises no alarm."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.landing.batches import accepted_batches
from cdi.steps.extract import check_landing, extract
from cdi.variant import Variant
from cdi_force.generate import ensure_force
from cdi_proofs.corruption_trial import VERDICTS
from tests.slow.conftest import proof

YEAR = Variant("calibrated_2017", 12, 33)


def test_nothing_is_missed(tmp_path: Path) -> None:
    """As a person runs it: the exit code, the file, and what the file must hold."""
    done = proof("corruptions", home=tmp_path, seconds=1200)
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


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder with a simulated year, and its first eleven months apart."""
    home = tmp_path_factory.mktemp("year")
    with pytest.MonkeyPatch.context() as patch, YEAR.selected():
        patch.setenv("CDI_HOME", str(home))
        ensure_force()
        newest = YEAR.period[1]
        (home / "eleven").mkdir()
        for file in paths.simulated_sources().glob("*.csv.gz"):
            if f"{newest.year}-{newest.month - 1:02d}" not in file.name:
                shutil.copy(file, home / "eleven")
    return home


def test_a_clean_year_raises_no_alarm(year: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven months, then all twelve beside them: but for the month that is not there yet."""
    monkeypatch.setenv("CDI_HOME", str(year))
    broken: dict[str, set[str]] = {}
    with YEAR.selected():
        agency = load_agency(paths.SIMULATED)
        interval = Interval.of_days(agency, *YEAR.period)
        for data in (year / "eleven", paths.simulated_sources()):
            monkeypatch.setenv("CDI_DATA", str(data))
            broken[data.name] = set()
            for dataset in ("calls", "crime_records", "log_actions"):
                batch_id = extract(agency.agency, dataset, interval).result
                assert batch_id is not None
                check_landing(agency.agency, dataset, batch_id)
                batch = accepted_batches(agency.agency, dataset)[-1]
                assert batch.manifest["accepted"] > 80_000
                results = json.loads((batch.folder / "validation.json").read_text())
                assert len(results) >= 30
                broken[data.name] |= {r["rule_id"] for r in results if not r["is_success"]}
    first, second = broken.values()
    # June is missing, and with it the end; and two deliveries have no history (FILE-28, info)
    assert first == {"FILE-16", "FILE-24", "FILE-28"}
    assert second == {"FILE-28"}
