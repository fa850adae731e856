"""A backup of an agency: what it costs, what it keeps secret, and that it comes back the same."""

import errno
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from typer.testing import CliRunner

from cdi import cli, paths
from cdi.agency.interval import Interval
from cdi.audit.register import Register
from cdi.build.version import plan_version, read_current
from cdi.errors import BusyError, CdiError, StateError
from cdi.files import sha256_of_file
from cdi.landing.batches import accepted_batches, moved_file
from cdi.people.decision_file import keep_decisions
from cdi.people.decisions import add_decision, make_row
from cdi.publish.access import note_access
from cdi.sealed_files import write_sealed
from cdi.steps import backup
from cdi.steps.alert import send_alerts
from cdi.steps.backup import BackedUp, back_up_agency, check_backup, restore_agency
from cdi.steps.extract import extract
from cdi.steps.run import run_directly
from cdi.steps.verify import verify_agency
from tests.conftest import REPO, SmallAgency

DECISION = {
    "decision_kind": "released",
    "rule_id": "FILE-07",
    "content_id": "0" * 64,
    "reason": "as agreed",
    "decided_by": "1207",
    "second_person": "1311",
}


def silent(_: str) -> None:
    """Say nothing."""


class Site:
    """An agency with a state, a backup elsewhere and the backup's key."""

    def __init__(self, small: SmallAgency, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Name the places."""
        self.agency = small.agency
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.target = str(folder / "backup")
        Path(self.target).mkdir()
        self.key = folder / "keys" / "backup.key"

    def back_up(self, **options: Any) -> BackedUp:
        """Back the agency up."""
        options = {"keep": 30, **options}
        return back_up_agency(self.agency, self.target, self.key, say=silent, **options)

    def check(self) -> list[str]:
        """Check the backup; returns what it told."""
        told: list[str] = []
        check_backup("testville", self.target, self.key, told.append)
        return told

    def damage_of(self) -> tuple[list[str], StateError]:
        """Check a damaged backup; returns what it told, and its error."""
        told: list[str] = []
        with pytest.raises(StateError, match="BACKUP-DAMAGED") as raised:
            check_backup("testville", self.target, self.key, told.append)
        return told, raised.value

    def move(self) -> None:
        """Go to another machine, with the backup and its key."""
        self.monkeypatch.setenv("CDI_HOME", str(self.folder / "elsewhere"))

    def restore(self, **options: Any) -> str:
        """Restore the agency."""
        options = {"snapshot": None, **options}
        return restore_agency(self.agency, self.target, self.key, say=silent, **options)

    def objects(self) -> list[Path]:
        """List what is stored."""
        return sorted((Path(self.target) / "testville" / "objects").iterdir())


@pytest.fixture
def site(ran: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """`testville` after a run, with a decision and a line of the access log."""
    add_decision(ran.agency, DECISION)
    note_access("testville", "vera", "worklist/index.html", "1", "audit")
    return Site(ran, tmp_path, monkeypatch)


def contents() -> dict[str, tuple[bytes, int]]:
    """Content and mode of all that cannot be made again, found apart from the product's list."""
    home = paths.home()
    kinds = ("landing", "weights", "decisions", "audit", "released", "access", "secrets")
    return {
        str(file.relative_to(home)): (file.read_bytes(), file.stat().st_mode)
        for kind in kinds
        for file in (home / kind).rglob("*")
        if file.is_file()
        and not {"pending", "checking"} & set(file.parts)
        and not file.name.startswith(".")
        and file.name != "airflow.json"
    }


def test_it_comes_back_the_same_on_another_machine(site: Site) -> None:
    before, published = contents(), read_current("testville")
    assert published is not None
    planned = plan_version(site.agency)
    done = site.back_up()
    assert done.files == len(before) > 10
    # equal files are stored once, e.g. two quarantines without a row
    assert done.new_files == len({content for content, _ in before.values()})
    site.move()
    assert site.restore() == done.snapshot
    assert contents() == before
    assert plan_version(site.agency).name == planned.name


def test_what_was_published_is_what_the_restored_agency_would_build(
    ran: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = read_current("testville")
    assert published is not None
    site = Site(ran, tmp_path, monkeypatch)
    site.back_up()
    site.move()
    site.restore()
    assert plan_version(site.agency).fingerprint == published["fingerprint"]


def test_only_what_is_new_is_copied(site: Site) -> None:
    site.back_up()
    again = site.back_up()
    assert (again.new_files, again.new_size) == (0, 0)
    add_decision(site.agency, {**DECISION, "reason": "another"})
    third = site.back_up()
    assert third.new_files == 2  # the decisions and their seal
    assert third.files == again.files
    site.move()
    site.restore(snapshot=again.snapshot)
    assert "another" not in paths.decisions_file("testville").read_text()


def test_it_goes_through_any_filesystem(site: Site) -> None:
    site.target = "memory://backups/cdi"
    before = contents()
    assert site.back_up().files == len(before)
    again = site.back_up()
    assert not again.new_files
    assert site.check()[0] == f"{site.target} has snapshots of testville"
    site.move()
    assert site.restore() == again.snapshot
    assert contents() == before
    fsspec.filesystem("memory").rm("/backups", recursive=True)


def test_neither_key_is_in_the_backup(site: Site) -> None:
    site.back_up()
    secrets = [(paths.secrets() / "testville.key").read_bytes().strip(), site.key.read_bytes()]
    stored = [file for file in Path(site.target).rglob("*") if file.is_file()]
    assert len(stored) > 10
    assert not [f for f in stored for secret in secrets if secret.strip() in f.read_bytes()]
    assert site.key.stat().st_mode & 0o777 == 0o600
    for key in (paths.home() / "a.key", Path(site.target) / "a.key"):
        site.key = key
        with pytest.raises(CdiError, match=r"BACKUP-KEY.*lies in the state or in the backup"):
            site.back_up()
        assert not key.exists()


def test_a_folder_that_is_not_there_is_not_made(site: Site) -> None:
    """If the disk is not mounted, all would go to the one below, and be told as done."""
    Path(site.target).rmdir()
    for work in (site.back_up, site.restore):
        with pytest.raises(CdiError, match=r"BACKUP-PLACE.*not a folder[^$]*mount the disk"):
            work()
    assert not Path(site.target).exists()
    assert not site.key.exists()


def test_a_backup_in_the_state_itself_is_refused(site: Site) -> None:
    inside = paths.home() / "backup"
    inside.mkdir()
    link = site.folder / "link"
    link.symlink_to(inside)
    for site.target in (str(inside), str(link)):
        with pytest.raises(CdiError, match=r"BACKUP-PLACE.*lies in the state"):
            site.back_up()
    assert list(inside.iterdir()) == []


def test_a_key_in_the_backup_is_seen_through_a_link(site: Site) -> None:
    link = site.folder / "link"
    link.symlink_to(site.target)
    site.key = Path(site.target).resolve() / "a.key"
    site.target = str(link)
    with pytest.raises(CdiError, match=r"BACKUP-KEY.*lies in the state or in the backup"):
        site.back_up()
    assert not site.key.exists()


def test_a_first_snapshot_is_told(site: Site) -> None:
    """On a mounted disk it comes once; if it comes again, the place is another one."""
    told: list[str] = []
    for _ in range(2):
        back_up_agency(site.agency, site.target, site.key, 30, told.append)
    assert len([line for line in told if "first snapshot of testville" in line]) == 1
    assert "mounted" in told[0]


def spoil(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [spoil, Path.unlink])
def test_each_file_of_the_backup_that_is_damaged_is_named(
    site: Site, damage: Callable[[Path], None]
) -> None:
    site.back_up()
    site.move()
    for file in site.objects():
        content = file.read_bytes()
        damage(file)
        with pytest.raises(StateError, match=f"BACKUP-DAMAGED.*{file.name}"):
            site.restore()
        assert contents() == {}
        file.write_bytes(content)
    site.restore()


def test_a_list_of_files_that_was_changed_and_another_key_are_named(site: Site) -> None:
    name = site.back_up().snapshot
    (snapshot,) = (Path(site.target) / "testville" / "snapshots").iterdir()
    text = snapshot.read_text()
    site.move()
    for edited in (text.replace("calls", "calms", 1), text[:100], "{}", text.replace("256", "257")):
        assert edited != text
        snapshot.write_text(edited)
        with pytest.raises(StateError, match=f"BACKUP-DAMAGED.*{name}"):
            site.restore()
    snapshot.write_text(text)
    mine = site.key
    site.key = site.folder / "keys" / "other.key"
    with pytest.raises(CdiError, match=r"BACKUP-KEY.*is not there"):
        site.restore()
    site.key.write_text("no key")
    with pytest.raises(CdiError, match=r"BACKUP-KEY.*holds no key"):
        site.restore()
    site.key.write_bytes(backup.Fernet.generate_key())
    with pytest.raises(StateError, match=r"BACKUP-DAMAGED.*the key is another one"):
        site.restore()
    with pytest.raises(StateError, match=r"BACKUP-DAMAGED.*the key is another one"):
        site.back_up()
    site.key = mine
    with pytest.raises(CdiError, match=f"BACKUP-UNKNOWN.*no snapshot 2020.*\n.*{name}"):
        site.restore(snapshot="2020")
    assert site.restore() == name


def test_a_backup_without_its_key_gets_no_second_one(site: Site) -> None:
    first = site.back_up()
    mine = site.key.read_bytes()
    site.key.unlink()
    said = r"BACKUP-KEY.*is not there; this backup has snapshots made with a key"
    with pytest.raises(CdiError, match=said):
        site.back_up()
    assert not site.key.exists()
    site.key.write_bytes(mine)
    site.back_up()
    site.move()
    assert site.restore(snapshot=first.snapshot) == first.snapshot


def test_what_rotted_in_the_backup_is_stored_anew_as_the_message_says(site: Site) -> None:
    site.back_up()
    here = paths.home()
    rows = next(paths.landing("testville", "calls").glob("batches/*/rows.parquet"))
    kept = Path(site.target) / "testville" / "objects" / sha256_of_file(rows)
    spoil(kept)
    site.move()
    with pytest.raises(StateError, match=rf"BACKUP-DAMAGED.*{kept.name}[^$]*delete that object"):
        site.restore()
    assert not (paths.home() / ".restoring" / "testville").exists()
    kept.unlink()
    site.monkeypatch.setenv("CDI_HOME", str(here))
    assert site.back_up().new_files == 1
    site.move()
    site.restore()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def state_of(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Content and time of change of each file below a folder."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def test_a_whole_backup_is_told_to_be_whole_where_nothing_else_is(site: Site) -> None:
    published = read_current("testville")
    assert published is not None
    site.back_up()
    add_decision(site.agency, {**DECISION, "reason": "another"})
    done = site.back_up()
    (Path(site.target) / "lost+found").mkdir()
    (Path(site.target) / "note.txt").touch()
    before = state_of(site.folder)
    site.move()  # also without agency.yaml
    site.monkeypatch.setenv("CDI_AGENCIES", str(site.folder / "none"))
    arguments = ["backup", "testville", site.target, "--key", str(site.key), "--check"]
    checked = CliRunner().invoke(cli.app, arguments)
    assert checked.exit_code == 0, checked.output
    lines = checked.output.splitlines()
    assert lines[0] == f"{site.target} has snapshots of testville"
    assert lines[1].startswith(f"the newest snapshot, {done.snapshot}, is 0 days and 0 hours old")
    assert f"{done.files} files" in lines[1]
    assert lines[2] == f"published at that time: {published['version']}"
    assert lines[3].startswith("     1  batches of calls, up to 2026")
    assert lines[-1].startswith("     2  snapshots can be restored")
    assert state_of(site.folder) == before
    refused = CliRunner().invoke(cli.app, [*arguments, "--move"])
    assert (refused.exit_code, "cannot go with --move" in refused.output) == (2, True)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(spoil, "not as it was written"), (cut, "not as it was written"), (Path.unlink, "missing")],
)
def test_a_check_names_all_damage_and_the_newest_snapshot_that_comes_back(
    site: Site, damage: Callable[[Path], None], problem: str
) -> None:
    first = site.back_up()
    add_decision(site.agency, {**DECISION, "reason": "another"})
    site.back_up()
    objects = Path(site.target) / "testville" / "objects"
    decisions = paths.decisions_file("testville")
    seal = decisions.with_name("decisions.csv.seal")
    damaged = [objects / sha256_of_file(file) for file in (decisions, seal)]
    for file in damaged:
        damage(file)
    before = state_of(Path(site.target))
    told, error = site.damage_of()
    for file, name in zip(damaged, ("decisions.csv", "decisions.csv.seal"), strict=True):
        said = f"{problem}: {file}, which has decisions/testville/{name}"
        assert told.count(said) == 1
    assert "1 of 2 snapshots of testville cannot be restored" in error.message
    assert f"the newest that can: {first.snapshot}" in error.message
    assert f"restore --snapshot {first.snapshot}" in error.fix
    assert state_of(Path(site.target)) == before
    # the next step of the error, taken
    for file in damaged:
        file.unlink(missing_ok=True)
    assert site.back_up().new_files == 2
    assert site.check()[-1].startswith("     3  snapshots can be restored")


def test_a_check_goes_on_where_the_disk_does_not_give_a_file(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bad disk can be had here, so the answer of one is put in its place."""
    site.back_up()
    name = sha256_of_file(paths.decisions_file("testville"))
    read = LocalFileSystem.open

    def fail(self: LocalFileSystem, path: str, *options: Any, **named: Any) -> Any:
        if path.endswith(name):
            raise OSError(errno.EIO, "Input/output error")
        return read(self, path, *options, **named)

    monkeypatch.setattr(LocalFileSystem, "open", fail)
    told, error = site.damage_of()
    assert [line for line in told if line.startswith("unreadable: ") and name in line]
    assert "1 of 1 snapshots" in error.message


def test_a_check_finds_a_damaged_key_and_no_whole_snapshot(site: Site) -> None:
    site.back_up()
    (snapshot,) = (Path(site.target) / "testville" / "snapshots").iterdir()
    (key,) = [file for file in json.loads(snapshot.read_text())["files"] if file["is_encrypted"]]
    spoil(Path(site.target) / "testville" / "objects" / key["sha256"])
    told, error = site.damage_of()
    assert [line for line in told if line.endswith("which has secrets/testville.key")]
    assert "1 of 1 snapshots" in error.message
    assert error.message.endswith("the newest that can: none")
    assert "restore --snapshot" not in error.fix


def test_a_list_that_is_cut_is_moved_away_as_the_message_says(site: Site) -> None:
    """It stopped each later backup, and the message spoke of restorations alone."""
    first = site.back_up()
    second = site.back_up()
    snapshot = Path(site.target) / "testville" / "snapshots" / f"{second.snapshot}.json"
    cut(snapshot)
    told, error = site.damage_of()
    assert f"not as it was written: {snapshot}" in told
    assert error.message.endswith(f"the newest that can: {first.snapshot}")
    with pytest.raises(StateError, match=r"BACKUP-DAMAGED[^$]*move that file out of the backup"):
        site.back_up()
    snapshot.rename(site.folder / snapshot.name)
    assert site.back_up().new_files == 0
    assert site.check()[-1].startswith("     2  snapshots can be restored")


def test_another_key_is_told_before_anybody_moves_all_lists_away(site: Site) -> None:
    for _ in range(2):
        site.back_up()
    site.key.write_bytes(backup.Fernet.generate_key())
    told, error = site.damage_of()
    assert len([line for line in told if "the key is another one" in line]) == 1
    assert "the key is another one" in error.message
    assert error.fix.startswith("if it is another key, name the right one by --key")


def test_what_people_handed_in_and_is_gone_with_its_seal_is_named(site: Site) -> None:
    """No check misses it, and --keep would have removed the last copy unnoticed."""
    site.back_up()
    shutil.rmtree(paths.decisions("testville"))
    told: list[str] = []
    for _ in range(2):
        back_up_agency(site.agency, site.target, site.key, 30, told.append)
    (line,) = [line for line in told if "not in the state any more" in line]
    assert "decisions/testville/decisions.csv, decisions/testville/decisions.csv.seal;" in line


def test_an_agency_without_a_snapshot_is_told_what_the_place_has(site: Site) -> None:
    site.back_up()
    with pytest.raises(CdiError, match=r"BACKUP-UNKNOWN[^$]*it has snapshots of testville"):
        check_backup("othertown", site.target, site.key, silent)


def test_a_damaged_published_version_stops_no_backup(site: Site) -> None:
    spoil(paths.current("testville") / "figures.json")
    told: list[str] = []
    done = back_up_agency(site.agency, site.target, site.key, 30, told.append)
    assert done.files > 10
    (warning,) = [line for line in told if "PUBLISHED-DAMAGED" in line]
    assert "figures.json" in warning
    assert "run the build" in warning
    with pytest.raises(StateError, match="PUBLISHED-DAMAGED"):
        verify_agency(site.agency, silent)


def test_one_damaged_batch_is_copied_from_a_restoration_elsewhere(site: Site) -> None:
    """As docs/runbook.md says: in the backup nobody finds a file by its name."""
    site.back_up()
    (batch,) = (paths.landing("testville", "calls") / "batches").iterdir()
    within = batch.relative_to(paths.home())
    (batch / "rows.parquet").chmod(0o600)
    (batch / "rows.parquet").write_bytes(b"damaged")
    with pytest.raises(StateError, match="LANDING-DAMAGED"):
        verify_agency(site.agency, silent)
    with site.monkeypatch.context() as patch:
        patch.setenv("CDI_HOME", str(site.folder / "elsewhere"))
        site.restore()
    shutil.rmtree(batch)
    shutil.copytree(site.folder / "elsewhere" / within, batch)
    verify_agency(site.agency, silent)


def test_nothing_is_written_over(site: Site) -> None:
    site.back_up()
    with pytest.raises(CdiError, match=r"RESTORE-NOT-EMPTY.*landing/testville"):
        site.restore()
    assert plan_version(site.agency)


@pytest.mark.parametrize("moved", [0, 1, 4])
def test_a_killed_restoration_is_begun_anew(site: Site, moved: int) -> None:
    before = contents()
    site.back_up()
    site.move()
    done: list[Path] = []

    def rename_or_die(path: Path, target: Path) -> Path:
        if len(done) == moved:
            raise InterruptedError
        done.append(target)
        return path.rename(target)

    with site.monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(backup, "rename_durably", rename_or_die)
        site.restore()
    assert len(done) == moved
    site.restore()
    assert contents() == before


def test_a_restoration_that_was_killed_when_all_was_back_takes_nothing_away(site: Site) -> None:
    """The agency looks whole, so it may have been worked on since."""
    site.back_up()
    site.move()
    made = paths.home() / ".restoring" / "testville"

    def die(folder: Path) -> None:
        assert folder == made
        raise InterruptedError

    with site.monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(shutil, "rmtree", die)
        site.restore()
    add_decision(site.agency, {**DECISION, "reason": "taken on the new machine"})
    before = contents()
    for _ in range(2):
        with pytest.raises(CdiError, match="RESTORE-NOT-EMPTY"):
            site.restore()
        assert contents() == before
    assert not made.exists()


def test_a_second_backup_at_the_same_time_is_refused(site: Site) -> None:
    """It would remove what the first has stored and not yet listed; another place may go on."""
    write_snapshot, refused = backup._Store.write_snapshot, []
    site.back_up()
    add_decision(site.agency, {**DECISION, "reason": "another"})

    def write_second(self: Any, *arguments: Any) -> str:
        if not refused:
            with pytest.raises(BusyError, match=r"BACKUP-BUSY.*is being made") as caught:
                site.back_up(keep=1)
            refused.append(caught.value)
            other = site.folder / "other"
            other.mkdir()
            back_up_agency(site.agency, str(other), site.key, keep=1, say=silent)
        return write_snapshot(self, *arguments)

    site.monkeypatch.setattr(backup._Store, "write_snapshot", write_second)
    site.back_up(keep=1)
    assert refused
    assert any("1  snapshots can be restored" in line for line in site.check())


def test_old_snapshots_go_with_what_only_they_have(site: Site) -> None:
    first = site.back_up()
    first_objects = set(site.objects())
    add_decision(site.agency, {**DECISION, "reason": "another"})
    second = site.back_up(keep=1)
    assert second.removed_snapshots == 1
    gone = first_objects - set(site.objects())
    assert len(gone) == 2  # the decisions of then, and their seal
    site.move()
    with pytest.raises(CdiError, match="BACKUP-UNKNOWN"):
        site.restore(snapshot=first.snapshot)
    site.restore()


def test_damage_takes_the_place_of_nothing(site: Site) -> None:
    site.back_up()
    rows = next(paths.landing("testville", "calls").glob("batches/*/rows.parquet"))
    spoil(rows)
    with pytest.raises(StateError, match="LANDING-DAMAGED"):
        site.back_up()
    assert len(list((Path(site.target) / "testville" / "snapshots").iterdir())) == 1
    shutil.rmtree(paths.home())
    site.restore()  # the machine that was damaged, mended


def test_files_that_change_meanwhile_are_copied_again_or_named(site: Site) -> None:
    put_file, touched = backup.put_file, []

    def put_and_change(filesystem: Any, file: Path, path: str) -> None:
        put_file(filesystem, file, path)
        if file.name == "decisions.csv" and len(touched) < most:
            touched.append(file)
            add_decision(site.agency, {**DECISION, "reason": f"number {len(touched)}"})

    site.monkeypatch.setattr(backup, "put_file", put_and_change)
    most = 99
    with pytest.raises(BusyError, match="BACKUP-BUSY"):
        site.back_up()
    assert len(touched) == backup._ATTEMPTS
    most = 4
    site.back_up()
    assert len(touched) == most
    before = contents()
    site.move()
    site.restore()
    assert contents() == before


def test_the_commands(site: Site) -> None:
    def run(command: str) -> str:
        arguments = [command, "testville", site.target, "--key", str(site.key)]
        done = CliRunner().invoke(cli.app, arguments)
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    first = run("backup")
    assert "the key is new: keep" in first
    assert "0 of them were new" in run("backup")
    site.move()
    assert "testville is back as of snapshot" in run("restore")


def test_an_agency_that_has_moved_is_worked_on_at_one_place(site: Site) -> None:
    before, planned = contents(), plan_version(site.agency)
    done = site.back_up(moves=True)
    here = paths.home()
    interval = Interval.of_days(site.agency, date(2026, 1, 5), date(2026, 1, 7))
    for work in (
        lambda: extract("testville", "calls", interval),
        lambda: plan_version(site.agency),
        lambda: add_decision(site.agency, {**DECISION, "reason": "too late"}),
        lambda: back_up_agency(site.agency, site.target, site.key, 30, silent),
        lambda: Register("testville").append("draw", datetime.now(UTC)),
        lambda: send_alerts("testville", lambda *_: pytest.fail("nobody is warned from here")),
    ):
        with pytest.raises(StateError, match=rf"AGENCY-MOVED.*{done.snapshot}"):
            work()
    site.move()
    site.restore()
    assert contents() == before
    assert plan_version(site.agency).name == planned.name
    add_decision(site.agency, {**DECISION, "reason": "at the new place"})
    # nobody restored it: it is taken back by what the error says
    site.monkeypatch.setenv("CDI_HOME", str(here))
    moved_file("testville").unlink()
    assert plan_version(site.agency).name == planned.name


def test_other_agencies_go_on_where_one_has_moved(site: Site) -> None:
    done = site.back_up(moves=True)
    with pytest.raises(StateError, match=rf"AGENCY-MOVED.*{done.snapshot}"):
        accepted_batches("testville", "calls")
    assert accepted_batches("othertown", "calls") == []
    assert moved_file("testville") == paths.home() / "landing" / "testville" / "moved.json"


def test_an_agency_of_which_nothing_was_landed_can_move(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Site(small, tmp_path, monkeypatch).back_up(moves=True)
    with pytest.raises(StateError, match=rf"AGENCY-MOVED.*{done.snapshot}"):
        accepted_batches("testville", "calls")


def test_what_is_added_while_it_moves_is_refused_or_moves_with_it(site: Site) -> None:
    """A task that had begun may still end; nothing begins any more."""
    copy = backup._Store.store_files
    files = iter([paths.landing("testville", "calls") / "batches" / "late.txt"])

    def copy_and_end(self: Any, *arguments: Any) -> Any:
        copied = copy(self, *arguments)
        for file in files:
            file.write_text("a task ended")
            with pytest.raises(StateError, match=r"AGENCY-MOVED.*is being moved to"):
                add_decision(site.agency, {**DECISION, "reason": "too late"})
            with pytest.raises(StateError, match="AGENCY-MOVED"):  # it was looked at before
                keep_decisions(site.agency, [make_row(site.agency, DECISION, "D1")])
        return copied

    site.monkeypatch.setattr(backup._Store, "store_files", copy_and_end)
    done = site.back_up(moves=True)
    (snapshot,) = (Path(site.target) / "testville" / "snapshots").iterdir()
    assert snapshot.stem == done.snapshot
    assert "late.txt" in snapshot.read_text()


def test_a_move_that_fails_or_is_killed_is_none(site: Site) -> None:
    planned = plan_version(site.agency)

    def fail(*_: Any) -> Any:
        raise OSError("the network is gone")

    with site.monkeypatch.context() as patch:
        patch.setattr(backup._Store, "store_files", fail)
        with pytest.raises(OSError, match="network"):
            site.back_up(moves=True)
    assert plan_version(site.agency) == planned
    # one that was killed leaves its mark, and is done by the same command again
    backup._leave("testville", site.target, None)
    with pytest.raises(StateError, match="give the command again"):
        plan_version(site.agency)
    done = site.back_up(moves=True)
    with pytest.raises(StateError, match=done.snapshot):
        plan_version(site.agency)


def test_an_agency_whose_key_is_lost_goes_on_as_the_runbook_says(site: Site) -> None:
    Register("testville").append("delivery", datetime.now(UTC), draw_id="none")
    findings, quarter = paths.audit("testville") / "findings", paths.released("testville")
    for file in (findings / "old.json", quarter / "old.json"):
        file.parent.mkdir(parents=True)
        with write_sealed("testville", file) as written:
            written.write_text("{}", encoding="utf-8")
    (paths.secrets() / "testville.key").unlink()
    with pytest.raises(CdiError, match=r"SECRET-KEY.*is gone[^$]*docs/runbook.md"):
        add_decision(site.agency, DECISION)
    runbook = (REPO / "docs" / "runbook.md").read_text(encoding="utf-8")
    recipe = runbook.split('id="a-key-that-is-lost"')[1].split("```sh")[1].split("```")[0]
    commands = recipe.replace("<state>", str(paths.home())).replace("<agency>", "testville")
    subprocess.run(["/bin/sh", "-c", commands], check=True)
    days = Interval.of_days(site.agency, date(2026, 1, 5), date(2026, 1, 7))
    assert run_directly("testville", days)
    verify_agency(site.agency, silent)
    add_decision(site.agency, {**DECISION, "reason": "after the loss"})
    note_access("testville", "vera", "worklist/index.html", "1", "audit")
    Register("testville").append("delivery", datetime.now(UTC), draw_id="none")
    verify_agency(site.agency, silent)
    assert site.back_up().files > 10
    decided = paths.decisions_file("testville").read_text(encoding="utf-8")
    assert ("as agreed" in decided, "after the loss" in decided) == (True, True)
    assert [line["kind"] for line in Register("testville").entries()] == ["delivery"] * 2
    assert not list(paths.home().glob("*/testville/**/old.json.seal"))
