"""Key rules are found by trying, and what joins by chance is told."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from cdi.agency.key_rules import rules_expression
from cdi.onboarding.folder import render_agency
from cdi.onboarding.joining import apply_match
from cdi.onboarding.keys import KeyMatch, match_keys
from cdi.onboarding.proposal import AgencyProposal, Settings, propose_agency
from cdi.onboarding.reading import read_file_sample
from cdi.sql import Params, connect
from tests.unit.onboarding.invented import read_rows, write_csv

START = datetime(2026, 1, 5)


def propose(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    calls: list[str],
    records: list[str],
    *,
    days_between: int | None = 0,
) -> AgencyProposal:
    """Propose for calls and records with these numbers; the places of equal ones tell the time."""
    both = {}
    for dataset, header, numbers, days in (
        ("calls", "Event Number", calls, 0),
        ("crime_records", "Report Number", records, days_between),
    ):
        rows = [
            {
                header: number,
                "Created Date": f"{START + timedelta(days=place + (days or 0)):%Y-%m-%d %H:%M:%S}"
                if days is not None
                else "",
                "Offense Code" if dataset == "crime_records" else "Type": "A",
            }
            for place, number in enumerate(numbers)
        ]
        both[dataset] = read_rows(con, folder, rows, dataset)
    return propose_agency(
        con, both, Settings("invented", "Invented", "Europe/London", country="GB")
    )


def read_by_rules(con: duckdb.DuckDBPyConnection, match: KeyMatch, numbers: list[str]) -> list[str]:
    """What the rules of a match make of numbers."""
    bound = Params()
    key = rules_expression(match.rules, "number", bound)
    rows = con.execute(
        f"select {key} from (select unnest({bound.bind(numbers)}) as number)", bound.values
    ).fetchall()
    return [key for (key,) in rows]


SERIALS = list(range(7, 700, 7))


@pytest.mark.parametrize(
    ("call_form", "record_form"),
    [
        ("A{0:04d}26", "A-{0:04d}-26"),  # separators
        ("E-{0:05d}", "R{0:05d}"),  # digits only
        ("00{0:05d}", "{0:05d}"),  # leading zeros
        ("26{0:09d}", "2026{0}"),  # years of two and four digits, a serial without its zeros
        ("2026000{0:06d}", "2026-{0:06d}"),  # zeros between year and serial
        ("P26{0:08d}", "26-{0:06d}"),
        ("LOG {0} OF 05/01/2026", "20260105-{0:04d}"),  # as people say it
        ("20260105{0:04d}", "260105-{0}"),
        ("{0:05d}/26", "2026{0:06d}"),  # the serial first
    ],
)
def test_numbers_of_two_forms_are_joined(call_form: str, record_form: str, tmp_path: Path) -> None:
    calls = [call_form.format(serial) for serial in SERIALS]
    records = [record_form.format(serial) for serial in SERIALS]
    with connect() as con:
        proposal = propose(con, tmp_path, calls, records)
        match = proposal.match
        assert match is not None, [m.problem for m in proposal.matches]
        assert (match.record_share, match.call_share) == (1.0, 1.0)
        keys = read_by_rules(con, match, calls)
        # what is written joins each number with its own partner
        assert keys == read_by_rules(con, match, records)
    assert len(set(keys)) == len(SERIALS)
    assert proposal.rules["call"]


def test_numbers_that_are_equal_as_typed_need_no_rule(tmp_path: Path) -> None:
    numbers = [f"21-{serial:07d}" for serial in SERIALS]
    with connect() as con:
        proposal = propose(con, tmp_path, numbers, numbers)
    assert proposal.match is not None
    assert proposal.match.rules == ()
    assert not any(proposal.rules.values())


def test_a_share_of_the_numbers_is_measured(tmp_path: Path) -> None:
    calls = [f"21-{serial:07d}" for serial in SERIALS]
    records = [*calls[:25], *(f"21-{serial:07d}" for serial in range(90000, 90075))]
    with connect() as con:
        proposal = propose(con, tmp_path, calls, records)
    assert proposal.match is not None
    assert proposal.match.record_share == 0.25
    assert proposal.match.call_share == pytest.approx(25 / len(SERIALS))


def test_serials_that_join_by_chance_are_not_written(tmp_path: Path) -> None:
    # Two systems that count from one: each number has a partner, on another day.
    draw = random.Random(2)  # noqa: S311 -- invented rows, no secret
    calls = [f"C{serial:05d}" for serial in range(1000)]
    records = [f"R{serial:05d}" for serial in draw.sample(range(1000), 400)]
    with connect() as con:
        proposal = propose(con, tmp_path, calls, records)
    best = proposal.matches[0]
    assert best.record_share == 1.0
    assert best.is_timed
    assert "within a week" in best.problem
    assert proposal.match is None
    assert proposal.rules == {}


def test_a_serial_without_times_to_compare_is_not_written(tmp_path: Path) -> None:
    calls = [f"26{serial:06d}" for serial in SERIALS]
    records = [f"2025-{serial:05d}" for serial in SERIALS]
    with connect() as con:
        proposal = propose(con, tmp_path, calls, records, days_between=None)
    assert any(
        match.gives == "serial" and "no times" in match.problem for match in proposal.matches
    )
    assert proposal.match is None


def test_a_form_under_which_numbers_become_one_is_not_written(tmp_path: Path) -> None:
    calls = [f"{letter}-{serial:05d}" for letter in "ABCD" for serial in SERIALS]
    records = [f"{letter}/{serial:05d}/X" for letter in "EFGH" for serial in SERIALS]
    with connect() as con:
        proposal = propose(con, tmp_path, calls, records)
    assert proposal.matches[0].distinct_share == 0.25
    assert "stay distinct" in " ".join(match.problem for match in proposal.matches)
    assert proposal.match is None


def test_a_report_number_on_the_call_is_mapped_on_the_call(tmp_path: Path) -> None:
    rows = [
        {"Event Number": f"E{serial:06d}", "Report Number": f"26-{serial + 50:05d}", "Type": "A"}
        for serial in SERIALS
    ]
    records = [{"Report Number": f"26{serial + 50:05d}", "Offense Code": "A"} for serial in SERIALS]
    with connect() as con:
        samples = {
            "calls": read_rows(con, tmp_path, rows),
            "crime_records": read_rows(con, tmp_path, records, "crime_records"),
        }
        proposal = propose_agency(con, samples, Settings("invented", "Invented"))
    call_source = proposal.mappings["calls"].source_of("record_reference")
    assert call_source is not None
    assert call_source.header == "Report Number"
    assert set(proposal.rules) == {"record"}
    assert "call_reference" not in proposal.mappings["crime_records"].proposals


@pytest.mark.parametrize(
    "columns", [("Incident Number", "Report Number"), ("Report Number", "Incident Number")]
)
def test_a_record_has_its_own_number_in_whatever_order_the_columns_are(
    columns: tuple[str, str], tmp_path: Path
) -> None:
    # a hundred reports on eighty calls: by the call's number alone, twenty would be lost
    incidents = [f"26-{place % 80:06d}" for place in range(100)]
    records = [
        {"Incident Number": incident, "Report Number": f"R{place:05d}"}
        for place, incident in enumerate(incidents)
    ]
    proposal = propose_for_incidents(
        tmp_path, [{name: row[name] for name in columns} for row in records]
    )
    mapped = proposal.mappings["crime_records"].proposals
    assert mapped["record_reference"].profile.header == "Report Number"
    assert mapped["record_reference"].is_sure
    assert mapped["call_reference"].profile.header == "Incident Number"
    assert "record" not in proposal.rules


def test_a_number_that_is_seldom_there_is_not_taken_as_the_record_s_own(tmp_path: Path) -> None:
    records = [
        {"Incident Number": f"26-{place:06d}", "Report Number": f"R{place:05d}" * (place < 50)}
        for place in range(80)
    ]
    mapped = propose_for_incidents(tmp_path, records).mappings["crime_records"].proposals
    number = mapped["record_reference"]
    assert number.profile.header == mapped["call_reference"].profile.header == "Incident Number"
    assert number.problem == "it is the call's number too, and Report Number fits as well"


def propose_for_incidents(folder: Path, records: list[dict[str, str]]) -> AgencyProposal:
    """Propose for 80 calls, and for records that bear their numbers beside others."""
    calls = [{"Incident Number": f"26-{place:06d}", "Type": "A"} for place in range(80)]
    records = [{**record, "Offense Code": "A"} for record in records]
    with connect() as con:
        samples = {
            "calls": read_rows(con, folder, calls),
            "crime_records": read_rows(con, folder, records, "crime_records"),
        }
        return propose_agency(con, samples, Settings("invented", "Invented"))


def test_rules_that_read_no_number_are_not_written(tmp_path: Path) -> None:
    calls = [f"A{serial:05d}26" for serial in SERIALS]
    records = [f"A-{serial:05d}-26" for serial in SERIALS]
    with connect() as con:
        proposal = propose(con, tmp_path, calls, records)
        match = proposal.match
        assert match is not None
        again = match_keys(con, proposal.samples, proposal.profiles, proposal.mappings)
        rules = apply_match(con, again[0], proposal.profiles, proposal.mappings)
    assert len(match.rules) == 4
    assert [rule.canonical for rule in rules["call"]] == [r"\1", r"\1\2\3"]


def propose_of_rows(
    tmp_path: Path, calls: list[dict[str, str]], records: list[dict[str, str]]
) -> AgencyProposal:
    """What is proposed for an agency of these calls and crime records."""
    with connect() as con:
        samples = {
            "calls": read_rows(con, tmp_path, calls),
            "crime_records": read_rows(con, tmp_path, records, "crime_records"),
        }
        return propose_agency(con, samples, Settings("invented", "Invented"))


def test_of_columns_that_join_as_many_those_are_taken_whose_names_say_so(tmp_path: Path) -> None:
    calls = [
        {"Asset Tag": f"A{serial:06d}", "Event Number": f"E{serial:06d}", "Type": "A"}
        for serial in SERIALS
    ]
    records = [
        {**call, "Report Number": f"R{place:06d}", "Offense Code": "A"}
        for place, call in enumerate(calls)
    ]
    proposal = propose_of_rows(tmp_path, calls, records)
    for mapping in proposal.mappings.values():
        source = mapping.source_of("call_reference")
        assert source is not None
        assert source.header == "Event Number"


def test_no_column_of_a_source_that_is_named_twice_joins_itself(tmp_path: Path) -> None:
    rows = [
        {"Asset Tag": f"A{serial:06d}", "Event Number": f"E{serial:06d}", "Type": "A"}
        for serial in SERIALS
    ]
    path = write_csv(tmp_path / "calls.csv", rows)
    with connect() as con:
        samples = {
            dataset: read_file_sample(con, dataset, path) for dataset in ("calls", "crime_records")
        }
        proposal = propose_agency(con, samples, Settings("invented", "Invented"))
    assert proposal.matches == []
    number = proposal.mappings["calls"].source_of("call_reference")
    assert number is not None
    assert number.header == "Event Number"
    told = render_agency(proposal)
    assert "write `crime_records: on_calls` in place of sources.crime_records" in told
    assert "write `crime_records: none`" in told


def test_a_number_that_records_bear_is_the_call_s_though_its_name_does_not_say_so(
    tmp_path: Path,
) -> None:
    calls = [{"Dossier": f"D{serial:06d}", "Type": "A"} for serial in SERIALS]
    records = [
        {"Report Number": f"R{place:06d}", "Dossier": call["Dossier"], "Offense Code": "A"}
        for place, call in enumerate(calls)
    ]
    proposal = propose_of_rows(tmp_path, calls, records)
    number = proposal.mappings["calls"].proposals["call_reference"]
    assert number.profile.header == "Dossier"
    assert number.is_sure
