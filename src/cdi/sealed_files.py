"""Seals of single files: a file that was changed since it was written is noticed.

Beside a sealed file lies ``<name>.seal`` with a hash of its content that is keyed with the agency's
key: whoever does not have the key cannot seal what they changed. A file to which lines are added is
sealed up to its last line. If a process is killed between the two writes, the line is there and not
sealed yet; the next line seals both. A file without a seal was written before there were seals, and
is taken as it is.

A published version is sealed by its ``SHA256SUMS``, which have the checksums of all other files.
"""

import contextlib
import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from pathlib import Path

from cdi.errors import StateError
from cdi.files import append_whole, read_json, sha256_of_file, write_json, write_text
from cdi.files import write_whole as write_unsealed
from cdi.keys import derive_key

SUMS = "SHA256SUMS"
_RESTORE = "restore the file, with the file of its seal beside it, from the backup"
_ABSENT = "absent"  # in place of a seal: that there is no such file is right too


def seal_of(file: Path) -> Path:
    """The file that holds the seal of another."""
    return file.with_name(f"{file.name}.seal")


def seal_file(agency_id: str, file: Path) -> None:
    """Seal a file as it is now."""
    _write_seal(file, [_describe_content(agency_id, file, file)])


def is_as_sealed(agency_id: str, file: Path, *, may_grow: bool = False) -> bool:
    """Compare a file with its seal.

    Args:
        agency_id: Whose key it was sealed with.
        file: The file; it need not be there.
        may_grow: Whether lines may follow that are not sealed yet.

    Returns:
        Whether it is as it was sealed; True if it has no seal.
    """
    seal = seal_of(file)
    while True:
        sealed = _read_seal(seal)
        if sealed is None or any(
            _matches(agency_id, file, size, digest, may_grow=may_grow) for size, digest in sealed
        ):
            return True
        if _read_seal(seal) == sealed:  # else somebody has replaced the file meanwhile
            return False


def verify_file(agency_id: str, file: Path, *, may_grow: bool = False, fix: str = _RESTORE) -> None:
    """Compare a file with its seal; see `is_as_sealed`.

    Args:
        agency_id: Whose key it was sealed with.
        file: The file.
        may_grow: Whether lines may follow that are not sealed yet.
        fix: What to do if it is not as it was sealed.

    Raises:
        StateError: STATE-DAMAGED if it was changed or is missing.
    """
    if not is_as_sealed(agency_id, file, may_grow=may_grow):
        raise StateError(
            "STATE-DAMAGED",
            f"{file} is {'not as it was written' if file.is_file() else 'missing'}",
            fix,
        )


@contextlib.contextmanager
def append_sealed(agency_id: str, file: Path) -> Iterator[io.StringIO]:
    """Append lines to a file and seal it; see `cdi.files.append_whole`.

    Raises:
        StateError: STATE-DAMAGED if the file is not as it was sealed; it must not be sealed anew.
    """
    verify_file(agency_id, file, may_grow=True)
    with append_whole(file, finish=lambda: seal_file(agency_id, file)) as text:
        yield text


@contextlib.contextmanager
def write_sealed(agency_id: str, file: Path) -> Iterator[Path]:
    """Write a file under a temporary name, seal it and rename it; see `cdi.files.write_whole`.

    While it is renamed, the seal holds for the old and for the new content.
    """
    with write_unsealed(file) as temporary:
        yield temporary
        new = _describe_content(agency_id, file, temporary)
        _write_seal(file, [_describe_content(agency_id, file, file), new])
    _write_seal(file, [new])


def rewrite_as_sealed(agency_id: str, file: Path) -> contextlib.AbstractContextManager[Path]:
    """Write a file anew, as `write_sealed` does if it has a seal, and else without one."""
    if seal_of(file).is_file():
        return write_sealed(agency_id, file)
    return write_unsealed(file)


def write_sums(agency_id: str, folder: Path) -> None:
    """Write the checksums of all files below a folder, as `sha256sum --check` reads them."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [
        f"{sha256_of_file(file)}  {file.relative_to(folder)}\n"
        for file in files
        if file not in (folder / SUMS, seal_of(folder / SUMS))
    ]
    write_text(folder / SUMS, "".join(lines))
    seal_file(agency_id, folder / SUMS)


def find_damaged_files(agency_id: str, folder: Path) -> list[str]:
    """Compare the files below a folder with their checksums, and these with their seal.

    Returns:
        Paths in the folder of files that are missing or not as they were, or that have no checksum.
    """
    sums = folder / SUMS
    if not seal_of(sums).is_file() or not is_as_sealed(agency_id, sums):
        return [SUMS]
    lines = sums.read_text(encoding="utf-8").splitlines()
    written = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {
        str(file.relative_to(folder)): sha256_of_file(file)
        for file in folder.rglob("*")
        if file.is_file() and file not in (sums, seal_of(sums))
    }
    names = sorted(written.keys() | found.keys())
    return [name for name in names if written.get(name) != found.get(name)]


def _write_seal(file: Path, sealed: list[tuple[int, str]]) -> None:
    write_json(seal_of(file), {"sealed": sealed})


def _read_seal(seal: Path) -> list[tuple[int, str]] | None:
    if not seal.is_file():
        return None
    try:
        return [(int(size), str(digest)) for size, digest in read_json(seal, ["sealed"])["sealed"]]
    except (StateError, TypeError, ValueError):  # a damaged seal holds for no content
        return []


def _describe_content(agency_id: str, file: Path, content: Path) -> tuple[int, str]:
    """Give the size and the seal that a file has with the content of another one."""
    if not content.is_file():
        return 0, _ABSENT
    size = content.stat().st_size
    return size, _hash_content(agency_id, file, content, size)


def _matches(agency_id: str, file: Path, size: int, digest: str, *, may_grow: bool) -> bool:
    if not file.is_file():
        return digest == _ABSENT
    length = file.stat().st_size
    if digest == _ABSENT or length < size or (length > size and not may_grow):
        return False
    return hmac.compare_digest(digest, _hash_content(agency_id, file, file, size))


def _hash_content(agency_id: str, file: Path, content: Path, size: int) -> str:
    """Hash the first bytes of a file, with its name: two findings cannot change places."""
    with content.open("rb") as handle:
        digest = hashlib.sha256(handle.read(size)).hexdigest()
    text = json.dumps([file.name, size, digest]).encode()
    return hmac.digest(derive_key(agency_id, "file"), text, "sha256").hex()
