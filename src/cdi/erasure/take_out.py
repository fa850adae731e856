"""Take what must be erased out of the agency's own folders, except the published versions."""

import contextlib
import csv
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path

from openpyxl import load_workbook

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.audit.draws import erase_from_register, note_cleaned_readings
from cdi.erasure.look import batches_on_disk
from cdi.erasure.traces import Wanted, is_one_of, read_csv_rows
from cdi.files import (
    lock_file,
    remove_durably,
    sha256_of_file,
    take_lock,
    wait_for_lock,
    write_text,
    write_whole,
)
from cdi.landing.batches import batch_as_of
from cdi.landing.extract import adopt_source, is_source_unchanged
from cdi.landing.forget import Forgotten, forget_in_batch
from cdi.landing.tombstones import ERASED, columns_that_take_row
from cdi.learning.weights import KINDS, remove_weights
from cdi.sealed_files import rewrite_as_sealed, seal_of, verify_file
from cdi.sql import connect

Say = Callable[[str], None]


@dataclass(frozen=True)
class Removal:
    """What an erasure or a retention run takes out.

    Attributes:
        references: In capitals, canonical and as typed, for calls and for crime records.
        hashes: Keyed hashes of references that are in no tombstone: those of expired calls. Rows
            about these calls go, but others may go on naming them.
        wanted: The same in bytes, to be looked for in texts; None if it is too many to look for.
    """

    references: dict[str, set[str]]
    hashes: Collection[str] = field(default_factory=set)
    wanted: Wanted | None = None

    def holds(self, cell: object) -> bool:
        """Whether a cell is one of the references as people type it."""
        return any(is_one_of(cell, forms) for forms in self.references.values())

    def clean(self, text: str) -> str:
        """Replace the references that a text names."""
        return text if self.wanted is None else self.wanted.clean(text)

    def clean_field(self, column: str, text: str) -> str:
        """Replace the reference that a field holds, or those that its text names."""
        if self.wanted is not None and column in self.wanted.columns and self.wanted.is_field(text):
            return ERASED
        return self.clean(text)


def unfinished_mark(agency: Agency) -> Path:
    """The file that stands from the first removal until no published version holds what is gone.

    If a run is killed in between, the next run finds it and publishes, even if nothing is left to
    be taken out.
    """
    return paths.published(agency.agency) / ".unfinished"


def take_out(
    agency: Agency, removal: Removal, reason: str, say: Say, until: datetime | None = None
) -> bool:
    """Take it out of all that is the agency's own, except the published versions.

    The order matters if the run is killed and begun again. Which calls are too old is read from the
    calls in the landing. If these went first, the next run would no longer know whose decisions,
    findings and worksheets must go as well. So the landing comes last, and its calls last of all.

    Args:
        agency: The agency.
        removal: What is taken out.
        reason: Kept in the audit register.
        say: Is told what was taken out, line by line.
        until: In UTC without a zone: what retention limits count from; by default, for each batch,
            its own as_of.

    Returns:
        Whether anything was taken out.

    Raises:
        BusyError: BUILD-BUSY if a build or a training runs, which may be reading what goes.
    """
    name = agency.agency
    with take_lock(paths.published(name), name), take_lock(paths.weights(name), name):
        write_text(unfinished_mark(agency), "")
        # a dictionary is made in the order in which it is written here
        counts = {
            "rows of files that people wrote": _clean_files_of_people(agency, removal, reason),
            "logs in frozen audit frames": erase_from_register(
                name,
                removal.references.get("call", ()),
                datetime.now(UTC).replace(tzinfo=None),
                reason,
            ),
            "lines of worksheets": sum(
                _clean_sheet(name, file, removal)
                for file in sorted(paths.audit(name).glob("*/worksheets/*"))
            ),
            "versions of what was learnt": _remove_weights(agency, removal),
            **_clean_landing(agency, removal, until),
        }
    for what, count in counts.items():
        if count:
            say(f"{count:>6,}  {what}")
    return any(counts.values())


def _clean_files_of_people(agency: Agency, removal: Removal, reason: str) -> int:
    """Clean the decisions and the findings of audits.

    These sources are the agency's own files, and so an erasure changes the source as well as the
    batches. If the newest batch had all of the source before, it has all of it afterwards, and it
    is marked so: the next extraction must not take the erasure for a change.
    """
    name, count = agency.agency, 0
    # What is saved meanwhile would be taken for landed, and no version would ever show it.
    with _keep_writers_out(agency):
        for dataset in BY_PEOPLE:
            now = datetime.now(UTC)
            was_landed = is_source_unchanged(agency, dataset, Interval(now, now))
            about = [column.name for column in columns_that_take_row(dataset)]
            with _keep_extractions_out(agency):
                changed = sum(
                    _clean_csv(name, file, removal, about, partial(_note_file, name, file, reason))
                    for file in sorted(Path(agency.root_of(dataset)).glob("*.csv"))
                )
            if changed and was_landed:
                adopt_source(agency, dataset)
            count += changed
    return count + _remove_torn_rest(paths.decisions_file(agency.agency), removal)


def _note_file(agency_id: str, file: Path, reason: str, written: Path | None) -> None:
    """Note in the audit register what a file of readings is from now on; no other file is noted.

    Args:
        agency_id: Whose file it is.
        file: The file that is about to be replaced or removed.
        reason: Kept in the register.
        written: What takes its place; None if it is removed.
    """
    if file.parent == paths.findings(agency_id):
        now = datetime.now(UTC).replace(tzinfo=None)
        content = None if written is None else sha256_of_file(written)
        note_cleaned_readings(agency_id, file.name, content, now, reason)


@contextlib.contextmanager
def _keep_writers_out(agency: Agency) -> Iterator[None]:
    """Let others who decide or audit wait; where nobody has yet, there is no folder to lock."""
    with contextlib.ExitStack() as locks:
        for folder in (paths.decisions(agency.agency), paths.audit(agency.agency)):
            if folder.is_dir():
                locks.enter_context(wait_for_lock(folder))
        yield


@contextlib.contextmanager
def _keep_extractions_out(agency: Agency) -> Iterator[None]:
    """Let extractions wait, which cut torn rows off the file that is replaced meanwhile."""
    file = paths.decisions_file(agency.agency)
    with lock_file(file) if file.is_file() else contextlib.nullcontext():
        yield


def _clean_csv(
    agency_id: str,
    file: Path,
    removal: Removal,
    about: Collection[str],
    note: Callable[[Path | None], None] | None = None,
) -> int:
    """Remove the rows about what goes, and its name from the other rows; returns how many changed.

    Args:
        agency_id: Whose file it is.
        file: A CSV file with a header; it is removed if no row is left. If it is sealed, it is
            sealed anew.
        removal: What is taken out.
        about: The columns that say what a row is about.
        note: Is called before the file is replaced, with what takes its place, or before it is
            removed, with None.

    Raises:
        StateError: STATE-DAMAGED if it is not as it was sealed.
    """
    verify_file(agency_id, file, may_grow=True)
    # What is odd in a row of another program (surplus cells, bytes that are not UTF-8) stays.
    header, *rows = read_csv_rows(file, "surrogateescape") or [[]]
    kept: list[list[str]] = []
    changed = 0
    for row in rows:
        named = list(zip_longest(header[: len(row)], row, fillvalue=""))
        if any(name in about and removal.holds(cell) for name, cell in named):
            changed += 1
            continue
        kept.append([removal.clean_field(name, cell) for name, cell in named])
        changed += kept[-1] != row
    if changed and not kept:
        if note:
            note(None)
        seal_of(file).unlink(missing_ok=True)
        remove_durably(file)
    elif changed:
        with rewrite_as_sealed(agency_id, file) as written:
            with written.open("w", newline="", encoding="utf-8", errors="surrogateescape") as out:
                csv.writer(out, lineterminator="\n").writerows([header, *kept])
            if note:
                note(written)
    return changed


def _remove_torn_rest(file: Path, removal: Removal) -> int:
    """Remove what cut writes to a file left beside it, if it names what goes."""
    torn = file.with_name(f"{file.name}.torn")
    if not torn.is_file():
        return 0
    rest = torn.read_bytes()
    if removal.wanted is not None:
        is_named = removal.wanted.pattern.search(rest) is not None
    else:  # too many to be looked for in a text, so in the cells
        cells = re.split(r'[,"\n]', rest.decode("utf-8", "surrogateescape"))
        is_named = any(map(removal.holds, cells))
    if is_named:
        remove_durably(torn)
    return int(is_named)


def _clean_sheet(agency_id: str, file: Path, removal: Removal) -> int:
    """Remove the lines of a worksheet about what goes, and its name from the others."""
    if file.suffix == ".csv":
        return _clean_csv(agency_id, file, removal, ["call_reference"])
    if file.suffix != ".xlsx":
        return 0
    book, changed = load_workbook(file), 0
    for sheet in book:
        # from the last row up, as each removed row moves those below it
        for number in range(sheet.max_row, 0, -1):
            if removal.holds(sheet.cell(number, 1).value):
                sheet.delete_rows(number)
                changed += 1
                continue
            for cell in sheet[number]:
                if isinstance(cell.value, str) and removal.clean(cell.value) != cell.value:
                    cell.value = removal.clean(cell.value)
                    cell.data_type = "s"  # it stays text, whatever it begins with, never a formula
                    changed += 1
    if changed:
        with write_whole(file) as written:
            book.save(written)
    return changed


def _clean_landing(agency: Agency, removal: Removal, until: datetime | None) -> dict[str, int]:
    """Take it out of every batch; what a killed extraction left of the source is removed whole."""
    total, leftovers = Forgotten(), 0
    # false sorts before true: the calls come last, see `take_out`
    for dataset in sorted(agency.sources, key=lambda dataset: dataset == "calls"):
        home = paths.landing(agency.agency, dataset)
        if not home.is_dir():
            continue
        with wait_for_lock(home):
            for batch in batches_on_disk(agency, dataset):
                # What people wrote about an expired call goes with the call. Other datasets, such
                # as crime records, have limits of their own.
                hashes = removal.hashes if dataset in BY_PEOPLE else ()
                total += forget_in_batch(agency, batch, until or batch_as_of(batch), hashes)
            # They hold the source as it was fetched. Only an erasure must leave no byte anywhere.
            for folder in home.glob("*/.*/") if removal.wanted else ():
                remove_durably(folder)
                leftovers += 1
    return {
        "accepted rows of the landing": total.rows,
        "accepted rows that named it": total.names,
        "refused rows": total.refused,
        "leftovers of killed extractions": leftovers,
    }


def _remove_weights(agency: Agency, removal: Removal) -> int:
    """Remove versions that were learnt from an erased log, and all that was read in texts.

    Both are made again from what is left. Readings hold nothing personal, but the hash of a text
    that is gone serves nobody either, and which of them that is would cost more to find out than
    to read all texts again.
    """
    count = 0
    if not any(removal.references.values()):
        return count
    if paths.readings(agency.agency).is_dir():
        remove_durably(paths.readings(agency.agency))
    for kind in KINDS:
        for folder in (paths.weights(agency.agency) / kind).glob("[!.]*/"):
            if _has_learnt_from(folder / "audited.parquet", removal):
                remove_weights(folder)
                count += 1
    return count


def _has_learnt_from(file: Path, removal: Removal) -> bool:
    if not file.is_file():
        return False
    with connect() as con:
        rows = con.execute("select call_id from read_parquet(?)", [str(file)]).fetchall()
    return any(removal.holds(call_id) for (call_id,) in rows)
