"""Open extracts on their way: each agency sends its own to one place, and the nation reads there.

The place is a folder or a URL that fsspec can write to (``CDI_OPEN``). An agency's part of it:

``<place>/<agency>/versions/<version>/<file>``
    The folder ``open/`` of a published version.
``<place>/<agency>/current.json``
    Which version is the newest, with the checksum of each file. It is written last, so a reader
    sees either all of the old version or all of the new one. It may say instead that the agency
    has withdrawn what it had sent.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec

from cdi import paths
from cdi.build.version import find_description
from cdi.errors import CdiError, MachineError
from cdi.files import (
    read_json,
    rename_durably,
    sha256_of_file,
    sync_tree,
    wait_for_lock,
    write_json,
)
from cdi.remote import open_filesystem, put_bytes, put_file

POINTER = "current.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # of agencies, versions and files
LARGEST_FILE = 256 * 2**20  # bytes; an open extract of years is a few megabytes
LARGEST_POINTER = 2**20
# An agency whose newest data are older is called late. Data come daily where a force is connected,
# and a weekend or a failed run is no reason to name it.
LATE_AFTER = timedelta(days=10)
_ATTEMPTS = 3
_UNCHANGED = "the national page stays as it was until the next run"


@dataclass(frozen=True)
class Received:
    """What was found of one agency.

    Attributes:
        agency: Its name.
        state: `reported`, `late` (its newest data are older than `LATE_AFTER`), `silent` (it has
            sent nothing), `withdrawn`, `damaged`, or `unknown` (nobody expects it).
        version: Name of the version.
        as_of: The moment up to which its data are known, in UTC.
        sent_at: When it was sent, in UTC.
        problem: What is wrong, or why it was withdrawn; None if it has reported in time.
        folder: Where its files are, here; None if none of it may be shown.
    """

    agency: str
    state: str
    version: str | None = None
    as_of: datetime | None = None
    sent_at: datetime | None = None
    problem: str | None = None
    folder: Path | None = None


class _DamagedError(Exception):
    """What was sent is not as it was sent."""


@dataclass(frozen=True)
class _Pointer:
    """What `current.json` says; `files` has size and checksum by name."""

    sent_at: datetime
    version: str | None = None
    as_of: datetime | None = None
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    withdrawn_because: str | None = None

    def write(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(
            {
                "version": self.version,
                "as_of": self.as_of and self.as_of.isoformat(),
                "sent_at": self.sent_at.isoformat(),
                "files": {
                    name: {"size": size, "sha256": sha256}
                    for name, (size, sha256) in sorted(self.files.items())
                },
                "withdrawn_because": self.withdrawn_because,
            },
            indent=1,
        ).encode()

    @classmethod
    def read(cls, content: bytes) -> "_Pointer":
        """Read it; whatever is not as it should be is damage, as anybody may have written it."""
        try:
            body = json.loads(content)
            files = {
                _checked_name(name): (int(file["size"]), str(file["sha256"]))
                for name, file in body["files"].items()
            }
            as_of, why = body["as_of"], body["withdrawn_because"]
            return cls(
                sent_at=datetime.fromisoformat(body["sent_at"]).astimezone(UTC),
                version=body["version"] and _checked_name(body["version"]),
                as_of=as_of and datetime.fromisoformat(as_of).astimezone(UTC),
                files=files,
                withdrawn_because=None if why is None else str(why),
            )
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise _DamagedError(f"{POINTER} cannot be read: {error}") from error


def _checked_name(name: str) -> str:
    """Refuse a name that would lead out of a folder."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name")
    return name


# ---------------------------------------------------------------------- the agency


def send_open_extract(agency_id: str, place: str, now: datetime) -> str | None:
    """Send the open extract of the published version, unless it was sent before.

    Args:
        agency_id: The agency.
        place: Folder or URL.
        now: Is written into what is sent.

    Returns:
        The name of the version; None if there was nothing to send: it was sent before, or the
        agency has withdrawn what it had sent (`withdraw_open_extract`). A withdrawal that did not
        reach the place is finished.

    Raises:
        CdiError: OPEN-NOTHING if no version is published; PLACE-KIND if the place is of no known
            kind.
        MachineError: OPEN-PLACE if the place cannot be reached or written; later it may succeed.
    """
    published = paths.current(agency_id).resolve()
    current = find_description(published)
    if current is None:
        raise CdiError(
            "OPEN-NOTHING", f"{agency_id} has published no version", "run its build first"
        )
    with wait_for_lock(paths.released(agency_id)):
        if _withdrawn_file(agency_id).is_file():
            _take_back(agency_id, place)
            return None
        return _send_version(agency_id, place, published, current, now)


def _send_version(
    agency_id: str, place: str, published: Path, current: dict[str, Any], now: datetime
) -> str | None:
    """Send the open extract of a version, unless it was sent before."""
    version = str(current["version"])
    try:
        filesystem, top = _open_place(place)
        root = f"{top}/{_checked_name(agency_id)}"
        try:
            before = _read_pointer(filesystem, root)
        except _DamagedError:
            before = None  # what is sent now takes its place
        if before and before.version == version:
            # A run that was stopped after the pointer may have left what an erasure must not leave.
            others = {_name_of(entry) for entry in _list_folder(filesystem, f"{root}/versions")}
            kept = {name for name in others if not _is_erasure_between(agency_id, name, current)}
            _remove_versions(filesystem, root, kept | {version})
            return None
        files = {}
        for file in sorted((published / "open").iterdir()):
            put_file(filesystem, file, f"{root}/versions/{version}/{file.name}")
            files[file.name] = (file.stat().st_size, sha256_of_file(file))
        as_of = datetime.fromisoformat(current["as_of"])
        pointer = _Pointer(now, version, as_of.replace(tzinfo=UTC), files)
        put_bytes(filesystem, pointer.write(), f"{root}/{POINTER}")
        # Who reads the version before goes on reading it.
        kept = {version}
        if (
            before
            and before.version
            and not _is_erasure_between(agency_id, before.version, current)
        ):
            kept.add(before.version)
        _remove_versions(filesystem, root, kept)
    except OSError as error:
        fix = "the version is published here all the same, and the next run sends it"
        raise _make_place_error(agency_id, error, fix) from error
    return version


def _is_erasure_between(agency_id: str, before: str, current: dict[str, Any]) -> bool:
    """Whether something was erased since a version, or may have been: the version is not here.

    Tables without quarters are made anew for each version, so their difference would tell of it.
    """
    description = find_description(paths.published(agency_id) / "versions" / before)
    return description is None or description.get("erasures") != current.get("erasures")


def withdraw_open_extract(agency_id: str, place: str, reason: str, now: datetime) -> None:
    """Take back what an agency has sent, and send nothing more until `resume_open_extract`.

    Args:
        agency_id: The agency.
        place: Folder or URL.
        reason: Is shown to all who read there.
        now: Is written into what is sent.

    Raises:
        CdiError: PLACE-KIND.
        MachineError: OPEN-PLACE; the agency sends nothing more in any case, and each later run
            tries to take back what was sent.
    """
    file = _withdrawn_file(agency_id)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"reason": reason, "at": now.isoformat()})
    with wait_for_lock(file.parent):  # what a run is sending now is taken back after it
        _take_back(agency_id, place)


def _take_back(agency_id: str, place: str) -> None:
    """Say at the place that an agency has withdrawn what it sent, and remove it there."""
    withdrawn = read_json(_withdrawn_file(agency_id), ["reason", "at"])
    at = datetime.fromisoformat(withdrawn["at"])
    pointer = _Pointer(at, withdrawn_because=withdrawn["reason"])
    try:
        filesystem, top = _open_place(place)
        root = f"{top}/{_checked_name(agency_id)}"
        put_bytes(filesystem, pointer.write(), f"{root}/{POINTER}")
        _remove_versions(filesystem, root, kept=set())
    except OSError as error:
        fix = "what was sent may still be there: give the command again, or the next run does it"
        raise _make_place_error(agency_id, error, fix) from error


def resume_open_extract(agency_id: str, place: str, now: datetime) -> str | None:
    """Send again after a withdrawal.

    Args:
        agency_id: The agency.
        place: Folder or URL.
        now: Is written into what is sent.

    Returns:
        The name of the version; None if it was sent before.

    Raises:
        CdiError: As `send_open_extract`.
        MachineError: As `send_open_extract`.
    """
    _withdrawn_file(agency_id).unlink(missing_ok=True)
    return send_open_extract(agency_id, place, now)


def _withdrawn_file(agency_id: str) -> Path:
    """The file that keeps an agency from sending; it is backed up with what was released."""
    return paths.released(agency_id) / "withdrawn.json"


def _open_place(place: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open the place.

    Raises:
        CdiError: PLACE-KIND if it is of no known kind.
    """
    filesystem, root = open_filesystem(place)
    return filesystem, root.rstrip("/")


def _remove_versions(filesystem: fsspec.AbstractFileSystem, root: str, kept: set[str]) -> None:
    """Remove the files of all versions but some."""
    for entry in _list_folder(filesystem, f"{root}/versions"):
        if _name_of(entry) not in kept:
            filesystem.rm(entry["name"], recursive=True)


def _list_folder(filesystem: fsspec.AbstractFileSystem, folder: str) -> list[dict[str, Any]]:
    """List a folder of the place; nothing if it is not there.

    `exists` of fsspec is never asked: it also says no where a place does not answer.
    """
    filesystem.invalidate_cache()
    try:
        return list(filesystem.ls(folder, detail=True))
    except FileNotFoundError:
        return []


def _name_of(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]


def _make_place_error(who: str, error: OSError, fix: str) -> MachineError:
    """Make the error; it does not name the place, as a URL may hold a password."""
    cause = os.strerror(error.errno) if error.errno else type(error).__name__
    return MachineError(
        "OPEN-PLACE",
        f"the place of open extracts was not reached for {who}: {cause}",
        f"check CDI_OPEN, the network and the rights there; {fix}",
    )


# ---------------------------------------------------------------------- the nation


def collect_open_extracts(
    place: str, expected: Iterable[str], kept: Path, now: datetime
) -> list[Received]:
    """Fetch what agencies have sent, and name those of which nothing can be shown.

    Args:
        place: Folder or URL.
        expected: The agencies that should send.
        kept: Folder here in which the newest files are kept; what is there whole is not fetched
            again, and what was withdrawn is removed.
        now: By which lateness is judged.

    Returns:
        One for each agency that is expected or has sent something, in the order of their names.

    Raises:
        CdiError: PLACE-KIND if the place is of no known kind.
        MachineError: OPEN-PLACE if the place cannot be reached, stops answering meanwhile, gives
            the files of several agencies no longer, or is empty although files were fetched from
            it. What is kept here stays as it is.
    """
    try:
        filesystem, root = _open_place(place)
        there = _list_folder(filesystem, root)
    except OSError as error:
        raise _make_place_error("the nation", error, _UNCHANGED) from error
    if not there and kept.is_dir() and any(kept.iterdir()):
        raise MachineError(
            "OPEN-PLACE",
            "the place of open extracts is empty or not there, but extracts were fetched from it",
            f"mount it, or correct CDI_OPEN; if it is empty on purpose, remove {kept}",
        )
    names = {
        name
        for entry in there
        if entry["type"] == "directory"
        # what the place keeps for itself, such as .snapshot, was sent by no agency
        and NAME.fullmatch(name := _name_of(entry))
    }
    wanted = set(expected)
    received: list[Received] = []
    failures: dict[str, OSError] = {}
    for name in sorted(names | wanted):
        if name not in wanted:
            why = "the registry has no agency of this name"
            received.append(Received(name, "unknown", problem=why))
            continue
        try:
            received.append(_collect_one(filesystem, root, name, kept, now))
        except OSError as error:
            failures[name] = error
            received.append(Received(name, "damaged", problem=f"{type(error).__name__}: {error}"))
    lost = _find_failure_of_place(filesystem, root, list(failures.values()), len(names & wanted))
    if lost:
        raise _make_place_error("the nation", lost, _UNCHANGED) from lost
    # What could not be read just now was not withdrawn.
    still_kept = {agency.agency for agency in received if agency.folder} | failures.keys()
    for folder in kept.iterdir() if kept.is_dir() else ():
        if folder.name not in still_kept:
            shutil.rmtree(folder)
    return received


def _find_failure_of_place(
    filesystem: fsspec.AbstractFileSystem, root: str, failures: list[OSError], present_count: int
) -> OSError | None:
    """Find out whether it is the place that failed, and not the files of one agency.

    The files of one agency may be unreadable. If those of several are, or of the only one, or the
    place does not answer any longer, it is the place: a mount may go stale between two agencies.
    """
    if not failures:
        return None
    if len(failures) > 1 or present_count <= 1:
        return failures[0]
    try:
        _list_folder(filesystem, root)
    except OSError as error:
        return error
    return None


def _collect_one(
    filesystem: fsspec.AbstractFileSystem, root: str, agency_id: str, kept: Path, now: datetime
) -> Received:
    """Fetch one agency's files, if they are not here.

    Raises:
        OSError: If the place does not give them.
    """
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            pointer = _read_pointer(filesystem, f"{root}/{agency_id}")
            if pointer is None:
                return Received(agency_id, "silent", problem="nothing was sent yet")
            if pointer.withdrawn_because is not None or pointer.version is None:
                why = pointer.withdrawn_because
                return Received(agency_id, "withdrawn", sent_at=pointer.sent_at, problem=why)
            folder = kept / agency_id / pointer.version
            if not _is_whole(folder, pointer):
                _fetch_version(filesystem, f"{root}/{agency_id}", pointer, folder)
        except (FileNotFoundError, _DamagedError) as error:
            # a newer version may have been sent meanwhile, and this one removed
            problem = str(error)
            continue
        is_late = pointer.as_of is None or now - pointer.as_of > LATE_AFTER
        return Received(
            agency_id,
            "late" if is_late else "reported",
            pointer.version,
            pointer.as_of,
            pointer.sent_at,
            f"its newest data are older than {LATE_AFTER.days} days" if is_late else None,
            folder,
        )
    return Received(agency_id, "damaged", problem=problem)


def _read_pointer(filesystem: fsspec.AbstractFileSystem, root: str) -> _Pointer | None:
    path = f"{root}/{POINTER}"
    filesystem.invalidate_cache()
    try:
        size = filesystem.size(path)
    except FileNotFoundError:
        return None
    if size > LARGEST_POINTER:
        raise _DamagedError(f"{POINTER} is larger than {LARGEST_POINTER:,} bytes")
    return _Pointer.read(filesystem.cat_file(path))


def _fetch_version(
    filesystem: fsspec.AbstractFileSystem, root: str, pointer: _Pointer, folder: Path
) -> None:
    """Fetch the files of a version; the folder has its name only when all are there and whole."""
    fetched = folder.parent / ".fetching"
    shutil.rmtree(folder.parent, ignore_errors=True)
    fetched.mkdir(parents=True)
    for name, (size, sha256) in pointer.files.items():
        path = f"{root}/versions/{pointer.version}/{name}"
        if size > LARGEST_FILE or filesystem.size(path) != size:
            raise _DamagedError(f"{name} has another size than {POINTER} says, or is too large")
        filesystem.get_file(path, str(fetched / name))
        if sha256_of_file(fetched / name) != sha256:
            raise _DamagedError(f"{name} is not as it was sent")
    sync_tree(fetched)
    rename_durably(fetched, folder)


def _is_whole(folder: Path, pointer: _Pointer) -> bool:
    """Whether a version is here already, as it was sent."""
    return folder.is_dir() and all(
        (folder / name).is_file() and sha256_of_file(folder / name) == sha256
        for name, (_, sha256) in pointer.files.items()
    )
