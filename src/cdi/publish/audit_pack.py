"""The inspector's pack: one ZIP with all that it takes to check the rate of an audit.

Whoever has it needs neither this code nor the agency's files: ``CHECK.md`` in it says what to do,
and ``check.py`` does it. Before a pack is given out, it is checked in this way itself. As long as
the version is the same, the pack of an audit has the same bytes.

A pack has the masked texts of the drawn logs, and says who read them. So it is restricted, and
whoever makes one is written into the access log.
"""

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from cdi.agency.model import Agency
from cdi.audit.draws import Draw, load_draw
from cdi.build.version import read_description, verify_current
from cdi.errors import AuditError
from cdi.files import sha256_of_file
from cdi.people.audit import read_audited_rates
from cdi.publish.access import current_folder
from cdi.publish.audit_pack_files import copy_files
from cdi.render import render
from cdi.scratch import scratch_folder
from cdi.sealed_files import SUMS
from cdi.sql import connect, fetch_dicts

PAGE = "CHECK.md"
# Names for people of the hashes in version.json.
PARTS = {
    "agency": "settings and code maps of the agency",
    "rules": "rules, as in `rules/`",
    "models": "SQL that applies the rules",
    "checks": "data-quality rules",
    "library": "all other code",
}
# The oldest time that a ZIP can hold: its bytes must not depend on when it was made.
OLDEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Pack:
    """A pack that was made and checked.

    Attributes:
        draw_id: The draw whose audit it proves.
        name: The name of its file.
        content: The ZIP.
    """

    draw_id: str
    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hash of the ZIP."""
        return hashlib.sha256(self.content).hexdigest()


def make_pack(agency: Agency, draw_id: str | None = None) -> Pack:
    """Make the pack of an audit that is finished and published, and check it.

    Args:
        agency: Whose audit.
        draw_id: Name of the draw; the newest by default.

    Raises:
        AuditError: AUDIT-UNKNOWN if there is no such draw; AUDIT-UNPUBLISHED if its findings are
            not in the published version; the reason why it gives no rate; AUDIT-WITHHELD if its
            rate is not shown; AUDIT-PACK if the pack does not pass its own check.
        StateError: PUBLISHED-DAMAGED if the published version is not as it was published.
    """
    force, *_ = read_audited_rates(agency, draw_id)
    if force["recording_rate"] is None:
        raise AuditError(
            "AUDIT-WITHHELD",
            f"the audit {force['draw_id']} shows no rate: {force['withheld_reason']}",
            "audit more logs; until then there is no figure to check",
        )
    verify_current(agency.agency)
    version = current_folder(agency.agency)
    assert version is not None  # noqa: S101  the rates were read from it
    draw = load_draw(agency.agency, force["draw_id"])
    mark = "SIMULATED_" if agency.is_simulated else ""
    name = f"{mark}RESTRICTED_audit_{agency.agency}_{draw.draw_id}"
    with scratch_folder() as scratch:
        folder = scratch / name
        copy_files(agency, draw, version, folder)
        facts = _describe(agency, draw, version)
        _write_page(folder, facts, [""] * 5)
        # What the check says must be in the page, and the page among what is checked.
        _write_page(folder, facts, _check(folder, draw.draw_id))
        return Pack(draw.draw_id, f"{name}.zip", _zip(folder))


def _describe(agency: Agency, draw: Draw, version: Path) -> dict[str, Any]:
    """Gather what the page says."""
    values = {"draw_id": draw.draw_id}
    with connect(version / "recording.duckdb", read_only=True) as con:
        (rate,) = fetch_dicts(
            con,
            "from audited_rates inner join audits using (draw_id) "
            "where draw_id = $draw_id and domain = 'force'",
            values,
        )
    return {
        "agency": agency,
        "is_simulated": agency.is_simulated,
        "plan": draw.facts,
        "rate": rate,
        "version": read_description(version),
        "is_of_draw": (version.parent / draw.facts["version"] / "recording.duckdb").is_file(),
        "parts": PARTS,
    }


def _write_page(folder: Path, facts: Mapping[str, Any], steps: Sequence[str]) -> None:
    """Write the page that says what to do, and the hashes of all files."""
    page = render("check.md.j2", **facts, steps=steps)
    (folder / PAGE).write_text(page, encoding="utf-8")
    (folder / SUMS).unlink(missing_ok=True)
    lines = [f"{sha256_of_file(folder / name)}  {name}\n" for name in _list_files(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _list_files(folder: Path) -> list[str]:
    return sorted(f"{file.relative_to(folder)}" for file in folder.rglob("*") if file.is_file())


def _check(folder: Path, draw_id: str) -> list[str]:
    """Check a pack as an inspector does; returns what each step said.

    Raises:
        AuditError: AUDIT-PACK if a step does not hold.
    """
    # -B: no compiled files beside those that are packed
    done = subprocess.run(
        [sys.executable, "-B", str(folder / "check.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or "0 wrong, 0 left out" not in done.stdout:
        wrong = re.findall(r"(?:WRONG|LEFT OUT): (.*)", done.stdout) or [done.stderr]
        raise AuditError(
            "AUDIT-PACK",
            f"the pack of {draw_id} does not pass its own check: {'; '.join(wrong)}",
            "hand in again, or restore from the backup, any readings that it names; then land and "
            "build again, so that the published version has the readings as they are now",
        )
    _, *steps = re.split(r"^Step \d\n", done.stdout.rpartition("\n5 of 5")[0], flags=re.MULTILINE)
    return [step.rstrip() for step in steps]


def _zip(folder: Path) -> bytes:
    """Pack a folder, so that equal files give equal bytes."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _list_files(folder):
            entry = zipfile.ZipInfo(f"{folder.name}/{name}", OLDEST)
            entry.create_system, entry.external_attr = 3, 0o600 << 16  # for its owner alone
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (folder / name).read_bytes())
    return packed.getvalue()
