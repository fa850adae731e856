"""Back up what cannot be made again of an agency, and restore it, also on another machine.

A backup is a folder that fsspec can write to (a path, or a URL such as ``s3://bucket/cdi``):

``<target>/<agency>/objects/<sha256>``
    The content of one file. It is written once: accepted batches never change, so a backup of
    every night costs what that day brought.
``<target>/<agency>/snapshots/<time>.json``
    The files of one moment, with path, checksum, size and mode, sealed with the backup's key.

The agency's own key is encrypted with the backup's key, which is a file that lies elsewhere: who
has the backup alone can neither read nor make the hashes of persons, nor change a file unnoticed.
Published versions are not in it, as a build makes the same ones from the rest.
"""

import contextlib
import errno
import hashlib
import hmac
import io
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from cdi import paths
from cdi.agency.model import Agency
from cdi.build.version import read_current, verify_current
from cdi.erasure.take_out import Say
from cdi.errors import BusyError, CdiError, StateError
from cdi.files import (
    read_json,
    rename_durably,
    sha256_of_file,
    sync_file,
    take_lock,
    wait_for_lock,
    write_json,
)
from cdi.keys import read_or_make_secret
from cdi.landing.batches import MOVED_KEYS, moved_file
from cdi.remote import list_sizes, open_filesystem, put_bytes, put_file
from cdi.steps.verify import verify_agency, verify_kept

# Folders of the state in which each agency has a folder of its own.
KINDS = ("landing", "weights", "decisions", "audit", "released")
_NOT_ACCEPTED_YET = ("pending", "checking")  # an extraction makes them again
_ATTEMPTS = 3
_TOLD_EVERY = 500  # files
_NAME = "%Y-%m-%dT%H-%M-%S-%fZ"  # of a snapshot, by its moment
_CHANGED = "not as it was written"
_BLOCK_BYTES = 1 << 20


class _ChangedError(Exception):
    """A file was changed while it was copied."""


@dataclass(frozen=True)
class KeptFile:
    """One file of a snapshot.

    Attributes:
        path: Below the state folder.
        sha256: Of what is stored, which is the name of its object.
        size: Of what is stored, in bytes.
        mode: Of the file.
        is_encrypted: Whether the content is encrypted with the backup's key.
    """

    path: str
    sha256: str
    size: int
    mode: int
    is_encrypted: bool = False


@dataclass(frozen=True)
class Snapshot:
    """The files of one moment.

    Attributes:
        name: The moment, by which it is found and sorted.
        version: What was published at that moment; None if nothing was, or it was not recorded.
        files: All of them.
    """

    name: str
    version: str | None
    files: list[KeptFile]

    @property
    def size(self) -> int:
        """Bytes of all of its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class BackedUp:
    """What a backup did: the name of its snapshot, and counts of files and bytes.

    Files with the same content are stored once, and so are counted once as new.
    """

    snapshot: str
    files: int
    size: int
    new_files: int
    new_size: int
    removed_snapshots: int


def back_up_agency(
    agency: Agency, target: str, key_file: Path, keep: int, say: Say, *, moves: bool = False
) -> BackedUp:
    """Add a snapshot of an agency to a backup, and remove the oldest ones.

    All that is kept is verified first, so that no damage takes the place of what is whole.

    Args:
        agency: The agency.
        target: Folder or URL of the backup.
        key_file: The backup's key; it is made with the first snapshot.
        keep: How many snapshots are kept. Older ones go, with what only they have, and so does what
            was erased since.
        say: Is told how far it is.
        moves: Whether the agency goes to another machine with this snapshot. Then it is not worked
            on here any more (`cdi.landing.batches.refuse_moved`).

    Raises:
        StateError: As `cdi.steps.verify.verify_kept`.
        BusyError: BACKUP-BUSY if another backup of the agency to this place is being made, or if
            files changed meanwhile, three times.
        CdiError: BACKUP-PLACE if the folder is not there or lies in the state; BACKUP-KEY if the
            key lies in the state or in the backup, is none, or is missing although there are
            snapshots.
    """
    with _keep_backups_out(agency.agency, target):
        return _back_up(agency, target, key_file, keep, say, moves=moves)


@contextlib.contextmanager
def _keep_backups_out(agency_id: str, target: str) -> Iterator[None]:
    """Refuse a second backup to the same place: it would remove what the first one has just stored.

    What no snapshot names is removed, and the first one's snapshot is written last of all.
    """
    place = hashlib.sha256(target.rstrip("/").encode()).hexdigest()[:16]
    with contextlib.ExitStack() as locks:
        try:
            locks.enter_context(take_lock(paths.home() / ".backing_up" / agency_id / place, target))
        except BusyError:
            raise BusyError(
                "BACKUP-BUSY",
                f"another backup of {agency_id} to {target} is being made",
                "wait until it has ended",
            ) from None
        yield


def _back_up(
    agency: Agency, target: str, key_file: Path, keep: int, say: Say, *, moves: bool
) -> BackedUp:
    if moves:
        _forget_broken_move(agency.agency)
    verify_kept(agency, lambda _: None)
    _warn_of_damaged_version(agency, say)
    store = _Store(agency.agency, target, key_file, makes_key=True)
    if not store.snapshot_names():
        say(
            f"this is the first snapshot of {agency.agency} in {target}; if you know of others, "
            "look whether the disk of the backup is mounted"
        )
    before = {file.path for file in store.read_newest()}
    if moves:  # nothing more is begun here; what is going on may still end while it is copied
        _leave(agency.agency, target, None)
    try:
        kept, new = _copy_unchanged(agency.agency, store, say)
        published = read_current(agency.agency)
        name = store.write_snapshot(kept, published["version"] if published else None)
    except BaseException:  # also Ctrl-C: it has not moved
        if moves:
            moved_file(agency.agency).unlink()
        raise
    if moves:
        _leave(agency.agency, target, name)
    _name_lost_files(before - {file.path for file in kept}, say)
    removed = store.remove_old_snapshots(keep)
    return BackedUp(
        snapshot=name,
        files=len(kept),
        size=sum(file.size for file in kept),
        new_files=len(new),
        new_size=sum(file.size for file in kept if file.sha256 in new),
        removed_snapshots=removed,
    )


def _warn_of_damaged_version(agency: Agency, say: Say) -> None:
    """Say that the published version is damaged, which stops no backup: it is no part of one."""
    try:
        verify_current(agency.agency)
    except StateError as error:
        say(f"the backup goes on without the published version: {error}")


def _name_lost_files(gone: set[str], say: Say) -> None:
    """Name what people handed in and the state no longer has.

    A file that went with its seal is missed by no check, as there may be none. Of batches a chain
    of seals tells, and weights can be learnt again.
    """
    lost = [
        path
        for path in sorted(gone)
        if path.split("/", 1)[0] not in ("landing", "weights") and not path.endswith(".torn")
    ]
    if lost:
        say(
            f"not in the state any more, but in the previous snapshot: {', '.join(lost)}; unless "
            "somebody removed or erased what was in them, bring them back (docs/runbook.md) before "
            "--keep removes that snapshot"
        )


def _copy_unchanged(agency_id: str, store: "_Store", say: Say) -> tuple[list[KeptFile], set[str]]:
    """Store all files of one moment: those that did not change while they were copied.

    Returns:
        As `_Store.store_files`.

    Raises:
        BusyError: BACKUP-BUSY if files changed meanwhile, three times.
    """
    for _ in range(_ATTEMPTS):
        before = _list_files(agency_id)
        try:
            stored = store.store_files(before, say)
        except (_ChangedError, FileNotFoundError):
            continue
        if _list_files(agency_id) == before:
            return stored
    raise BusyError(
        "BACKUP-BUSY",
        f"files of {agency_id} changed while they were copied",
        "run it again when no run of the agency is going; what was copied is not copied again",
    )


def restore_agency(
    agency: Agency, target: str, key_file: Path, snapshot: str | None, say: Say
) -> str:
    """Bring an agency back from a backup into a state folder that has nothing of it.

    Args:
        agency: The agency; its folder with agency.yaml is no part of the backup.
        target: Folder or URL of the backup.
        key_file: The backup's key.
        snapshot: Name of the snapshot; by default the newest.
        say: Is told how far it is, and what was verified.

    Returns:
        The name of the snapshot.

    Raises:
        CdiError: RESTORE-NOT-EMPTY if the state has something of the agency; BACKUP-UNKNOWN if
            there is no such snapshot; BACKUP-DAMAGED if a file of the backup is missing or not as
            it was written; BACKUP-KEY if it is another key; BACKUP-PLACE if the folder of the
            backup is not there.
    """
    store = _Store(agency.agency, target, key_file, makes_key=False)
    files = store.read_snapshot(name := snapshot or store.newest_snapshot()).files
    with wait_for_lock(paths.home() / ".restoring"):
        made = paths.home() / ".restoring" / agency.agency
        _forget_broken_restore(agency.agency, made)
        if here := [place for place in _places(agency.agency) if (paths.home() / place).exists()]:
            raise CdiError(
                "RESTORE-NOT-EMPTY",
                f"{paths.home()} has something of {agency.agency} already: {', '.join(here)}",
                "move it away, or name an empty state folder by CDI_HOME; from there you can copy "
                "a single file or folder back (docs/runbook.md)",
            )
        made.mkdir(parents=True, mode=0o700)
        try:
            for number, file in enumerate(files, 1):
                store.fetch_file(file, made / "files" / file.path)
                if number % _TOLD_EVERY == 0:
                    say(f"{number:,} of {len(files):,} files are back")
        except BaseException:  # also Ctrl-C: nothing is in its place yet, and a secret may be here
            shutil.rmtree(made)
            raise
        (made / "moving").touch()
        sync_file(made / "moving")
        for place in _places(agency.agency):
            if (made / "files" / place).exists():
                (paths.home() / place).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                rename_durably(made / "files" / place, paths.home() / place)
        shutil.rmtree(made)
    verify_agency(agency, say)
    return name


def check_backup(agency_id: str, target: str, key_file: Path, say: Say) -> None:
    """Prove that each snapshot of an agency could be restored; nothing is written anywhere.

    Each list is read, and each object that one of them names, once.

    Args:
        agency_id: The agency; its agency.yaml need not be on this machine.
        target: Folder or URL of the backup.
        key_file: The backup's key.
        say: Is told what the backup holds, how old it is, and each damage.

    Raises:
        StateError: BACKUP-DAMAGED if a list or an object is missing or not as it was written.
        CdiError: BACKUP-UNKNOWN if there is no snapshot; BACKUP-KEY and BACKUP-PLACE, as
            `restore_agency`.
    """
    store = _Store(agency_id, target, key_file, makes_key=False)
    store.newest_snapshot()  # else it says that there is none
    if agencies := store.list_agencies():
        say(f"{target} has snapshots of {', '.join(agencies)}")
    names = store.snapshot_names()
    readable = _read_snapshots(store, names[::-1], say)
    newest = readable[0]
    is_newest = newest.name == names[-1]
    _describe_snapshot(
        newest, say, "the newest snapshot" if is_newest else "the newest with a list"
    )
    is_whole: dict[str, bool] = {}  # by object
    whole: list[str] = []
    for snapshot in readable:
        for file in snapshot.files:
            if file.sha256 not in is_whole:
                is_whole[file.sha256] = _is_whole(store, file, say)
                if len(is_whole) % _TOLD_EVERY == 0:
                    say(f"{len(is_whole):,} objects were read")
        if all(is_whole[file.sha256] for file in snapshot.files):
            whole.append(snapshot.name)
    if len(whole) < len(names):
        raise StateError(
            "BACKUP-DAMAGED",
            f"{len(names) - len(whole)} of {len(names)} snapshots of {agency_id} cannot be "
            f"restored; the newest that can: {whole[0] if whole else 'none'}",
            "if the state is whole, delete each object that is named above, move each list of a "
            "snapshot (.json) that is named out of the backup, back up and check again; a file "
            "that the state no longer has goes with the last snapshot that has it (--keep)"
            + (f". If the state is gone: restore --snapshot {whole[0]}" if whole else ""),
        )
    say(f"{len(names):>6,}  snapshots can be restored; {len(is_whole):,} objects are as written")


def _read_snapshots(store: "_Store", names: list[str], say: Say) -> list[Snapshot]:
    """Read the lists of snapshots, and tell those that are damaged.

    Raises:
        StateError: BACKUP-DAMAGED if all are, which means mostly that the key is another one.
    """
    found = []
    for name in names:
        try:
            found.append(store.read_snapshot(name))
        except StateError as error:
            if not found and name == names[-1]:
                raise  # it tells of the key, and asks nobody to move all lists away
            say(error.message)
    return found


def _describe_snapshot(snapshot: Snapshot, say: Say, which: str) -> None:
    """Say how old a snapshot is and what it holds; `which` one it is begins the sentence."""
    age = datetime.now(UTC) - datetime.strptime(snapshot.name, _NAME).replace(tzinfo=UTC)
    say(
        f"{which}, {snapshot.name}, is {age.days} days and {age.seconds // 3600} hours old: "
        f"{len(snapshot.files):,} files ({snapshot.size / 1e6:,.1f} MB)"
    )
    say(f"published at that time: {snapshot.version or 'nothing, or it was not recorded'}")
    batches: defaultdict[str, set[str]] = defaultdict(set)
    for file in snapshot.files:
        home, is_batch, inner = file.path.partition("/batches/")
        if is_batch:
            batches[home.rsplit("/", 1)[-1]].add(inner.split("/", 1)[0])
    for dataset, ids in sorted(batches.items()):
        say(f"{len(ids):>6,}  batches of {dataset}, up to {max(ids)}")


def _is_whole(store: "_Store", file: KeptFile, say: Say) -> bool:
    """Whether a file could be restored; else it is told."""
    try:
        store.read_file(file, lambda _: None)
    except StateError as error:
        say(error.message)
        return False
    return True


def _places(agency_id: str) -> list[str]:
    """List what an agency has in the state folder, relative to it."""
    logs = [f"access/{agency_id}.{end}" for end in ("jsonl", "end.json", "jsonl.torn")]
    return [*(f"{kind}/{agency_id}" for kind in KINDS), *logs, f"secrets/{agency_id}.key"]


def _forget_broken_restore(agency_id: str, made: Path) -> None:
    """Remove what a killed restoration left; it had found the state folder without the agency.

    If all was in its place already, what is there is kept: since then the agency may have been
    worked on, and its decisions may be nowhere else.
    """
    left = [place for place in _places(agency_id) if (made / "files" / place).exists()]
    if (made / "moving").exists() and left:
        for place in _places(agency_id):
            target = paths.home() / place
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
    if made.exists():
        shutil.rmtree(made)


def _leave(agency_id: str, target: str, snapshot: str | None) -> None:
    """Write down that the agency moves, or has moved with a snapshot."""
    moved = {"at": datetime.now(UTC).isoformat(), "target": target, "snapshot": snapshot}
    file = moved_file(agency_id)
    file.parent.mkdir(parents=True, exist_ok=True)  # nothing may have been landed yet
    write_json(file, moved)
    sync_file(file)


def _forget_broken_move(agency_id: str) -> None:
    """Remove what a killed move left: it never told that the agency has moved."""
    file = moved_file(agency_id)
    if file.is_file() and read_json(file, MOVED_KEYS)["snapshot"] is None:
        file.unlink()


def _list_files(agency_id: str) -> dict[str, tuple[int, int]]:
    """List the files to keep, with size and time of change, by their path in the state folder."""
    home = paths.home()
    found = {}
    for place in _places(agency_id):
        root = home / place
        for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
            inner = file.relative_to(home)
            is_passing = any(
                part.startswith(".") or part in _NOT_ACCEPTED_YET for part in inner.parts
            )
            if file.is_file() and not is_passing and file != moved_file(agency_id):
                found[str(inner)] = _describe(file)
    return found


def _describe(file: Path) -> tuple[int, int]:
    """Give the size of a file and the time of its last change."""
    return file.stat().st_size, file.stat().st_mtime_ns


class _Store:
    """The backup of one agency at its target."""

    def __init__(self, agency_id: str, target: str, key_file: Path, *, makes_key: bool) -> None:
        self.agency_id = agency_id
        self.filesystem, root = open_filesystem(target)
        self.root = f"{root.rstrip('/')}/{agency_id}"
        key_file = key_file.resolve()
        inside = [paths.home()]
        if "file" in self.filesystem.protocol:
            folder = Path(root).resolve()
            _check_folder(folder, is_written=makes_key)
            inside.append(folder)
        if any(key_file.is_relative_to(folder) for folder in inside):
            raise _make_key_error(key_file, "lies in the state or in the backup itself")
        if not key_file.is_file():
            if not makes_key:
                raise _make_key_error(key_file, "is not there")
            if self.snapshot_names():  # with a new key, nobody could read them or add to them
                told = "is not there; this backup has snapshots made with a key"
                raise _make_key_error(key_file, told)
        text = read_or_make_secret(key_file, lambda: Fernet.generate_key().decode() + "\n").strip()
        try:
            self._fernet = Fernet(text)
        except ValueError:
            raise _make_key_error(key_file, "holds no key of a backup") from None
        self._key = text.encode()

    # ------------------------------------------------------------------ writing

    def store_files(
        self, files: dict[str, tuple[int, int]], say: Say
    ) -> tuple[list[KeptFile], set[str]]:
        """Store the files that are not stored yet.

        Returns:
            All files, and the objects that are new.
        """
        there = {(path.rsplit("/", 1)[-1], size) for path, size in self._list("objects").items()}
        earlier = {file.path: file for file in self.read_newest() if file.is_encrypted}
        kept: list[KeptFile] = []
        new: set[str] = set()
        for number, path in enumerate(files, 1):
            file = paths.home() / path
            if path.startswith("secrets/"):
                stored = self._store_encrypted(path, file, earlier.get(path))
            else:
                digest = sha256_of_file(file)
                stored = KeptFile(path, digest, file.stat().st_size, file.stat().st_mode & 0o777)
            if (stored.sha256, stored.size) not in there:
                if not stored.is_encrypted:
                    put_file(self.filesystem, file, self._object(stored))
                    if _describe(file) != files[path]:
                        self.filesystem.rm_file(self._object(stored))
                        raise _ChangedError
                there.add((stored.sha256, stored.size))
                new.add(stored.sha256)
            kept.append(stored)
            if number % _TOLD_EVERY == 0:
                say(f"{number:,} of {len(files):,} files, {len(new):,} of them new")
        return kept, new

    def _store_encrypted(self, path: str, file: Path, earlier: KeptFile | None) -> KeptFile:
        """Store a secret, unless the newest snapshot has it: each encryption gives other bytes."""
        content = file.read_bytes()
        if earlier is not None:
            try:
                if self._fernet.decrypt(self.filesystem.cat_file(self._object(earlier))) == content:
                    return earlier
            except (InvalidToken, FileNotFoundError):
                pass  # it is stored anew
        token = self._fernet.encrypt(content)
        digest = hashlib.sha256(token).hexdigest()
        self._put_bytes(f"objects/{digest}", token)
        return KeptFile(path, digest, len(token), file.stat().st_mode & 0o777, is_encrypted=True)

    def write_snapshot(self, files: list[KeptFile], version: str | None) -> str:
        """Write the list of the files of this moment, and what is published; returns its name."""
        name = f"{datetime.now(UTC):{_NAME}}"
        listed = [asdict(file) for file in files]
        body = {"agency": self.agency_id, "version": version, "files": listed}
        text = json.dumps(body | {"seal": self._seal(name, body)}, indent=1)
        self._put_bytes(f"snapshots/{name}.json", text.encode())
        return name

    def remove_old_snapshots(self, keep: int) -> int:
        """Remove all but the newest snapshots, and what only they have; returns how many.

        Raises:
            StateError: BACKUP-DAMAGED if one that stays is not as it was written; nothing is
                removed then.
        """
        names = self.snapshot_names()
        old = names[: max(len(names) - keep, 0)]
        if not old:
            return 0
        kept = [self.read_snapshot(name) for name in names[len(old) :]]
        needed = {file.sha256 for snapshot in kept for file in snapshot.files}
        for name in old:  # first, as an object without a snapshot does no harm
            self.filesystem.rm_file(f"{self.root}/snapshots/{name}.json")
        for path in self._list("objects"):
            if path.rsplit("/", 1)[-1] not in needed:
                self.filesystem.rm_file(path)
        return len(old)

    def _put_bytes(self, name: str, content: bytes) -> None:
        put_bytes(self.filesystem, content, f"{self.root}/{name}")

    # ------------------------------------------------------------------ reading

    def newest_snapshot(self) -> str:
        """Name the newest snapshot.

        Raises:
            CdiError: BACKUP-UNKNOWN if there is none.
        """
        names = self.snapshot_names()
        if not names:
            raise self._make_unknown_error("no snapshot")
        return names[-1]

    def read_snapshot(self, name: str) -> Snapshot:
        """Read the list of the files of a snapshot, and prove that the list was not changed.

        Raises:
            CdiError: BACKUP-UNKNOWN if there is no such snapshot.
            StateError: BACKUP-DAMAGED if it is not as it was written.
        """
        if name not in self.snapshot_names():
            raise self._make_unknown_error(f"no snapshot {name}")
        path = f"{self.root}/snapshots/{name}.json"
        try:
            body = json.loads(self.filesystem.cat_file(path))
            seal = body.pop("seal")
            files = [KeptFile(**file) for file in body["files"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _make_list_error(path) from None
        if not hmac.compare_digest(str(seal).encode(), self._seal(name, body).encode()):
            raise _make_list_error(f"{path}, or the key is another one")
        return Snapshot(name, body.get("version"), files)

    def fetch_file(self, file: KeptFile, target: Path) -> None:
        """Fetch a file, and prove that it is what was stored.

        Raises:
            StateError: BACKUP-DAMAGED if it is missing or another.
        """
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with target.open("wb") as written:
            self.read_file(file, written.write)
        target.chmod(file.mode)

    def read_file(self, file: KeptFile, take: Callable[[bytes], object]) -> None:
        """Read a file, and prove that it is what was stored; what is taken counts only then.

        Args:
            file: The file.
            take: Is given its content, block by block.

        Raises:
            StateError: BACKUP-DAMAGED if it is missing or another.
        """
        digest = hashlib.sha256()
        token = io.BytesIO()
        try:
            with self.filesystem.open(self._object(file), "rb") as stored:
                while block := stored.read(_BLOCK_BYTES):
                    digest.update(block)
                    (token.write if file.is_encrypted else take)(block)
        except FileNotFoundError:
            raise self._make_object_error(file, "missing") from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise self._make_object_error(file, "unreadable") from None
        if digest.hexdigest() != file.sha256:
            raise self._make_object_error(file)
        if file.is_encrypted:
            try:
                take(self._fernet.decrypt(token.getvalue()))
            except InvalidToken:
                raise self._make_object_error(file) from None

    def _make_object_error(self, file: KeptFile, problem: str = _CHANGED) -> StateError:
        return StateError(
            "BACKUP-DAMAGED",
            f"{problem}: {self._object(file)}, which has {file.path}",
            "delete that object, if it is there, and back up again while the state still has the "
            "file, which stores it anew; if the state is gone, take the object from another copy "
            "of the backup, or restore a snapshot of before the file (--snapshot)",
        )

    def _object(self, file: KeptFile) -> str:
        return f"{self.root}/objects/{file.sha256}"

    def list_agencies(self) -> list[str]:
        """Name the agencies of which the place has snapshots, as far as it lets itself be read."""
        found = []
        with contextlib.suppress(FileNotFoundError, PermissionError):
            for path in sorted(self.filesystem.ls(self.root.rsplit("/", 1)[0], detail=False)):
                # a disk has files and folders of its own, such as lost+found
                with contextlib.suppress(PermissionError, NotADirectoryError):
                    if list_sizes(self.filesystem, f"{path}/snapshots"):
                        found.append(path.rstrip("/").rsplit("/", 1)[-1])
        return found

    def read_newest(self) -> list[KeptFile]:
        """Read the files of the newest snapshot; none if there is no snapshot.

        Raises:
            StateError: BACKUP-DAMAGED if its list is not as it was written.
        """
        names = self.snapshot_names()
        return self.read_snapshot(names[-1]).files if names else []

    def snapshot_names(self) -> list[str]:
        names = (path.rsplit("/", 1)[-1] for path in self._list("snapshots"))
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def _list(self, folder: str) -> dict[str, int]:
        """List what a folder of the backup has, with sizes."""
        return list_sizes(self.filesystem, f"{self.root}/{folder}")

    def _seal(self, name: str, body: Any) -> str:
        text = json.dumps([name, body], sort_keys=True).encode()
        return hmac.digest(self._key, text, "sha256").hex()

    def _make_unknown_error(self, problem: str) -> CdiError:
        if names := self.snapshot_names()[-5:]:
            fix = f"name one of the newest: {', '.join(names)}"
        else:
            agencies = ", ".join(self.list_agencies()) or "no agency"
            fix = (
                f"check the target and whether its disk is mounted; it has snapshots of {agencies}"
            )
        return CdiError("BACKUP-UNKNOWN", f"{self.root} has {problem}", fix)


def _check_folder(folder: Path, *, is_written: bool) -> None:
    """Refuse a folder that is not there: that of a disk which is not mounted would be made here.

    Raises:
        CdiError: BACKUP-PLACE, also if it is to be written to and lies in the state.
    """
    if not folder.is_dir():
        raise CdiError(
            "BACKUP-PLACE",
            f"{folder} is not a folder on this machine",
            "mount the disk of the backup; for a new backup make the folder: "
            f"mkdir -m 700 {folder}",
        )
    if is_written and folder.is_relative_to(paths.home()):
        raise CdiError(
            "BACKUP-PLACE",
            f"{folder} lies in the state, with which it would be lost",
            "name a folder of another disk, or the URL of another machine",
        )


def _make_key_error(file: Path, problem: str) -> CdiError:
    return CdiError(
        "BACKUP-KEY",
        f"{file} {problem}",
        "name the key of this backup by --key; keep it where neither the state nor the backup is",
    )


def _make_list_error(what: str) -> StateError:
    return StateError(
        "BACKUP-DAMAGED",
        f"{_CHANGED}: {what}",
        "if it is another key, name the right one by --key; else move that file out of the backup: "
        "the next backup needs no earlier list. To restore, take it from another copy of the "
        "backup, or name another snapshot by --snapshot",
    )
