"""R works out the rate that is corrected for errors of reading, from published columns alone."""

import csv
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdi.audit import results
from cdi.audit.design import Options
from cdi.audit.draws import Draw, draw_audit
from cdi.audit.findings import Findings, complete_findings
from cdi.audit.rates import FORCE, measure_errors
from cdi.audit.results import Audit
from cdi.publish.audit_pack_files import SHIPPED
from tests.audit import AGENCY, AT, AUDITORS, PERIOD, Force

needs_r = pytest.mark.skipif(
    shutil.which("Rscript") is None,
    reason="R (Debian: r-base-core, r-cran-survey) is not on this machine",
)


@needs_r
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_r_finds_the_corrected_rate_and_its_limits(state: Path, tmp_path: Path, seed: int) -> None:
    force = Force()
    draw = draw_audit(
        AGENCY, "v1", PERIOD, force.frame, Options(600, oversampled={}), AUDITORS, AT, seed=seed
    )
    draw, logs, crimes = force.misread(draw, 0.06, seed)
    findings = complete_findings(draw, logs, crimes)
    assert findings.second is not None
    errors = measure_errors(findings.second, findings.design.weight, *findings.found[FORCE])
    assert errors["taken_for_missed_share"] > 0  # or there would be nothing to correct
    assert errors["invented_share"] == errors["taken_for_recorded_share"] == 0
    assert_r_finds_the_rate(draw, findings, tmp_path)


@needs_r
def test_r_finds_the_limits_where_all_crimes_were_recorded(state: Path, tmp_path: Path) -> None:
    force = Force()
    force.due = force.recorded
    options = Options(600, oversampled={})
    draw = draw_audit(AGENCY, "v1", PERIOD, force.frame, options, AUDITORS, AT, seed=1)
    draw = force.read_twice(draw)
    whole = assert_r_finds_the_rate(draw, complete_findings(draw, *force.audited(draw)), tmp_path)
    assert whole["recording_rate"] == 1
    assert 0.9 < whole["lower_limit"] < whole["upper_limit"] == 1


def assert_r_finds_the_rate(draw: Draw, findings: Findings, folder: Path) -> dict[str, Any]:
    """Run the script on the published columns; returns the force's row."""
    (whole, *_) = results.estimate_rates(draw, findings)
    audit = Audit(draw, findings, [])
    files = []
    tables = {"logs": results._rows_of_logs(audit), "strata": results._rows_of_strata(audit)}
    for name, rows in tables.items():
        files.append(folder / f"{name}.csv")
        with files[-1].open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            for row in rows:  # with true and false as DuckDB writes them
                writer.writerow(
                    {k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()}
                )
    script = SHIPPED / "recompute.R"
    done = subprocess.run(
        ["Rscript", str(script), *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [float(line) for line in done.stdout.split()]
    names = ("recording_rate", "standard_error", "lower_limit", "upper_limit")
    assert np.abs(np.array(found) - [whole[name] for name in names]).max() < 1e-6
    return whole
