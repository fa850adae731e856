"""The validation page: what it shows once although many batches say it."""

from pathlib import Path
from typing import Any

import pytest

from cdi.quality.page import write_validation_page
from tests.conftest import load_sample
from tests.pipeline.test_operations import text_of

pytestmark = pytest.mark.usefixtures("state")


def result(rule_id: str, severity: str, day: int) -> dict[str, Any]:
    """A rule that did not hold in the batch of a day of March 2017."""
    return {
        "border": "landing", "dataset": "calls", "table_name": "files", "column_name": None,
        "batch_id": f"201703{day:02d}T0000_201703{day + 1:02d}T0000_v1", "rule_id": rule_id,
        "severity": severity, "owner": "Data engineering", "reason": "Why.", "is_success": False,
        "error": None, "finding": f"found on the {day}th", "observed_value": None,
        "unexpected_count": 1, "element_count": 1, "quarantined_count": None,
    }  # fmt: skip


def failed_of(page: str) -> str:
    """The table of the checks that failed."""
    return page.partition("<h2>Checks that failed</h2>")[2].partition("<h2>")[0]


def test_a_rule_that_only_counts_is_one_row_with_its_newest_batch(tmp_path: Path) -> None:
    days = (6, 8, 7)
    results = [result(*rule, day) for rule in (("FILE-28", "info"), ("FILE-24", "warn"))
               for day in days]  # fmt: skip
    write_validation_page(tmp_path / "page.html", load_sample(), results, "Version", [])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    failed = failed_of(page)
    assert "0 of 6 checks passed" in text_of(page)
    assert failed.count('href="#FILE-28"') == 1
    assert "found on the 8th It does not hold in 2 other batches either" in text_of(failed)
    assert failed.count('href="#FILE-24"') == len(days)  # a warning is shown for each batch
    # the table of each batch has its own
    assert page.count('href="#FILE-28"') == 1 + len(days)
