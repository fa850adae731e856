"""What is served of a version, and the log of who looked at it."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdi import paths
from cdi.agency.model import Agency
from cdi.cli import app
from cdi.errors import CdiError
from cdi.publish.access import (
    Chain,
    current_folder,
    find_file,
    note_access,
    note_command,
    prove_access_log,
    read_access_log,
)
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


def test_a_listed_part_is_found(version: Path) -> None:
    assert version.name == "v1"
    for path in ("report.html", "worklist/index.html", "worklist/logs/T-1.html"):
        file = find_file(version, path)
        assert file is not None
        assert file.read_bytes() == path.encode()
    assert find_file(version, "matching.html") is None


@pytest.mark.parametrize(
    "path",
    [
        "version.json",
        "recording.duckdb.wal",
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
def test_nothing_else_is_found(version: Path, path: str) -> None:
    assert find_file(version, path) is None


def test_what_speaks_of_single_calls_is_restricted() -> None:
    restricted = {part.path for part in PARTS if part.is_restricted}
    assert restricted == {"explore.html", "worklist", "recording.duckdb"}
    assert [part.path for part in PARTS if part.for_managers] == ["recording.duckdb"]
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
    *lines, proof = result.stdout.splitlines()
    assert [line.split("  ")[1:4] for line in lines] == [
        ["ada", "v1", "worklist/index.html"],
        ["bo", "v1", "worklist/worklist.csv"],
    ]
    assert proof.startswith("2 lines are bound to the previous line")


def test_a_name_cannot_forge_a_line(state: Path) -> None:
    note_access("a", 'ada"}\n{"who": "bo', "worklist/index.html", "v1")
    (line,) = paths.access("a").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["who"] == 'ada"}\n{"who": "bo'


def test_a_reason_without_end_is_cut_and_the_next_line_still_chains(state: Path) -> None:
    endless = "\U0001f600" * 70_000  # of the letters that take most bytes as JSON
    for reason in ("a", endless, "b"):
        note_access("a", "inspector", "report.html", "v1", reason)
    lines = read_access_log("a")
    assert [line["reason"] for line in lines] == ["a", endless[:1000], "b"]
    assert prove_access_log("a").chained == 3


def test_an_access_that_cannot_be_written_is_an_error(state: Path) -> None:
    paths.access("a").mkdir(parents=True)  # no file can be opened there, not even by root
    with pytest.raises(OSError, match=r"a\.jsonl"):
        note_access("a", "ada", "worklist/index.html", "v1")


OLD_LINE = (
    '{"at": "2026-01-05T10:00:00.000000Z", "who": "ada", "what": "worklist/index.html", '
    '"version": "v0"}\n'
)


@pytest.fixture
def log(state: Path) -> Path:
    """A log with a line of the time before the chain, and three since."""
    file = paths.access("a")
    file.parent.mkdir(parents=True)
    file.write_text(OLD_LINE, encoding="utf-8")
    for number in (1, 2, 3):
        note_access("a", "ada", f"worklist/logs/T-000{number}.html", "v1", "complaint 12")
    return file


def change_line(file: Path, number: int, old: str, new: str) -> None:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    file.write_text("".join(lines), encoding="utf-8")


def test_an_untouched_log_is_proven_and_old_lines_are_read(log: Path) -> None:
    assert prove_access_log("a") == Chain(chained=3, older=1, erased=0)
    assert [entry["who"] for entry in read_access_log("a")] == ["ada"] * 4
    assert [entry.get("reason") for entry in read_access_log("a")][1:] == ["complaint 12"] * 3


@pytest.mark.parametrize(
    ("number", "old", "new", "first_broken"),
    [
        (2, '"ada"', '"bo"', 3),  # who: the next line no longer fits
        (1, '"ada"', '"bo"', 2),  # a line of before the chain is bound by the first of it
        (3, "T-0002", "T-0009", 3),  # what: its own hash does not fit
        (4, "complaint 12", "complaint 13", 4),
        (3, '"before"', '"behind"', 3),
        (3, "{", "", 3),
    ],
)
def test_a_changed_line_is_named(
    log: Path, number: int, old: str, new: str, first_broken: int
) -> None:
    change_line(log, number, old, new)
    with pytest.raises(CdiError, match=rf"ACCESS-CHAIN.* line {first_broken} of "):
        prove_access_log("a")


def test_a_line_that_was_taken_out_is_noticed(log: Path) -> None:
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    log.write_text("".join([*lines[:2], lines[3]]), encoding="utf-8")
    with pytest.raises(CdiError, match=r"ACCESS-CHAIN.* line 3 of "):
        prove_access_log("a")


def cut_last_line(file: Path) -> None:
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    "damage",
    [
        cut_last_line,
        Path.unlink,
        lambda file: change_line(file, 4, '"ada"', '"bo"'),
        lambda file: change_line(file, 4, '"v1"', '"v2"'),
    ],
)
def test_the_end_of_the_log_can_be_neither_cut_off_nor_changed(
    log: Path, damage: Callable[[Path], None]
) -> None:
    damage(log)
    with pytest.raises(CdiError, match=r"ACCESS-CHAIN.*not the line that was written last"):
        prove_access_log("a")


def test_a_line_that_a_killed_process_did_not_note_as_the_last_is_no_damage(log: Path) -> None:
    end = log.with_name("a.end.json")
    kept = end.read_bytes()
    note_access("a", "bo", "worklist/index.html", "v1")
    end.write_bytes(kept)
    assert prove_access_log("a").chained == 4


def test_an_erasure_may_write_over_a_call_and_the_chain_holds(log: Path) -> None:
    change_line(log, 3, "T-0002", "xxxxxx")
    assert prove_access_log("a") == Chain(chained=3, older=1, erased=1)


def test_what_a_full_disk_left_of_a_line_is_named_and_stays_apart(log: Path) -> None:
    with log.open("a", encoding="utf-8") as handle:
        handle.write('{"at": "2026')
    note_access("a", "bo", "worklist/index.html", "v1")
    assert [entry["who"] for entry in read_access_log("a")] == ["ada"] * 4 + ["bo"]
    assert prove_access_log("a") == Chain(chained=4, older=1, erased=0)
    assert '{"at": "2026' in log.with_name(f"{log.name}.torn").read_text(encoding="utf-8")


def test_a_command_is_written_down_with_its_account_and_reason(version: Path) -> None:
    note_command("a", "explain T-0001", "complaint 12")
    (entry,) = read_access_log("a")
    assert entry["who"].endswith(" (command line)")
    assert (entry["what"], entry["version"], entry["reason"]) == (
        "explain T-0001", "v1", "complaint 12",
    )  # fmt: skip


def test_a_command_that_cannot_be_written_down_shows_nothing(version: Path) -> None:
    paths.access("a").mkdir(parents=True)
    with pytest.raises(CdiError, match="ACCESS-WRITE"):
        note_command("a", "explain T-0001", "complaint 12")


def test_a_look_by_command_is_written_down_before_it_shows_anything(
    sample: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    (paths.published("sample") / "versions" / "v1").mkdir(parents=True)
    (paths.published("sample") / "current").symlink_to(Path("versions") / "v1")
    seen: list[dict[str, str]] = []

    def show(*_: object, **__: object) -> list[str]:
        seen.append(list(read_access_log("sample"))[-1])
        return ["true"]

    monkeypatch.setattr("cdi.report.explain.explain_call", show)
    monkeypatch.setattr("os.execv", show)
    monkeypatch.setattr("cdi.local.shell.shell_command", lambda *_, **__: ["true"])
    CliRunner().invoke(app, ["explain", "sample", "T-1", "--reason", "complaint 12"])
    CliRunner().invoke(app, ["shell", "--agency", "sample"], env={"REASON": "quarterly figures"})
    assert [(entry["what"], entry["reason"]) for entry in seen] == [
        ("explain T-1", "complaint 12"),
        ("recording.duckdb, by the SQL prompt", "quarterly figures"),
    ]
