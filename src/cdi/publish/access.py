"""Read what a published version shows in a browser, and keep the log of who looked at what.

Only the parts of `cdi.publish.parts` are shown. The restricted parts tell of single calls. So each
look at one of them is written down before its content leaves, as a line of
``access/<agency>.jsonl``, to which lines are only added. The pages (`cdi_airflow.views`) and the
command line use it.

Each line has the hash of the line before, so a line that is changed, removed or put in breaks the
chain. ``<agency>.end.json`` beside it has the keyed hash of the last line, since no chain shows
that its end is missing. An erasure must be able to write over a call's number. So the chain does
not hold what was looked at and why, but their keyed hash.
"""

import getpass
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.errors import CdiError
from cdi.files import (
    append_whole,
    read_json,
    read_json_lines,
    read_whole_lines,
    sha256_of_json,
    write_json,
)
from cdi.keys import derive_key
from cdi.publish.parts import find_part
from cdi.quality.waivers import refused_folders

# What an erasure may write over, see `cdi.erasure.shared`.
ERASABLE = ("what", "reason")
NO_REASON = "daily work, no reason given"
NOT_LOGGED = "We could not log your access, so the page is not shown. Contact operations."
# What is kept of each text of a line. Anybody who may look can send a long reason, and as JSON a
# letter may take 12 bytes: so no line is longer than the end of the file that is read to find it.
_MOST_LETTERS = 1000
_MOST_BYTES_OF_LINE = 65_536


def current_folder(agency: str) -> Path | None:
    """Find the folder of the current version; None if there is none.

    The link is followed once: all that is read below this folder is of one version.
    """
    try:
        return paths.current(agency).resolve(strict=True)
    except FileNotFoundError:
        return None


def find_file(version: Path, path: str) -> Path | None:
    """Find a file of a part; None if the version does not have it, or if it is not to be shown.

    Args:
        version: A version's own folder, from `current_folder`.
        path: The file, below this folder.
    """
    file = version / path
    if find_part(path) is None or not file.resolve().is_relative_to(version):
        return None
    return file if file.is_file() else None


def refused_pages(agency: str, dataset: str) -> list[Path]:
    """List the validation pages of a dataset's refused batches, the newest first."""
    pages = [folder / "validation.html" for folder in refused_folders(agency, dataset)]
    return [page for page in reversed(pages) if page.is_file()]


def note_access(agency: str, who: str, what: str, version: str, reason: str = NO_REASON) -> None:
    """Write one access down; it is on the disk when this returns.

    Args:
        agency: The agency whose data is looked at.
        who: The user's name in Airflow, or of the account of the machine.
        what: The path below the version's folder, or the command and what it shows.
        version: The version's name.
        reason: Why, in words. Of this and of `what`, the first 1,000 letters are kept.

    Raises:
        OSError: If it cannot be written; then nothing may be shown.
    """
    who, what, reason = (text[:_MOST_LETTERS] for text in (who, what, reason))
    file = paths.access(agency)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The lock is held meanwhile, so nobody writes between the line before and this one.
    with append_whole(file, 0o600, lambda: _seal_end(agency)) as lines:
        before = _read_last_line(file)
        entry = {
            "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "who": who,
            "what": what,
            "version": version,
            "reason": reason,
            "content_hmac": _hash_content(agency, what, reason),
            "before": _hash_line(before) if before else "",
        }
        lines.write(json.dumps(entry) + "\n")


def note_command(agency: str, what: str, reason: str, road: str = "command line") -> None:
    """Write down that the account of this process looks at single calls by a command.

    Nothing is written if no version is published, as there is nothing to see then.

    Args:
        agency: The agency whose data is looked at.
        what: The command and what it shows.
        reason: Why, in words.
        road: What started the command, if not a person at the command line.

    Raises:
        CdiError: ACCESS-WRITE if it cannot be written; then nothing may be shown.
    """
    version = current_folder(agency)
    if version is None:
        return
    try:
        note_access(agency, f"{getpass.getuser()} ({road})", what, version.name, reason)
    except OSError as error:
        raise CdiError(
            "ACCESS-WRITE",
            f"the access cannot be logged ({error}), so nothing is shown",
            f"see that {paths.access(agency)} can be written by this account",
        ) from error


def _read_last_line(file: Path) -> str:
    """Read the last line of the log; blank if it has none."""
    with file.open("rb") as handle:
        handle.seek(max(file.stat().st_size - _MOST_BYTES_OF_LINE, 0))
        lines = handle.read().splitlines()
    return lines[-1].decode(errors="replace") if lines else ""


def _end_file(agency: str) -> Path:
    return paths.access(agency).with_name(f"{agency}.end.json")


def _seal_end(agency: str) -> None:
    """Note which line is the last one, so that it can be neither cut off nor changed."""
    last = _hash_line(_read_last_line(paths.access(agency)))
    write_json(_end_file(agency), {"last": _seal_line_hash(agency, last)}, mode=0o600)


def _seal_line_hash(agency: str, line_hash: str) -> str:
    return hmac.digest(derive_key(agency, "access"), line_hash.encode(), "sha256").hex()


def _hash_content(agency: str, what: str, reason: str) -> str:
    """Hash what an erasure may write over, with the agency's key: call numbers can be guessed."""
    content = json.dumps([what, reason]).encode()
    return hmac.new(derive_key(agency, "access"), content, hashlib.sha256).hexdigest()


def _hash_line(line: str) -> str:
    """Hash what stays of a line after an erasure; a torn line as it is."""
    try:
        entry = dict(json.loads(line))
    except (ValueError, TypeError):
        return hashlib.sha256(line.encode()).hexdigest()
    return sha256_of_json({name: entry[name] for name in entry if name not in ERASABLE})


def read_access_log(agency: str) -> Iterator[dict[str, Any]]:
    """Read what was looked at, oldest first.

    Raises:
        StateError: STATE-DAMAGED with the number of a line that cannot be read.
    """
    yield from read_json_lines(
        paths.access(agency), "restore the file from the backup, or move it away and keep it"
    )


@dataclass(frozen=True)
class Chain:
    """What the chain of an access log proves.

    Attributes:
        chained: How many lines are bound to the line before.
        older: How many lines at the beginning are of the time before the chain.
        erased: How many lines an erasure has written over.
    """

    chained: int
    older: int
    erased: int


def prove_access_log(agency: str) -> Chain:
    """Prove that no line of the access log was changed, removed or put in.

    Raises:
        CdiError: ACCESS-CHAIN, with the first line that is not as it was written.
        StateError: STATE-DAMAGED if the note of the last line cannot be read.
    """
    end = _end_file(agency)
    last = read_json(end, ["last"])["last"] if end.is_file() else None
    is_whole = last is None
    before, chained, older, erased = "", 0, 0, 0
    for number, content in enumerate(read_whole_lines(paths.access(agency)), 1):
        line = content.decode(errors="replace")
        try:
            entry = dict(json.loads(line))
        except (ValueError, TypeError):
            raise _broken_chain(agency, number, "it cannot be read") from None
        if "before" not in entry:
            if chained:
                raise _broken_chain(agency, number, "it has no hash of the line before")
            older += 1
        elif entry["before"] != (_hash_line(before) if before else ""):
            raise _broken_chain(agency, number, "the line before is not the one it was written to")
        else:
            chained += 1
            what, reason = str(entry.get("what")), str(entry.get("reason"))
            is_same = entry.get("content_hmac") == _hash_content(agency, what, reason)
            if not is_same and "xx" not in what + reason:
                raise _broken_chain(agency, number, "what was looked at, or why, was changed")
            erased += not is_same
        before = line
        # Lines may follow if a process was killed before it noted its line as the last one.
        is_whole = is_whole or last == _seal_line_hash(agency, _hash_line(line))
    if not is_whole:
        raise _broken_chain(agency, chained + older, "it is not the line that was written last")
    return Chain(chained, older, erased)


def _broken_chain(agency: str, number: int, why: str) -> CdiError:
    return CdiError(
        "ACCESS-CHAIN",
        f"line {number} of {paths.access(agency)} is not as it was written: {why}",
        "compare the file with the backup, and find out who could write to it since; then move it "
        "aside as docs/runbook.md says, and a new log begins",
    )
