"""Take what must be erased out of the agency's own folders, except the published versions."""

import csv
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from openpyxl import load_workbook

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.audit.register import erase_from_register
from cdi.erasure.look import batches_on_disk, read_csv_rows
from cdi.erasure.traces import Wanted
from cdi.files import take_lock, wait_for_lock
from cdi.landing import tombstones
from cdi.landing.batches import Batch
from cdi.landing.extract import adopt_source, is_source_unchanged
from cdi.landing.forget import Forgotten, forget_in_batch
from cdi.landing.tombstones import columns_that_take_row
from cdi.learning import weights
from cdi.sql import connect

Say = Callable[[str], None]


@dataclass
class Gone:
    """What an erasure or a retention run takes out.

    Attributes:
        ids: References in capitals, canonical and as typed, by thing.
        also: Keyed hashes of these, where they are in no tombstone.
        wanted: For bytes; None where there are too many to look for one by one.
    """

    ids: dict[str, set[str]]
    also: set[str] = field(default_factory=set)
    wanted: Wanted | None = None

    def has(self, text: object) -> bool:
        """Whether a cell is one of the references, as typed; a sheet marks text with a quote."""
        typed = str(text or "").strip().lstrip("'").upper()
        return any(typed in some for some in self.ids.values())

    def without(self, text: str) -> str:
        """A text with the references replaced."""
        if self.wanted is None:
            return text
        return self.wanted.pattern.sub(tombstones.ERASED.encode(), text.encode()).decode()


# ---------------------------------------------------------------------- taking out


def unfinished_mark(agency: Agency) -> Path:
    """There from the first removal until no published version holds what was removed."""
    return paths.published(agency.agency) / ".unfinished"


def take_out(
    agency: Agency, gone: Gone, reason: str, say: Say, until: datetime | None = None
) -> bool:
    """Out of all that is the agency's own, save the published versions.

    The landing comes last and its calls last of all: they tell a run after a kill what is too old.

    Returns:
        Whether there was anything.
    """
    name = agency.agency
    with take_lock(paths.published(name), name), take_lock(paths.weights(name), name):
        unfinished_mark(agency).touch()
        counts = {
            "rows of files that people wrote": _from_people(agency, gone),
            "logs in frozen audit frames": erase_from_register(
                name, gone.ids.get("call", ()), datetime.now(UTC).replace(tzinfo=None), reason
            ),
            "lines of worksheets": sum(
                _from_sheet(file, gone) for file in sorted(paths.audit(name).glob("*/worksheets/*"))
            ),
            "versions of what was learnt": _from_weights(agency, gone),
            **_from_landing(agency, gone, until),
        }
    for what, count in counts.items():
        if count:
            say(f"{count:>6,}  {what}")
    return any(counts.values())


def _from_people(agency: Agency, gone: Gone) -> int:
    """Out of decisions and findings: source and newest batch go on being the same."""
    count = 0
    for dataset in BY_PEOPLE:
        now = datetime.now(UTC)
        was_landed = is_source_unchanged(agency, dataset, Interval(now, now))
        about = [column.name for column in columns_that_take_row(dataset)]
        changed = sum(
            _from_csv(file, gone, about)
            for file in sorted(Path(agency.root_of(dataset)).glob("*.csv"))
        )
        if changed and was_landed:
            adopt_source(agency, dataset)
        count += changed
    return count


def _from_csv(file: Path, gone: Gone, about: Iterable[str]) -> int:
    """Rows about what is gone; the others lose its name. Under a temporary name, then by rename."""
    rows, kept, changed = read_csv_rows(file), [], 0
    for row in rows:
        if any(gone.has(row.get(name)) for name in about):
            changed += 1
            continue
        kept.append({name: gone.without(text or "") for name, text in row.items()})
        changed += kept[-1] != row
    if changed and not kept:
        file.unlink()
    elif changed:
        written = file.with_suffix(".next")
        with written.open("w", newline="", encoding="utf-8") as handle:
            out = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
            out.writeheader()
            out.writerows(kept)
        written.replace(file)
    return changed


def _from_sheet(file: Path, gone: Gone) -> int:
    """Lines of a worksheet about what is gone; the others lose its name."""
    if file.suffix == ".csv":
        return _from_csv(file, gone, ["call_reference"])
    if file.suffix != ".xlsx":
        return 0
    book, changed = load_workbook(file), 0
    for sheet in book:
        for number in range(sheet.max_row, 0, -1):
            if gone.has(sheet.cell(number, 1).value):
                sheet.delete_rows(number)
                changed += 1
                continue
            for cell in sheet[number]:
                if isinstance(cell.value, str) and gone.without(cell.value) != cell.value:
                    cell.value = gone.without(cell.value)
                    cell.data_type = "s"  # text whatever it begins with, never a formula
                    changed += 1
    if changed:
        written = file.with_suffix(".next")
        book.save(written)
        written.replace(file)
    return changed


def _from_landing(agency: Agency, gone: Gone, until: datetime | None) -> dict[str, int]:
    """Out of every batch; copies of the source that a killed extraction left go whole."""
    total, copies = Forgotten(), 0
    for dataset in sorted(agency.sources, key=lambda dataset: dataset == "calls"):
        home = paths.landing(agency.agency, dataset)
        if not home.is_dir():
            continue
        with wait_for_lock(home):
            for batch in batches_on_disk(agency, dataset):
                # what people wrote of an expired call goes with it; the rest has its own limit
                also = gone.also if dataset in BY_PEOPLE else ()
                total += forget_in_batch(agency, batch, until or batch_as_of(batch), also)
            for left in home.glob("*/.*/") if gone.wanted else ():
                shutil.rmtree(left)
                copies += 1
    return {
        "accepted rows of the landing": total.rows,
        "accepted rows that named it": total.names,
        "refused rows": total.refused,
        "leftovers of killed extractions": copies,
    }


def batch_as_of(batch: Batch) -> datetime:
    return datetime.fromisoformat(batch.manifest["as_of"]).astimezone(UTC).replace(tzinfo=None)


def _from_weights(agency: Agency, gone: Gone) -> int:
    """What was learnt from an erased log is learnt anew, and what was read in texts read anew."""
    count = 0
    if not any(gone.ids.values()):
        return count
    for kind in weights.KINDS:
        for folder in (paths.weights(agency.agency) / kind).glob("[!.]*/"):
            shutil.rmtree(folder / "readings", ignore_errors=True)
            if _has_learnt_from(folder / "audited.parquet", gone):
                shutil.rmtree(folder)
                count += 1
    return count


def _has_learnt_from(file: Path, gone: Gone) -> bool:
    if not file.is_file():
        return False
    with connect() as con:
        rows = con.execute("select call_id from read_parquet(?)", [str(file)]).fetchall()
    return any(gone.has(call_id) for (call_id,) in rows)
