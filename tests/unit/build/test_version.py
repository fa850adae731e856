"""What a version is made of: whatever can change a result changes its name."""

from pathlib import Path

import pytest

from cdi import code
from cdi.agency.model import Agency
from cdi.build.version import hash_code_parts
from tests.conftest import SmallAgency


def test_each_file_of_the_library_counts_and_what_python_compiles_does_not(
    sample: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "cdi"
    monkeypatch.setattr(code, "LIBRARY", library)
    hashes = [hash_code_parts(sample)]
    for name in ("landing/read.py", "landing/sql/read.sql", "templates/a.j2", "report/words.csv"):
        file = library / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1\n", encoding="utf-8")
        hashes.append(hash_code_parts(sample))
    assert len({parts["library"] for parts in hashes}) == 5
    assert all(parts | {"library": ""} == hashes[0] | {"library": ""} for parts in hashes)
    compiled = library / "landing" / "__pycache__" / "read.cpython-313.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"1")
    assert hash_code_parts(sample) == hashes[-1]


def test_what_agency_yaml_says_counts_and_where_the_work_is_done_does_not(
    small: SmallAgency,
) -> None:
    """An agency that moves to another worker publishes the version that it had."""
    before = hash_code_parts(small.agency)
    small.write_text("agency.yaml", "# a comment\n" + (small.folder / "agency.yaml").read_text())
    assert hash_code_parts(small.agency) == before
    small.settings["runs_on"] = "testville"
    small.write_settings()
    assert small.agency.runs_on == "testville"
    assert hash_code_parts(small.agency) == before
    small.settings["alerts"] = {"connections": ["desk_mail"]}  # who is told changes no result
    small.write_settings()
    assert hash_code_parts(small.agency) == before
    small.settings["cancelled_statuses"] = ["CANCELLED"]
    small.write_settings()
    changed = hash_code_parts(small.agency)
    assert {part for part in before if changed[part] != before[part]} == {"agency"}
    small.write_text("closures.csv", (small.folder / "closures.csv").read_text() + "X,X,,false,\n")
    assert hash_code_parts(small.agency)["agency"] != changed["agency"]
