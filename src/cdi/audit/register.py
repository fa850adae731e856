"""The audit register: what was frozen, drawn, delivered and erased.

It proves that nobody drew again until the sample was a kind one. ``audit/<agency>/register.jsonl``
has one line per event (a draw, its sample, a delivery, a reading at the desk, an erasure), each
with the hash of the line before it. Lines are only added. The text of a line and everything that is
hashed must stay as it is, byte for byte: otherwise no old draw could be proven any more
(tests/unit/test_pins.py).
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from cdi import paths
from cdi.errors import AuditError
from cdi.files import read_whole_lines
from cdi.landing.batches import refuse_moved
from cdi.sealed_files import append_sealed, is_as_sealed

ORIGIN = "0" * 64


def hash_parts(*parts: str | bytes) -> str:
    """Hash parts of a text; a separator keeps ("a", "bc") apart from ("ab", "c")."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\x1f")
    return digest.hexdigest()


def utc_now() -> datetime:
    """The time as lines of the register have it: in UTC without a zone, to the second."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


class Register:
    """The register of one agency."""

    def __init__(self, agency: str) -> None:
        """Name the register of an agency; no file is made before the first event."""
        self.agency = agency
        self.folder = paths.audit(agency)
        self.file = self.folder / "register.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """Read all events, oldest first, and prove that no line was touched.

        Raises:
            AuditError: AUDIT-REGISTER if a line was changed, removed or put in between.
        """
        lines: list[dict[str, Any]] = []
        previous = ORIGIN
        # The chain alone shows neither that its end is missing nor that all of it was made anew.
        if not is_as_sealed(self.agency, self.file, may_grow=True):
            raise self._changed("it is not as it was written, or the agency's key is another one")
        for number, text in enumerate(read_whole_lines(self.file)):
            try:
                line = json.loads(text)
                is_same = line["previous"] == previous and line["hash"] == _hash_line(line)
            except (ValueError, KeyError, TypeError):  # half a line, or a line of another kind
                is_same = False
            if not is_same:
                raise self._changed(f"line {number + 1} is not as it was written")
            previous = line["hash"]
            lines.append(line)
        return lines

    def _changed(self, what: str) -> AuditError:
        key = paths.secrets() / f"{self.agency}.key"
        return AuditError(
            "AUDIT-REGISTER",
            f"{self.file}: {what}",
            f"restore the register and {key} from the backup; audits cannot be trusted till then",
        )

    def append(self, kind: str, at: datetime, **facts: Any) -> dict[str, Any]:
        """Add an event and wait until it is on the disk.

        Args:
            kind: draw, sample, second, delivery (of a worksheet), reading (at the desk) or erasure.
            at: When it happened.
            facts: What else the line tells.

        Returns:
            The line.

        Raises:
            AuditError: AUDIT-REGISTER if the register is not as it was written.
            StateError: AGENCY-MOVED if the agency is worked on elsewhere.
        """
        refuse_moved(self.agency)
        self.entries()  # before it is sealed anew
        with append_sealed(self.agency, self.file) as text:  # two people may write at once
            lines = self.entries()
            line = {"kind": kind, "at": at.isoformat(), **facts}
            line["previous"] = lines[-1]["hash"] if lines else ORIGIN
            line["hash"] = _hash_line(line)
            text.write(json.dumps(line, sort_keys=True) + "\n")
        return line

    def draws(self) -> list[dict[str, Any]]:
        """Read the lines of the draws, oldest first.

        Raises:
            AuditError: AUDIT-REGISTER if the register is not as it was written.
        """
        return [line for line in self.entries() if line["kind"] == "draw"]


def register_fingerprint(agency: str) -> str:
    """Hash the register as it stands, proven or not: a changed register needs a new build.

    Args:
        agency: Name of the agency.
    """
    file = Register(agency).file
    return hash_parts(file.read_bytes() if file.is_file() else b"")


def _hash_line(line: dict[str, Any]) -> str:
    """Hash all facts of a line but the hash itself."""
    kept = {name: value for name, value in line.items() if name != "hash"}
    return hash_parts(json.dumps(kept, sort_keys=True))
