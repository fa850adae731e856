"""What is served of a version, and the log of who looked at it."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdi import paths
from cdi.agency.model import Agency
from cdi.cli import app
from cdi.publish.access import current_folder, note_access, read_access_log, read_part
from cdi.publish.parts import PARTS, find_part


@pytest.fixture
def version(state: Path) -> Path:
    """A published version with a page, a folder of pages and files that nobody may see."""
    folder = paths.published("a") / "versions" / "v1"
    (folder / "worklist" / "logs").mkdir(parents=True)
    for name in (
        "report.html",
        "worklist/index.html",
        "worklist/logs/T-1.html",
        "version.json",
        "recording.duckdb",
        "worklist/.hidden.html",
    ):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "worklist" / "out.html").symlink_to(state / "secret.html")
    (state / "secret.html").write_text("secret", encoding="utf-8")
    (paths.published("a") / "current").symlink_to(Path("versions") / "v1")
    current = current_folder("a")
    assert current is not None
    return current


def test_a_listed_part_is_read(version: Path) -> None:
    assert version.name == "v1"
    for path in ("report.html", "worklist/index.html", "worklist/logs/T-1.html"):
        assert read_part(version, path) == path.encode()
    assert read_part(version, "matching.html") is None


@pytest.mark.parametrize(
    "path",
    [
        "version.json",
        "recording.duckdb",
        "",
        "worklist",
        "worklist/",
        "worklist/.hidden.html",
        "../v1/report.html",
        "worklist/../report.html",
        "worklist/../../../secret.html",
        "/etc/passwd",
        "worklist/out.html",
        "report.html/",
        "worklist//index.html",
        "worklist/index.html\n",
    ],
)
def test_nothing_else_is_read(version: Path, path: str) -> None:
    assert read_part(version, path) is None


def test_what_speaks_of_single_calls_is_restricted() -> None:
    restricted = {part.path for part in PARTS if part.is_restricted}
    assert restricted == {"worklist"}
    for path in ("worklist/index.html", "worklist/worklist.xlsx", "worklist/worklist.csv"):
        part = find_part(path)
        assert part is not None
        assert part.is_restricted


def test_an_agency_without_a_version_has_none(state: Path) -> None:
    assert current_folder("a") is None


def test_the_access_log_only_grows_and_is_its_owners_alone(state: Path) -> None:
    before = datetime.now(UTC)
    note_access("a", "ada", "worklist/index.html", "v1")
    file = paths.access("a")
    first = file.read_bytes()
    note_access("a", "bo", "worklist/worklist.csv", "v1")
    assert file.read_bytes().startswith(first)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    entries = list(read_access_log("a"))
    assert [(entry["who"], entry["what"], entry["version"]) for entry in entries] == [
        ("ada", "worklist/index.html", "v1"),
        ("bo", "worklist/worklist.csv", "v1"),
    ]
    at = datetime.fromisoformat(entries[0]["at"])
    assert before <= at <= datetime.now(UTC)


def test_the_command_line_tells_who_looked_at_what(sample: Agency) -> None:
    note_access("sample", "ada", "worklist/index.html", "v1")
    note_access("sample", "bo", "worklist/worklist.csv", "v1")
    result = CliRunner().invoke(app, ["access", "sample"])
    assert result.exit_code == 0
    assert [line.split("  ")[1:] for line in result.stdout.splitlines()] == [
        ["ada", "v1", "worklist/index.html"],
        ["bo", "v1", "worklist/worklist.csv"],
    ]


def test_a_name_cannot_forge_a_line(state: Path) -> None:
    note_access("a", 'ada"}\n{"who": "bo', "worklist/index.html", "v1")
    (line,) = paths.access("a").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["who"] == 'ada"}\n{"who": "bo'


def test_an_access_that_cannot_be_written_is_an_error(state: Path) -> None:
    paths.access("a").mkdir(parents=True)  # no file can be opened there, not even by root
    with pytest.raises(OSError, match=r"a\.jsonl"):
        note_access("a", "ada", "worklist/index.html", "v1")
