"""The file to which people's decisions are added: its rows in order, and how rows are added.

It only grows, is sealed (`cdi.sealed_files`), and is written under a lock. A file of an earlier
version of this product has fewer columns; it is given the others when the next decision is added.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime

from cdi import paths
from cdi.agency.datasets import DATASETS, DECISIONS
from cdi.agency.key_rules import find_canonical
from cdi.agency.model import FORMATS_OF_PEOPLE, Agency
from cdi.clock import day_and_time
from cdi.files import lock_file, put_torn_rest_aside, read_whole_rows
from cdi.landing.batches import refuse_moved
from cdi.landing.seals import read_newest
from cdi.sealed_files import append_sealed, rewrite_as_sealed, verify_file

HEADER = [column.name for column in DATASETS[DECISIONS]]

Row = dict[str, str]

# What a kind of decision is called where its own name is no word for what was done.
KINDS_IN_WORDS = {
    "undone": "taken back",
    "passed": "passed to the registrar",
    "proposed": "proposed to be dismissed",
    "link": "linked with a record",
    "null_link": "parted from a record",
}


def read_decisions(agency: Agency) -> list[Row]:
    """Read the decisions in the agency's file, in the order in which they were taken.

    A row that somebody is writing at this moment, or that a cut write left, is not read.

    Args:
        agency: The agency.

    Returns:
        Each row with all columns of the dataset; blank where the file has none.

    Raises:
        StateError: STATE-DAMAGED if the file is not as it was written.
    """
    file = paths.decisions_file(agency.agency)
    verify_file(agency.agency, file, may_grow=True)
    text = read_whole_rows(file).decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: row.get(name) or "" for name in HEADER} for row in rows]


def keep_decisions(agency: Agency, rows: Sequence[Mapping[str, str]]) -> None:
    """Add rows to the agency's file; they are on the disk, and sealed, when this returns.

    The caller holds the lock of the agency's decisions (`cdi.files.wait_for_lock`).

    Args:
        agency: The agency.
        rows: Each with all columns of the dataset.

    Raises:
        StateError: STATE-DAMAGED if the file is not as it was written; it must not be sealed anew.
            LANDING-DAMAGED if the agency's key is not the one that batches were accepted with;
            AGENCY-MOVED if the agency is worked on elsewhere.
    """
    refuse_moved(agency.agency)
    read_newest(agency.agency, "calls")  # the first decision has no seal that could tell the key
    file = paths.decisions_file(agency.agency)
    put_torn_rest_aside(file)
    _add_newer_columns(agency)
    header = _read_header(agency) or HEADER
    with append_sealed(agency.agency, file) as text:
        write_decisions(text, rows, header, has_header=file.stat().st_size > 0)


def write_decisions(
    text: io.TextIOBase,
    rows: Sequence[Mapping[str, str]],
    header: Sequence[str] = HEADER,
    *,
    has_header: bool = False,
) -> None:
    """Write rows of decisions as CSV.

    Args:
        text: What takes the text.
        rows: Each with all columns of the dataset.
        header: The columns of the file, in its order.
        has_header: Whether the file has its header already.
    """
    writer = csv.DictWriter(text, header, lineterminator="\n")
    if not has_header:
        writer.writeheader()
    writer.writerows(rows)


def newest_decisions(agency: Agency, rows: Sequence[Row]) -> dict[tuple[str, int | None], Row]:
    """Find the newest decision about each crime.

    Args:
        agency: The agency, whose rules say which references mean the same call.
        rows: Decisions in the order in which they were taken.

    Returns:
        By call and number of the crime: the newest row that concerns it. Under the number None is
        the newest row about all crimes of the call; it is also the newest of each crime for which
        there is no key of its own. A link concerns the whole call.
    """
    calls = _find_calls(agency, rows)
    newest: dict[tuple[str, int | None], Row] = {}
    for row in rows:
        if not row["call_reference"]:
            continue
        call_id, number = calls[row["call_reference"]], read_number(row)
        if number is None:
            newest |= {key: row for key in newest if key[0] == call_id}
        newest[call_id, number] = row
    return newest


def standing_decisions(agency: Agency, rows: Sequence[Row]) -> dict[tuple[str, int | None], Row]:
    """Find the decision that counts for each crime, as the next version will.

    Args:
        agency: The agency, whose rules say which references mean the same call.
        rows: Decisions in the order in which they were taken.

    Returns:
        As `newest_decisions`, of what was confirmed, dismissed or undone alone. Where the row is
        `undone`, nothing counts.
    """
    counting = [
        row
        for row in rows
        if row["decision_kind"] in ("confirmed", "dismissed")
        or (row["decision_kind"] == "undone" and not row["record_reference"])
    ]
    return newest_decisions(agency, counting)


def is_settled(decision: Mapping[str, str], *, is_rape: bool) -> bool:
    """Whether a decision settles a crime, as in a version; two people must dismiss a rape.

    Args:
        decision: The decision that counts for the crime; see `standing_decisions`.
        is_rape: Whether the crime is a report of rape.
    """
    if decision["decision_kind"] == "dismissed":
        return not is_rape or bool(decision["second_person"])
    return decision["decision_kind"] == "confirmed"


def newest_links(agency: Agency, rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    """Find the newest decision about each record and call, as the linkage of the next version will.

    Args:
        agency: The agency, whose rules say which references mean the same call or record.
        rows: Decisions in the order in which they were taken.

    Returns:
        By record and call, both canonical, the newest row that links them, parts them or takes that
        back; what was decided last comes last.
    """
    about = [row for row in rows if row["record_reference"] and row["call_reference"]]
    calls = _find_calls(agency, about)
    typed = sorted({row["record_reference"].strip() for row in about})
    records = find_canonical(agency, "record", typed)
    newest: dict[tuple[str, str], Row] = {}
    for row in about:
        key = records[row["record_reference"].strip()], calls[row["call_reference"]]
        newest.pop(key, None)
        newest[key] = row
    return newest


def find_link(newest: Mapping[tuple[str, str], Row], record_id: str) -> tuple[str, Row] | None:
    """Find the log that people linked a record with; a record belongs to one log at most.

    Args:
        newest: The newest decisions about records and calls; see `newest_links`.
        record_id: The record, canonical.

    Returns:
        The log, and the decision that linked them; None if no link of people stands.
    """
    links = [
        (call_id, row)
        for (record, call_id), row in newest.items()
        if record == record_id and row["decision_kind"] == "link"
    ]
    return links[-1] if links else None


def find_newest(
    agency: Agency, rows: Sequence[Row], call: str, crime_number: int | None = None
) -> Row | None:
    """Find the newest decision that concerns a crime, or any crime of a call.

    Args:
        agency: The agency, whose rules say which references mean the same call.
        rows: Decisions in the order in which they were taken.
        call: Reference of the call, as people type it.
        crime_number: Number of the crime; None: whatever concerns the call.
    """
    calls = _find_calls(agency, rows, call)
    numbers = (None, crime_number)
    for row in reversed(rows):
        is_about_call = bool(row["call_reference"]) and calls[row["call_reference"]] == calls[call]
        if is_about_call and (crime_number is None or read_number(row) in numbers):
            return row
    return None


def name_deciders(row: Mapping[str, str]) -> str:
    """Name who decided: one person, or two.

    Args:
        row: A row of the file.
    """
    return " and ".join(filter(None, (row["decided_by"], row["second_person"])))


def describe_decision(row: Mapping[str, str]) -> str:
    """Say in words what was decided, by whom and when: "dismissed by 1311 on 3 July 2017, 10:14am".

    Args:
        row: A row of the file; its time is local already.
    """
    kind = KINDS_IN_WORDS.get(row["decision_kind"], row["decision_kind"])
    told = f"{kind} by {name_deciders(row)}"
    for form in FORMATS_OF_PEOPLE:
        try:
            return f"{told} on {day_and_time(datetime.strptime(row['decided_at'], form))}"
        except ValueError:
            continue
    return told


def _find_calls(agency: Agency, rows: Sequence[Row], *others: str) -> dict[str, str]:
    """Give the canonical id of each call that rows, or other texts, refer to."""
    texts = {*others, *(row["call_reference"] for row in rows)}
    canonical = find_canonical(agency, "call", sorted({text.strip() for text in texts}))
    return {text: canonical[text.strip()] for text in texts}


def read_number(row: Mapping[str, str]) -> int | None:
    """Read which crime of the call a decision is about.

    Args:
        row: A row of the file.

    Returns:
        Its number; None if the decision is about all crimes of the call, or links a record.
    """
    if row["decision_kind"] in ("link", "null_link") or row["record_reference"]:
        return None
    return int(float(row["crime_number"])) if row["crime_number"] else None


def _read_header(agency: Agency) -> list[str]:
    """Read the header of the agency's file; empty if it has none yet."""
    text = read_whole_rows(paths.decisions_file(agency.agency)).decode("utf-8-sig")
    return next(csv.reader(io.StringIO(text, newline="")), [])


def _add_newer_columns(agency: Agency) -> None:
    """Give a file of an earlier version the columns that it lacks, blank in all of its rows.

    Each row keeps its other cells, also one that the landing would refuse: it must not look whole.
    """
    file = paths.decisions_file(agency.agency)
    if not _list_lacking(_read_header(agency)):
        return
    with lock_file(file):
        verify_file(agency.agency, file, may_grow=True)
        text = read_whole_rows(file).decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        lacking = _list_lacking(header)
        if not lacking:
            return
        with (
            rewrite_as_sealed(agency.agency, file) as written,
            written.open("w", newline="", encoding="utf-8") as handle,
        ):
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow([*header, *lacking])
            writer.writerows([*row, *("" for _ in lacking)] for row in rows)


def _list_lacking(header: Sequence[str]) -> list[str]:
    return [name for name in HEADER if header and name not in header]
