"""The file of decisions: of an earlier version, with conflicts, and what is taken back."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cdi import paths
from cdi.errors import CdiError, StateError
from cdi.landing.batches import accepted_batches
from cdi.people import decision_file
from cdi.people.decision_file import (
    HEADER,
    Row,
    describe_decision,
    find_newest,
    newest_decisions,
    read_decisions,
    standing_decisions,
)
from cdi.people.decisions import add_decision
from cdi.sealed_files import is_as_sealed, seal_file
from cdi.sql import connect, fetch_dicts
from tests.conftest import SmallAgency

# As commit ac928e5 wrote it, but for the column of free text, where a cell may hold anything.
OLD_HEADER = (
    "decision_reference,decision_kind,call_reference,record_reference,crime_number,rule_id,"
    "content_id,reason_code,reason,decided_by,decided_at,second_person"
)
OLD_ROWS = (
    'D00000000001,dismissed,T-0002,,1,,,GOOD_INTENT,"he said ""no"",\nand left",0123,'
    "2026-01-06 09:30:00+0000,0456\n"
    "D00000000002,confirmed,t0005,,,,,,Zoë,1207,2026-01-06 09:31:00+0000,\n"
)
NEWER = ["version_seen", "evidence_hash", "seen_likelihood", "selection"]
CONFIRMED = {"decision_kind": "confirmed", "call_reference": "T-0005", "decided_by": "1207"}


def write_old_file(text: str = OLD_ROWS, *, is_sealed: bool = True) -> Path:
    """A file of decisions as an earlier version of this product left it."""
    file = paths.decisions_file("testville")
    file.parent.mkdir(parents=True)
    file.write_text(f"{OLD_HEADER}\n{text}", encoding="utf-8", newline="")
    if is_sealed:
        seal_file("testville", file)
    return file


def cells(text: str) -> list[list[str]]:
    """The rows of a CSV text."""
    return list(csv.reader(io.StringIO(text, newline="")))


def row(reference: str, kind: str, call: str, number: str = "", record: str = "") -> Row:
    """A row of the file."""
    named = {"decision_reference": reference, "decision_kind": kind, "call_reference": call}
    named |= {"crime_number": number, "record_reference": record, "decided_by": "1207"}
    return {name: named.get(name, "") for name in HEADER}


# ---------------------------------------------------------------------- an earlier version


def test_a_file_of_an_earlier_version_is_landed_with_nulls(small: SmallAgency) -> None:
    write_old_file()
    small.extract_and_check("decisions")
    (batch,) = accepted_batches("testville", "decisions")
    assert (batch.manifest["accepted"], batch.manifest["quarantined"]) == (2, 0)
    with connect() as con:
        landed = fetch_dicts(con, "from read_parquet($f) order by row_id", {"f": str(batch.rows)})
    assert [line["decision_reference"] for line in landed] == ["D00000000001", "D00000000002"]
    assert {line[name] for line in landed for name in NEWER} == {None}


def test_a_file_that_lacks_another_column_is_refused_as_ever(small: SmallAgency) -> None:
    file = write_old_file(is_sealed=False)
    file.write_text(file.read_text("utf-8").replace("second_person", "second"), "utf-8")
    with pytest.raises(CdiError, match=r"no column second_person \(for second_person\)"):
        small.extract_and_check("decisions")


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_decision_after_older_ones_gives_the_file_its_columns_once(
    ran: SmallAgency, *, is_sealed: bool
) -> None:
    file = write_old_file(is_sealed=is_sealed)
    reference = add_decision(ran.agency, {**CONFIRMED, "version_seen": "v1", "selection": "lot"})
    header, *rows = cells(file.read_text("utf-8"))
    assert header == [*OLD_HEADER.split(","), *NEWER] == HEADER
    assert rows[:2] == [[*old, "", "", "", ""] for old in cells(OLD_ROWS)]
    assert rows[2][0] == reference and rows[2][-4:] == ["v1", "", "", "lot"]
    assert is_as_sealed("testville", file)
    whole = file.read_bytes()
    add_decision(ran.agency, CONFIRMED)
    assert file.read_bytes().startswith(whole)
    assert read_decisions(ran.agency)[0]["reason"] == 'he said "no",\nand left'


def test_an_older_file_that_was_changed_or_cut_does_not_look_whole_afterwards(
    ran: SmallAgency,
) -> None:
    file = write_old_file()
    cut = "D00000000003,confirmed,T-0005,,,,,,,12"
    file.write_text(file.read_text("utf-8") + cut, "utf-8", newline="")
    assert [line["decided_by"] for line in read_decisions(ran.agency)] == ["0123", "1207"]
    add_decision(ran.agency, CONFIRMED)
    assert len(cells(file.read_text("utf-8"))) == 4
    assert file.with_name("decisions.csv.torn").read_text("utf-8") == f"{cut}\n"

    changed = OLD_ROWS.replace("confirmed", "dismissed")
    file.write_text(f"{OLD_HEADER}\n{changed}", "utf-8", newline="")
    for attempt in (
        lambda: add_decision(ran.agency, CONFIRMED),
        lambda: read_decisions(ran.agency),
    ):
        with pytest.raises(StateError, match="STATE-DAMAGED"):
            attempt()
    assert file.read_text("utf-8") == f"{OLD_HEADER}\n{changed}"


def test_a_kill_between_the_new_columns_and_the_new_row_loses_nothing(
    ran: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_old_file()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(decision_file, "append_sealed", die)
        with pytest.raises(KeyboardInterrupt):
            add_decision(ran.agency, CONFIRMED)
    assert is_as_sealed("testville", file)
    assert [line["decision_reference"] for line in read_decisions(ran.agency)] == [
        "D00000000001",
        "D00000000002",
    ]
    add_decision(ran.agency, CONFIRMED)
    assert len(read_decisions(ran.agency)) == 3


def test_rows_that_were_landed_before_are_superseded_by_themselves_and_counted(
    ran: SmallAgency,
) -> None:
    write_old_file()
    ran.extract_and_check("decisions")
    seen = {"version_seen": "v1", "evidence_hash": "ab" * 32, "seen_likelihood": "very_likely"}
    signed = {"decided_by": "j.smith@force.example", "second_person": "4711"}
    reference = add_decision(ran.agency, {**CONFIRMED, **seen, **signed, "selection": "order"})
    ran.extract_and_check("decisions")
    older, newer = accepted_batches("testville", "decisions")
    with connect() as con:
        hashes = [
            dict(
                con.execute(
                    "select decision_reference, row_hash from read_parquet(?)", [str(batch.rows)]
                ).fetchall()
            )
            for batch in (older, newer)
        ]
    # an old row has the same content, and so the same hash, in the file with more columns
    assert hashes[1].keys() - hashes[0].keys() == {reference}
    assert hashes[0].items() <= hashes[1].items()
    assert ran.run()
    assert ran.rows(
        "select sum(read_count), sum(current_count), sum(withdrawn_count), sum(superseded_count) "
        "from conservation where dataset = 'decisions'"
    ) == [(5, 3, 0, 2)]
    assert ran.rows(
        "select version_seen, evidence_hash, seen_likelihood, selection, decided_by, second_person "
        f"from staging.stg_decisions where decision_reference = '{reference}'"
    ) == [("v1", "ab" * 32, "very_likely", "order", "j.smith@force.example", "4711")]


# ---------------------------------------------------------------------- who saw what


def test_a_decision_about_what_somebody_else_decided_meanwhile_is_not_written(
    ran: SmallAgency,
) -> None:
    first = add_decision(ran.agency, {**CONFIRMED, "crime_number": 1}, seen=None)
    dismissed = {**CONFIRMED, "decision_kind": "dismissed", "reason_code": "GOOD_INTENT"}
    mine = {**dismissed, "decided_by": "1311", "call_reference": "t0005", "crime_number": 1}
    for seen in (None, "D0"):
        with pytest.raises(CdiError, match="confirmed by 1207 on ") as refused:
            add_decision(ran.agency, mine, seen=seen)
        assert refused.value.rule_id == "DECIDE-CONFLICT"
        assert refused.value.fix == "look at the log again and decide anew"
    assert [line["decision_reference"] for line in read_decisions(ran.agency)] == [first]
    second = add_decision(ran.agency, mine, seen=first)
    # what is about the whole call, or about its link, concerns the crime, and the other way round
    linked = {**CONFIRMED, "decision_kind": "link", "record_reference": "R1"}
    with pytest.raises(CdiError, match="dismissed by 1311 on "):
        add_decision(ran.agency, linked, seen=first)
    third = add_decision(ran.agency, linked, seen=second)
    with pytest.raises(CdiError, match="linked with a record by 1207 on "):
        add_decision(ran.agency, mine, seen=second)
    assert add_decision(ran.agency, mine, seen=third)
    # another call is another thing, and who does not ask is not refused
    assert add_decision(ran.agency, {**CONFIRMED, "call_reference": "T-0002"}, seen=None)
    assert add_decision(ran.agency, CONFIRMED)


def test_of_people_who_decide_at_once_on_what_they_saw_one_is_first(ran: SmallAgency) -> None:
    def decide(number: int) -> str:
        try:
            return add_decision(ran.agency, {**CONFIRMED, "decided_by": str(number)}, seen=None)
        except CdiError as error:
            return error.rule_id

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(decide, range(4)))
    (written,) = read_decisions(ran.agency)
    assert sorted(told) == sorted(["DECIDE-CONFLICT"] * 3 + [written["decision_reference"]])


def test_the_newest_decision_about_a_crime_may_be_about_its_whole_call(small: SmallAgency) -> None:
    rows = [
        row("D1", "confirmed", "T-0001", "1"),
        row("D2", "dismissed", "t0001", "2"),
        row("D3", "confirmed", "T0001"),
        row("D4", "passed", "T-0001", "2"),
        row("D5", "undone", "T-0001", "2"),
        row("D6", "link", "T-0002", "3", "R1"),
        row("D7", "released", ""),
    ]
    newest = newest_decisions(small.agency, rows)
    names = {key: line["decision_reference"] for key, line in newest.items()}
    assert names == {
        ("T-0001", 1): "D3",
        ("T-0001", 2): "D5",
        ("T-0001", None): "D3",
        ("T-0002", None): "D6",
    }
    about = [("t0001", 1), ("T-0001", 2), ("T-0001", 9), ("T-0001", None), ("T-0002", 3)]
    found = [find_newest(small.agency, rows, call, number) for call, number in about]
    assert [line and line["decision_reference"] for line in found] == ["D3", "D5", "D3", "D5", "D6"]
    assert find_newest(small.agency, rows, "T-0003") is None


def test_a_decision_is_described_by_people_and_the_clock_on_their_wall() -> None:
    line = row("D1", "dismissed", "T-0001") | {"decided_by": "1311", "second_person": "4711"}
    for written in ("2017-07-03 10:14:05+0100", "2017-07-03 10:14:05"):
        line["decided_at"] = written
        assert describe_decision(line) == "dismissed by 1311 and 4711 on 3 July 2017, 10:14am"


# ---------------------------------------------------------------------- what counts


def test_what_is_proposed_passed_on_or_taken_back_leaves_a_crime_suspected(
    told: SmallAgency,
) -> None:
    before = dict(told.rows("select reported_crime_id, status from unrecorded_crimes"))
    assert set(before.values()) == {"suspected"}
    links = told.rows("from links order by all")
    reason = {"reason_code": "GOOD_INTENT"}
    for kind, call, more in (
        ("confirmed", "T-0002", {}),
        ("undone", "T-0002", {"crime_number": 1}),
        ("dismissed", "T-0005", reason),
        ("confirmed", "T-0006", {}),
        ("passed", "T-0006", {}),
        ("proposed", "T-0007", {**reason, "crime_number": 1}),
        ("link", "T-0002", {"record_reference": "R1"}),
        ("undone", "T-0002", {"record_reference": "R1"}),
    ):
        decision = {"decision_kind": kind, "call_reference": call, "decided_by": "1207", **more}
        add_decision(told.agency, decision)
    assert told.run()
    after = dict(told.rows("select reported_crime_id, status from unrecorded_crimes"))
    changed = {"T-0005#1": "dismissed", "T-0006#1": "confirmed"}
    assert after == before | changed
    assert told.rows("from links order by all") == links
    # what is said at once, from the file alone, is what the next version says
    standing = standing_decisions(told.agency, read_decisions(told.agency))
    at_once = {}
    for crime in after:
        call, _, number = crime.partition("#")
        line = standing.get((call, int(number))) or standing.get((call, None))
        kind = line["decision_kind"] if line else "undone"
        at_once[crime] = "suspected" if kind == "undone" else kind
    assert at_once == after


def test_the_new_kinds_keep_the_rules(told: SmallAgency) -> None:
    on_call = {"call_reference": "T-0007", "decided_by": "1207"}
    for decision, problem in (
        ({"decision_kind": "proposed", **on_call}, "DEC-04"),
        ({"decision_kind": "proposed", **on_call, "reason_code": "VICTIM_UNWILLING"}, "DEC-04"),
        ({"decision_kind": "undone", "decided_by": "1207", "record_reference": "R1"}, "DEC-02"),
        ({"decision_kind": "passed", **on_call, "crime_number": 9}, "no such reported crime"),
        ({"decision_kind": "undone", **on_call, "crime_number": 9}, "no such reported crime"),
        ({"decision_kind": "undone", **on_call, "record_reference": "R9"}, "no record R9"),
        ({"decision_kind": "passed", **on_call, "seen_likelihood": "99%"}, "DEC-11"),
        ({"decision_kind": "passed", **on_call, "selection": "mine"}, "DEC-12"),
    ):
        with pytest.raises(CdiError, match=problem) as refused:
            add_decision(told.agency, decision)
        assert refused.value.rule_id == "DECIDE-REFUSED"
    rape = {"decision_kind": "proposed", **on_call, "reason_code": "CREDIBLE_CONTRARY"}
    first = add_decision(told.agency, rape, seen=None)
    alone = {**rape, "decision_kind": "dismissed", "second_person": "1207"}
    with pytest.raises(CdiError, match="DEC-06"):
        add_decision(told.agency, alone, seen=first)
    assert add_decision(told.agency, {**alone, "second_person": "1311"}, seen=first)
