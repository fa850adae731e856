"""Files that several processes may touch: locks, checksums, and writing that survives a power cut.

What the product tells as done ("accepted", "written", "published") is on the disk by then. A file
or folder is made under another name, synced (`os.fsync`) with all that is below it, and renamed;
then the folders that name it are synced. A line is appended whole, or not at all.
"""

import contextlib
import csv
import errno
import fcntl
import hashlib
import io
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from cdi import paths
from cdi.errors import BusyError, StateError

# Files are synced side by side, since a disk takes several at once for the price of one.
_SYNCED_AT_ONCE = 8

# libyaml is five times as fast, which counts where each DAG file reads 200 agencies and each check
# its rules. It also refuses deep nesting by itself.
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Any:
    """Parse YAML that may hold plain values only, and each key of a mapping once.

    Raises:
        yaml.YAMLError: If it is not YAML, holds anything else, or has a key twice.
    """
    loader = _YAML_LOADER(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_repeated_keys(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_repeated_keys(root: yaml.Node) -> None:
    """Refuse a key that is there twice, of which the parser would drop the first without a word."""
    waiting, looked_at = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in looked_at:  # an anchor that several aliases name
            continue
        looked_at.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                waiting.append(value)
                # a mapping may be merged with several others, each by a key `<<`
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if (key.tag, key.value) in keys:
                        problem = f"the key '{key.value}' is there twice"
                        raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                    keys.add((key.tag, key.value))


def sha256_of_json(value: Any) -> str:
    """Hash the JSON text of a value, with sorted keys; `str` writes what JSON cannot (dates)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@contextlib.contextmanager
def wait_for_lock(home: Path) -> Iterator[None]:
    """Wait until no other process writes to a folder, then keep others out during the block.

    Used for the landing of a dataset and an agency's erasures, decisions, draws and readings. The
    operating system releases the lock when the process ends, even if it is killed.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def take_lock(folder: Path, what: str) -> Iterator[None]:
    """Take the lock of a folder, or refuse at once: an agency has one build at a time.

    The operating system releases the lock when the process ends, even if it is killed.

    Args:
        folder: The folder; it is made if absent.
        what: What is built, for the error.

    Raises:
        BusyError: BUILD-BUSY if another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                "BUILD-BUSY",
                f"another build of {what} is running in {folder}",
                "wait for it; the lock ends with its process",
            ) from None
        yield


def hash_files(folder: Path, patterns: Iterable[str]) -> str:
    """Hash the names and the bytes of the files of a folder that may change a result.

    Args:
        folder: The folder.
        patterns: Which of its files; a test of dbt changes no result, and Python compiles what was
            hashed as text, so neither counts.
    """
    digest = hashlib.sha256()
    for file in sorted({f for p in patterns for f in folder.glob(p) if f.is_file()}):
        if file.parent.name not in ("unit_tests", "__pycache__"):
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def sha256_of_file(file: Path) -> str:
    """Hash the bytes of a file without reading all of it into memory."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sync_file(file: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk.

    The folders above it are synced too, up to the state folder: they may be as new.
    """
    for place in (folder, *folder.parents):
        try:
            sync_file(place)
        except OSError as error:
            # Some network drives cannot sync a folder. They keep its names without being asked.
            if error.errno != errno.EINVAL:
                raise
        if place == paths.home() or not place.is_relative_to(paths.home()):
            break


def sync_tree(folder: Path) -> None:
    """Wait until all files and folders below a folder, and its own names, are on the disk."""
    below = [path for path in folder.rglob("*") if not path.is_symlink()]
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
        list(pool.map(sync_file, (path for path in below if path.is_file())))
    for inner in (path for path in below if path.is_dir()):
        sync_file(inner)
    sync_folder(folder)


def rename_durably(path: Path, target: Path) -> Path:
    """Rename a file or a folder so that a power cut leaves either all of it there, or none.

    Args:
        path: What is renamed; it is synced first, with all that is below it.
        target: Its new place, on the same disk. A file there is replaced.

    Returns:
        The new place.
    """
    if path.is_dir() and not path.is_symlink():
        sync_tree(path)
    elif not path.is_symlink():
        sync_file(path)
    path.replace(target)
    sync_folder(target.parent)
    return target


def remove_durably(path: Path) -> None:
    """Remove a file or a folder, so that a power cut does not bring it back."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    sync_folder(path.parent)


@contextlib.contextmanager
def write_whole(file: Path) -> Iterator[Path]:
    """Write a file under a temporary name, then rename it; it is on the disk after the block.

    Nobody reads half a file, and no power cut leaves half of one.

    Args:
        file: The file to make or to replace.

    Yields:
        The temporary file, in the same folder; it is removed if the block fails.
    """
    temporary = file.with_name(f".{file.name}.next")
    # A killed process may have left one, perhaps with read-only mode.
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        rename_durably(temporary, file)
    except OSError as error:
        if error.filename is None:  # as a full disk tells, which leaves open where it is full
            error.filename = str(file)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder, if it is there: first its name in one step, then its files.

    Nobody finds half a folder under its name, not even if the removal is killed. What such a
    removal left goes with the next one beside it.
    """
    for leftover in folder.parent.glob(".removed-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if folder.is_dir():
        aside = Path(tempfile.mkdtemp(prefix=".removed-", dir=folder.parent))
        folder.rename(aside)  # an empty folder may be replaced
        shutil.rmtree(aside)
        sync_folder(folder.parent)


def write_text(file: Path, text: str) -> None:
    """Write a text file in UTF-8, in one step; see `write_whole`."""
    with write_whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(file: Path, value: Any, *, sort_keys: bool = False, mode: int | None = None) -> None:
    """Write a value as indented JSON, in one step; see `write_whole`.

    Args:
        file: The file to make or to replace.
        value: What JSON can write.
        sort_keys: Whether the keys of objects are sorted.
        mode: The file's mode; by default that of a new file.
    """
    text = json.dumps(value, indent=2, sort_keys=sort_keys) + "\n"
    with write_whole(file) as temporary:
        temporary.touch(0o600 if mode is not None else 0o666)  # never readable by more than told
        temporary.write_text(text, encoding="utf-8")
        if mode is not None:
            temporary.chmod(mode)


RESTORE = "restore the file from the backup"


def read_json(file: Path, keys: Iterable[str] = (), fix: str = RESTORE) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        file: A file of the state folder.
        keys: What the object must have.
        fix: What to do if the file is damaged.

    Raises:
        StateError: STATE-DAMAGED if the file is missing or empty, was cut, or holds something else.
    """
    return _parse_object(_read_bytes(file, fix), str(file), fix, keys)


def read_json_list(file: Path) -> list[Any]:
    """Read a JSON file that holds a list.

    Raises:
        StateError: STATE-DAMAGED if the file is missing or empty, was cut, or holds something else.
    """
    value = _parse_json(_read_bytes(file, RESTORE), str(file), RESTORE)
    if not isinstance(value, list):
        raise _damaged(str(file), "holds no list", RESTORE)
    return value


def read_json_lines(
    file: Path, fix: str = RESTORE, keys: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Read a file of JSON objects, one a line; it is empty as long as nobody wrote to it.

    Args:
        file: A file that `append_line` writes.
        fix: What to do if a line is damaged.
        keys: What each object must have.

    Raises:
        StateError: STATE-DAMAGED with the number of a line that cannot be read.
    """
    return [
        _parse_object(line, f"line {number} of {file}", fix, keys)
        for number, line in enumerate(read_whole_lines(file), 1)
    ]


def read_whole_lines(file: Path) -> list[bytes]:
    """Read the lines of a file to which lines are appended; none if there is no file.

    A last line without a line break was cut while it was written, so it counts as not written.
    """
    if not file.is_file():
        return []
    return file.read_bytes().split(b"\n")[:-1]


def read_whole_rows(file: Path) -> bytes:
    """Read a CSV file to which rows are appended, without the rest of a row that was cut.

    Returns:
        Its bytes up to the last whole row; none if it has no row, or if there is no file.
    """
    if not file.is_file():
        return b""
    content = file.read_bytes()
    return content[: _length_of_whole_rows(content[: content.rfind(b"\n") + 1])]


def _read_bytes(file: Path, fix: str) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise _damaged(str(file), "is missing", fix) from None


def _parse_json(content: bytes, what: str, fix: str) -> Any:
    if not content.strip(b"\0\n "):
        raise _damaged(what, "is empty", fix)
    try:
        return json.loads(content)
    except ValueError as error:  # no UTF-8, or no JSON
        raise _damaged(what, f"is not complete JSON ({error})", fix) from None


def _parse_object(content: bytes, what: str, fix: str, keys: Iterable[str]) -> dict[str, Any]:
    value = _parse_json(content, what, fix)
    if not isinstance(value, dict):
        raise _damaged(what, "holds no JSON object", fix)
    if missing := [key for key in keys if key not in value]:
        raise _damaged(what, f"has no {', '.join(missing)}", fix)
    return value


def _damaged(what: str, problem: str, fix: str) -> StateError:
    return StateError("STATE-DAMAGED", f"{what} {problem}", fix)


@contextlib.contextmanager
def lock_file(file: Path, mode: int = 0o666) -> Iterator[int]:
    """Wait until no other process appends to a file, then keep others out during the block.

    Args:
        file: The file; it is made, with its folder, if absent.
        mode: The mode of a new file, before the umask.

    Yields:
        A handle, open for reading and appending.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # An erasure may have put another file in its place while this process waited.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), file.stat()):
                    yield handle
                    return
        finally:
            os.close(handle)


@contextlib.contextmanager
def append_whole(
    file: Path, mode: int = 0o666, finish: Callable[[], None] | None = None
) -> Iterator[io.StringIO]:
    """Append lines to a file, all or none; they are on the disk after the block.

    The lock of the file is held during the block. If an earlier write was cut, for instance by a
    kill or a full disk, its rest is put aside first, so that no line is glued to it.

    Args:
        file: The file; it is made, with its folder, if absent.
        mode: The mode of a new file, before the umask.
        finish: Called when the lines are on the disk, before anybody else may append.

    Yields:
        What takes the text of the lines.

    Raises:
        OSError: If the disk does not take all of it, or `finish` fails; then the file is as it was.
    """
    with lock_file(file, mode) as handle:
        _put_torn_rest_aside(handle, file)
        text = io.StringIO(newline="")
        yield text
        size = os.fstat(handle).st_size
        _append_bytes(handle, file, text.getvalue().encode())
        if finish:
            try:
                finish()
            except OSError:
                _cut_back(handle, size)
                # It may have failed behind its last step; then it must hold for what is left.
                if size:
                    with contextlib.suppress(OSError):
                        finish()
                raise


def append_line(file: Path, line: str, mode: int = 0o666) -> None:
    """Append a line, given without its line break; see `append_whole`."""
    with append_whole(file, mode) as text:
        text.write(f"{line}\n")


def put_torn_rest_aside(file: Path) -> None:
    """Move what a cut write left at the end of a file to a file beside it, `<name>.torn`.

    Args:
        file: A file that `append_whole` writes; nothing is done if it is absent. If nothing is left
            of it, as its first write was cut, it is removed: who reads it expects a header.
    """
    if file.is_file():
        with lock_file(file) as handle:
            _put_torn_rest_aside(handle, file)
            if os.fstat(handle).st_size == 0:
                remove_durably(file)


def _put_torn_rest_aside(handle: int, file: Path) -> None:
    size = os.fstat(handle).st_size
    is_csv = file.suffix == ".csv"
    if not size or (not is_csv and os.pread(handle, 1, size - 1) == b"\n"):
        return
    content = os.pread(handle, size, 0)
    whole = content.rfind(b"\n") + 1
    if is_csv:
        whole = _length_of_whole_rows(content[:whole])
    if whole == size:
        return
    aside = file.with_name(f"{file.name}.torn")
    with lock_file(aside, os.fstat(handle).st_mode & 0o777) as torn:
        _append_bytes(torn, aside, content[whole:] + b"\n")
    os.ftruncate(handle, whole)
    os.fsync(handle)
    logging.getLogger(__name__).warning(
        "[STATE-TORN] The last write to %s was cut, so it was never reported as done. The %s bytes "
        "that it left were moved to %s. Look in it to see what it was, and do it again.",
        file,
        size - whole,
        aside.name,
    )


def _length_of_whole_rows(content: bytes) -> int:
    """Count the bytes up to the end of the last whole row of a CSV file.

    A cell between quotes may hold line breaks, so that a cut row can end with one. A header alone
    counts as nothing, since it is written together with the first row.
    """
    lines = list(io.StringIO(content.decode("latin-1"), newline="\n"))
    # The row that is added would become a part of a cell that was never closed.
    reader = csv.reader([*lines, "end\n"])
    ends = [reader.line_num for _ in reader if reader.line_num <= len(lines)]
    return sum(map(len, lines[: ends[-1]])) if len(ends) > 1 else 0


def _append_bytes(handle: int, file: Path, content: bytes) -> None:
    """Append bytes and sync them; if that fails, cut the file to what it was."""
    size = os.fstat(handle).st_size
    try:
        written = 0
        while written < len(content):
            written += os.write(handle, content[written:])
        os.fsync(handle)
    except OSError as error:
        _cut_back(handle, size)
        raise OSError(error.errno, error.strerror, str(file)) from error
    if size == 0:
        sync_folder(file.parent)


def _cut_back(handle: int, size: int) -> None:
    """Take back what was appended behind a size, so that what is told as failed is not there."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle, size)
        os.fsync(handle)
