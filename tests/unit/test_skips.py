"""A skipped test fails in CI (tests/conftest.py), unless real data are absent."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO

TESTS = """
import pytest

@pytest.fixture
def program():
    pytest.skip("no such program")

@pytest.fixture
def data():
    pytest.skip("the real data (../shared/data) are not on this machine")

def test_program(program): pass
def test_data(data): pass
@pytest.mark.skipif(True, reason="no such library")
def test_library(): pass
@pytest.mark.skipif(True, reason="the oracle (../shared/reference) is not on this machine")
def test_oracle(): pass
@pytest.mark.xfail
def test_expected_to_fail(): assert False
def test_good(): pass
"""


def run_tests(folder: Path, **environment: str) -> tuple[set[str], str]:
    """Run `TESTS` with the hooks of tests/conftest.py.

    Args:
        folder: An empty folder.
        environment: Added to the environment, from which CI is taken.

    Returns:
        The names of the tests that failed before they began, and the counts of all outcomes.
    """
    file = folder / "test_few.py"
    file.write_text(TESTS, encoding="utf-8")
    options = ["-p", "tests.conftest", "-p", "no:xdist", "-o", f"cache_dir={folder}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", file, "--rootdir", folder, "-c", os.devnull, *options],
        cwd=REPO,
        env={name: text for name, text in os.environ.items() if name != "CI"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    *_, counts = done.stdout.splitlines()
    failed = set(re.findall(r"^ERROR .*::(\w+) - CI skips only", done.stdout, re.MULTILINE))
    return failed, re.sub(r"=* (.*) in .*", r"\1", counts)


def test_in_ci_only_tests_of_absent_real_data_are_skipped(tmp_path: Path) -> None:
    failed, counts = run_tests(tmp_path, CI="true")
    assert failed == {"test_program", "test_library"}
    assert counts == "1 passed, 2 skipped, 1 xfailed, 2 errors"


def test_elsewhere_a_test_may_be_skipped_for_any_reason(tmp_path: Path) -> None:
    assert run_tests(tmp_path) == (set(), "1 passed, 4 skipped, 1 xfailed")
