"""What was told as done is on the disk, and a write that was cut is named and hurts no other."""

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer

from cdi import paths
from cdi.agency.model import Agency
from cdi.audit.design import Options
from cdi.audit.draws import draw_audit
from cdi.audit.register import Register
from cdi.build.version import Version, plan_version, read_current, read_private_name
from cdi.console import run_app
from cdi.errors import (
    AuditError,
    BuildError,
    GateError,
    MachineError,
    StateError,
    name_machine_failures,
)
from cdi.files import append_line, append_whole, put_torn_rest_aside, read_json, read_json_lines
from cdi.landing.batches import accepted_batches
from cdi.landing.tombstones import add_tombstone, read_tombstones
from cdi.learning.weights import find_newest_weights, save_weights
from cdi.local.airflow import read_password, stop_leftovers
from cdi.people.decisions import add_decision
from cdi.publish.access import note_access, read_access_log
from cdi.publish.parts import list_files_of_whole_version
from cdi.publish.publish import publish_folder
from cdi.quality.waivers import apply_waivers
from cdi.sealed_files import seal_file, seal_of
from cdi.sql import connect
from cdi.steps.build import publish_version
from cdi.steps.extract import check_landing, extract
from cdi.steps.retain import erase_reference
from tests.audit import AT, AUDITORS, PERIOD, Force
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.disk import recorded

SEED = 20260105
WAIVER = {
    "decision_kind": "released",
    "rule_id": "FILE-07",
    "content_id": "0" * 64,
    "reason": "checked by phone,\nand by letter",
    "decided_by": "A1",
    "second_person": "B2",
}


def built(agency: Agency, day: int = 5) -> Version:
    """A version with each of its files in the private folder, as the report leaves them."""
    version = Version(agency, datetime(2026, 1, day, tzinfo=UTC), {}, f"{day:064x}")
    for name in list_files_of_whole_version():
        file = version.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    described = {
        "agency": agency.agency,
        "version": version.name,
        "fingerprint": version.fingerprint,
        "as_of": version.as_of.isoformat(),
        "batches": {},
        "weights": {},
    }
    (version.folder / "version.json").write_text(json.dumps(described), encoding="utf-8")
    version.file.unlink()
    with connect(version.file) as con:
        con.execute("create table t as select 1")
    return version


# ---------------------------------------------------------------------- told is on the disk


def test_a_batch_is_on_the_disk_when_it_is_extracted_accepted_or_refused(
    small: SmallAgency, state: Path
) -> None:
    with recorded(state / "landing") as disk:
        extracted = extract("testville", "calls", small.interval)
        assert extracted.result
        assert disk.problems() == []
        check_landing("testville", "calls", extracted.result)
        assert disk.problems() == []
        assert len(accepted_batches("testville", "calls")) == 1
        small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:1]))  # too few rows: FILE-07
        refused = extract("testville", "calls", small.interval)
        assert refused.result
        with pytest.raises(GateError):
            check_landing("testville", "calls", refused.result)
        assert disk.problems() == []


def test_a_version_is_on_the_disk_when_it_is_published(sample: Agency, state: Path) -> None:
    version = built(sample)
    (version.folder / "worklist" / "logs").mkdir()
    (version.folder / "worklist" / "logs" / "T-1.html").write_text("a page", encoding="utf-8")
    with recorded(state / "published") as disk:
        publish_folder(version)
    assert disk.problems() == []


def test_weights_are_on_the_disk_when_they_were_learnt(state: Path) -> None:
    def write(folder: Path) -> dict[str, int]:
        (folder / "numbers.csv").write_text("1,2", encoding="utf-8")
        return {"numbers": 2}

    with recorded(state / "weights") as disk:
        save_weights("a", "links", datetime(2026, 1, 5, tzinfo=UTC), "f00", write)
    assert disk.problems() == []


def test_a_decision_is_on_the_disk_when_it_is_told(small: SmallAgency, state: Path) -> None:
    with recorded(state / "decisions") as disk:
        add_decision(small.agency, WAIVER)
    assert disk.problems() == []


def test_a_draw_is_on_the_disk_when_it_is_told(state: Path) -> None:
    with recorded(state / "audit") as disk:
        draw_audit("a", "v1", PERIOD, Force().frame, Options(400), AUDITORS, AT, seed=7)
    assert disk.problems() == []


def test_an_erasure_and_a_look_are_on_the_disk_when_they_are_told(
    small: SmallAgency, state: Path
) -> None:
    with recorded(state) as disk:
        small.extract_and_check()
        note_access("testville", "ada", "worklist/index.html", "v1")
        erase_reference(small.agency, "T-0002", "request 12 of 2026", lambda _: None)
    assert [problem for problem in disk.problems() if "/dbt/" not in problem] == []
    assert len(read_tombstones("testville")) == 1


# ---------------------------------------------------------------------- cut writes


def test_a_decision_after_a_cut_one_is_kept_and_the_piece_is_named(
    small: SmallAgency, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever the write was cut, also right after the line break in a cell."""
    first = add_decision(small.agency, WAIVER)
    file = paths.decisions_file("testville")
    whole = file.read_bytes()
    row = whole.split(b"\n", 1)[1].replace(first.encode(), b"D-cut")
    after_break = row.index(b"\n", row.index(b"phone")) + 1
    lengths = random.Random(SEED).sample(range(1, len(row)), 12)  # noqa: S311 -- no secret
    for length in [1, after_break, len(row) - 1, *lengths]:
        caplog.clear()
        file.write_bytes(whole + row[:length])
        with append_whole(file) as text:
            text.write(row.decode().replace("D-cut", "D-next"))
        assert file.read_bytes() == whole + row.replace(b"D-cut", b"D-next"), length
        torn = file.with_name("decisions.csv.torn")
        assert torn.read_bytes() == row[:length] + b"\n"
        assert "[STATE-TORN]" in caplog.text
        assert str(file) in caplog.text
        torn.unlink()


def test_a_cut_decision_is_not_landed(small: SmallAgency) -> None:
    """Its last cell may look whole: `B` of `B2` is a staff number as well."""
    add_decision(small.agency, WAIVER)
    file = paths.decisions_file("testville")
    whole = file.read_bytes()
    file.write_bytes(whole + whole.split(b"\n", 1)[1][:-2])
    extracted = extract("testville", "decisions", small.interval)
    assert "1 rows read" in extracted.note
    assert file.read_bytes() == whole


@pytest.mark.parametrize("is_header_whole", [False, True])
def test_a_first_decision_that_was_cut_stops_no_extraction(
    small: SmallAgency, is_header_whole: bool
) -> None:
    """A cut may leave the name of the file alone, or its header and a part of the row."""
    add_decision(small.agency, WAIVER)
    file = paths.decisions_file("testville")
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index(b"\n") + 5] if is_header_whole else b"")
    seal_of(file).unlink()  # which is written after the line
    assert not extract("testville", "decisions", small.interval).result
    add_decision(small.agency, WAIVER)
    assert "1 rows read" in extract("testville", "decisions", small.interval).note


def test_a_decision_that_is_deleted_or_altered_is_neither_landed_nor_counted_nor_added_to(
    small: SmallAgency,
) -> None:
    for name in ("one", "two", "three"):
        add_decision(small.agency, {**WAIVER, "reason": name})
    file = paths.decisions_file("testville")
    header, *rows = file.read_text().splitlines(keepends=True)
    altered = [rows[0], rows[1].replace("FILE-07", "FILE-08"), rows[2]]
    failure = {"rule_id": "FILE-07", "severity": "fail", "is_success": False, "error": None}
    extent = {"unexpected_count": 1, "observed_value": None}
    for content in (rows[1:], rows[:-1], altered, rows[::-1]):
        file.write_text("".join([header, *content]))
        for act in (
            lambda: extract("testville", "decisions", small.interval),
            lambda: apply_waivers(small.agency, "0" * 64, [failure | extent]),
            lambda: add_decision(small.agency, WAIVER),
        ):
            with pytest.raises(StateError, match=r"STATE-DAMAGED.*decisions\.csv"):
                act()
        assert file.read_text() == "".join([header, *content])


def test_a_line_is_appended_whole_or_not_at_all(tmp_path: Path) -> None:
    """A limit of the file's size cuts the write, as the end of the disk does."""
    program = """
import random, resource, sys
from pathlib import Path
from cdi.errors import MachineError, name_machine_failures
from cdi.files import append_line, append_whole

folder, chosen = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for name in ("log.jsonl", "rows.csv", "empty.jsonl"):
    file = folder / name
    if name != "empty.jsonl":
        with append_whole(file) as text:
            text.write('"name"\\n"kept"\\n')
    before = file.read_bytes() if file.exists() else b""
    for room in [0, 1, *chosen.sample(range(2, 60), 4)]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, hard))
        try:
            with name_machine_failures():
                append_line(file, '"' + "x" * 60 + '"')
        except MachineError as error:
            assert error.rule_id == "DISK-FULL" and str(file) in error.message, error
        else:
            raise AssertionError("it was told as written")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert file.read_bytes() == before, (name, room)
    append_line(file, '"next"')
    assert file.read_bytes() == before + b'"next"\\n'
assert not list(folder.glob("*.torn"))
print("done")
"""
    command = [sys.executable, "-c", program, str(tmp_path), str(SEED)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("done\n", "")


def test_a_cut_line_counts_as_not_written_and_the_next_is_its_own(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    add_tombstone("a", {"h1"}, "one", at)
    note_access("a", "ada", "worklist/index.html", "v1")
    Register("a").append("draw", at, draw_id="d1")
    files = (paths.tombstones("a"), paths.access("a"), Register("a").file)
    for file in files:
        file.write_bytes(file.read_bytes() + b'{"at": "2026-0')
    assert [tombstone["reason"] for tombstone in read_tombstones("a")] == ["one"]
    assert [look["who"] for look in read_access_log("a")] == ["ada"]
    assert len(Register("a").entries()) == 1
    add_tombstone("a", {"h2"}, "two", at)
    note_access("a", "bo", "worklist/index.html", "v1")
    Register("a").append("draw", at, draw_id="d2")
    assert [tombstone["reason"] for tombstone in read_tombstones("a")] == ["one", "two"]
    assert [look["who"] for look in read_access_log("a")] == ["ada", "bo"]
    assert [entry["draw_id"] for entry in Register("a").entries()] == ["d1", "d2"]
    for file in files:
        torn = file.with_name(f"{file.name}.torn")
        assert torn.read_bytes() == b'{"at": "2026-0\n'
        assert torn.stat().st_mode == file.stat().st_mode
        assert str(file) in caplog.text


def test_a_whole_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    content = b'a,b\n"two\nlines",5" wide\n"a ""quote""",\n'
    file.write_bytes(content)
    put_torn_rest_aside(file)
    put_torn_rest_aside(tmp_path / "absent.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    assert file.read_bytes() == content


# ---------------------------------------------------------------------- damaged files

DAMAGED = [b"", b"\0" * 64, b'{"at": "2026', b"[1]", b"{}", b"\xff\xfe"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "state.json"
    with pytest.raises(StateError, match=r"STATE-DAMAGED.*state\.json is missing"):
        read_json(file, ["at"])
    file.write_bytes(content)
    with pytest.raises(StateError, match=r"STATE-DAMAGED.*state\.json") as damaged:
        read_json(file, ["at"], "do this")
    assert damaged.value.fix == "do this"


def test_a_line_that_cannot_be_read_is_named_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(b'{"at": 1}\n{"at"\n{"at": 3}\n')
    with pytest.raises(StateError, match=r"STATE-DAMAGED.*line 2 of .*log\.jsonl"):
        read_json_lines(file)


def test_a_damaged_tombstone_stops_rather_than_lets_the_erased_return(state: Path) -> None:
    add_tombstone("a", {"h1"}, "one", datetime(2026, 1, 5, tzinfo=UTC))
    paths.tombstones("a").write_bytes(b'{"reason": "one"}\n')
    with pytest.raises(StateError, match=r"not as it was written[^$]*could come back"):
        read_tombstones("a")
    seal_file("a", paths.tombstones("a"))
    with pytest.raises(StateError, match=r"has no hashes[^$]*could come back"):
        read_tombstones("a")


@pytest.mark.parametrize("content", DAMAGED)
def test_a_batch_whose_manifest_is_damaged_stops_what_reads_the_landing(
    sample: Agency, content: bytes
) -> None:
    folder = paths.landing("sample", "calls") / "batches" / "20260105T0000_20260106T0000_v1"
    folder.mkdir(parents=True)
    for damage in (None, content):
        if damage is not None:
            (folder / "manifest.json").write_bytes(damage)
        with pytest.raises(StateError, match="LANDING-DAMAGED") as damaged:
            plan_version(sample)
        assert str(folder) in damaged.value.message
        assert "extract the same interval again" in damaged.value.fix


@pytest.mark.parametrize("content", DAMAGED)
def test_a_version_that_cannot_say_what_it_is_counts_as_none(
    sample: Agency, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    folder = publish_folder(built(sample))
    assert read_current("sample") is not None
    built(sample)
    for file in (folder / "version.json", folder.parents[1] / ".next" / "version.json"):
        file.chmod(0o644)
        file.write_bytes(content)
    assert read_current("sample") is None
    assert read_private_name("sample") is None
    assert "counts as no version" in caplog.text
    assert str(folder.parents[1] / "current" / "version.json") in caplog.text
    with pytest.raises(BuildError, match="BUILD-GONE"):
        publish_version("sample", folder.name)
    # the build makes the same version again, and it takes the place
    assert publish_folder(built(sample)) == folder
    assert read_current("sample") is not None


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_weights_are_named(state: Path, content: bytes) -> None:
    folder = paths.weights("a") / "links" / "f00"
    folder.mkdir(parents=True)
    (folder / "weights.json").write_bytes(content)
    with pytest.raises(StateError, match="STATE-DAMAGED") as damaged:
        find_newest_weights("a", "links")
    assert str(folder) in damaged.value.message
    assert "training learns it again" in damaged.value.fix


@pytest.mark.parametrize("content", [*DAMAGED, b"[[1"])
def test_what_only_the_local_airflow_needs_is_made_anew(
    state: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = paths.secrets() / "airflow.json"
    processes = paths.home() / "airflow" / "processes.json"
    for file in (secrets, processes):
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    assert read_password() == read_password()
    assert str(secrets) in caplog.text
    assert stop_leftovers() == 0
    assert not processes.exists()
    assert str(processes) in caplog.text


# ---------------------------------------------------------------------- the machine


def write_to_full_disk() -> None:
    append_line(Path("/dev/full"), "a line")


def write_table_to_full_disk() -> None:
    duckdb.sql("copy (select range from range(100000)) to '/dev/full' (format parquet)")


@pytest.mark.parametrize("write", [write_to_full_disk, write_table_to_full_disk])
def test_a_full_disk_is_named_with_the_file(write: Any) -> None:
    with (
        pytest.raises(MachineError, match=r"DISK-FULL[^$]*/dev/full[^$]*make room"),
        name_machine_failures(),
    ):
        write()


@pytest.mark.parametrize(
    ("rule_id", "error"),
    [
        ("FILE-DENIED", PermissionError(13, "Permission denied", "a/b.json")),
        ("FILE-KIND", IsADirectoryError(21, "Is a directory", "a/b.json")),
        ("FILE-KIND", NotADirectoryError(20, "Not a directory", "a/b.json")),
        ("FILE-LIMIT", OSError(24, "Too many open files", "a/b.json")),
        ("DISK-DAMAGED", OSError(5, "Input/output error", "a/b.json")),
    ],
)
def test_other_failures_of_the_machine_are_named_too(rule_id: str, error: OSError) -> None:
    with pytest.raises(MachineError, match=r"a/b\.json") as named, name_machine_failures():
        raise error
    assert named.value.rule_id == rule_id


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file"), KeyError("a"), OSError()])
def test_a_fault_of_the_code_keeps_its_own_name(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, name_machine_failures():
        raise error
    assert raised.value is error


def test_a_command_says_so_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = typer.Typer()
    app.command()(write_to_full_disk)
    monkeypatch.setattr(sys, "argv", ["cdi"])
    with pytest.raises(SystemExit) as ended:
        run_app(app)
    assert ended.value.code == 1
    assert "[DISK-FULL]" in capsys.readouterr().err


# ---------------------------------------------------------------------- done before


class PowerCutError(BaseException):
    """The process ends here, whatever it would catch."""


def cut_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """End the process when something is about to be renamed to this name."""
    replace = os.replace

    def replace_or_end(path: Any, target: Any) -> None:
        if Path(target).name == name:
            raise PowerCutError
        replace(path, target)

    monkeypatch.setattr(os, "replace", replace_or_end)


def test_a_publication_that_was_done_is_told_so(sample: Agency) -> None:
    version = built(sample)
    folder = publish_folder(version)
    newer = publish_folder(built(sample, 6))
    for published in (folder, newer):
        step = publish_version("sample", published.name)
        assert step.result == published.name
        assert "published before" in step.note
    # an older one does not take the place of the newer
    assert (paths.published("sample") / "current").resolve() == newer
    with pytest.raises(BuildError, match="BUILD-GONE"):
        publish_version("sample", "20260107T0000-0000000000")


def test_a_publication_that_was_killed_before_its_link_is_finished(
    sample: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_folder(built(sample))
    version = built(sample, 6)
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_at(patch, "current")
        publish_folder(version)
    assert not version.folder.exists()
    assert "published before" in publish_version("sample", version.name).note
    assert (paths.published("sample") / "current").resolve().name == version.name


@pytest.mark.parametrize("name", ["frame.parquet", "crimes.parquet", "sample.parquet"])
def test_a_draw_that_was_killed_is_finished_from_its_line(
    state: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    frame = Force().frame
    undisturbed = draw_audit("b", "v1", PERIOD, frame, Options(400), AUDITORS, AT, seed=7)
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_at(patch, name)
        draw_audit("a", "v1", PERIOD, frame, Options(400), AUDITORS, AT, seed=7)
    # what is asked now does not count, as the plan and the seed are in the register
    draw = draw_audit("a", "v1", PERIOD, frame, Options(300), ["X1", "X2"], AT, seed=8)
    assert draw.positions.tolist() == undisturbed.positions.tolist()
    assert (draw.auditors, draw.seconds) == (undisturbed.auditors, undisturbed.seconds)
    assert [line["kind"] for line in Register("a").entries()] == ["draw", "sample"]
    with pytest.raises(AuditError, match="AUDIT-REDRAWN"):
        draw_audit("a", "v1", PERIOD, frame, Options(400), AUDITORS, AT, seed=7)


def test_a_draw_that_was_killed_is_told_as_such_if_logs_are_gone(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erasures left fewer logs than its plan asks for; another draw needs a reason, as always."""
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_at(patch, "frame.parquet")
        draw_audit("a", "v1", PERIOD, Force().frame, Options(400), AUDITORS, AT, seed=7)
    few, options = Force(100).frame, Options(50, oversampled={})
    with pytest.raises(AuditError, match=r"AUDIT-REDRAWN.*killed before it had a sample") as caught:
        draw_audit("a", "v2", PERIOD, few, options, AUDITORS, AT)
    assert "while version v1 is published, or give the reason" in caught.value.fix
    draw = draw_audit("a", "v2", PERIOD, few, options, AUDITORS, AT, reason="it was killed")
    assert len(draw.positions) == 50
