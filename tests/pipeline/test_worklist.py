"""The worklist: its pages and sheets in a version, and a filled-in sheet's way to the next one."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import duckdb
import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from cdi.cli import app
from cdi.errors import CdiError
from cdi.landing.batches import accepted_batches
from cdi.people import sheet_decisions, worklist_sheet
from cdi.people.decision_file import read_decisions
from cdi.people.decisions import add_decision
from cdi.people.sheet_decisions import add_decisions_of_sheet
from cdi.people.worklist_sheet import write_worklist_csv
from cdi.publish.access import read_access_log
from cdi.report import marks, worklist
from cdi.report.comparison import choose_pair, compare_versions
from cdi.report.marks import mark_text
from cdi.report.worklist import choose_paged_rows, name_pages
from cdi.steps.build import check_marts, write_report
from tests.conftest import SmallAgency, alone
from tests.number_contract import read_figures
from tests.unit.people.test_worklist_sheet import fill


def read_listed(small: SmallAgency) -> list[tuple[object, ...]]:
    return small.rows("select call_id, status, decided_by from unrecorded_crimes order by 1")


def copy_sheet(small: SmallAgency, name: str, to: Path) -> Path:
    """A copy of a version's sheet: what is published is read-only."""
    file = to / name
    file.write_bytes((small.published / "worklist" / name).read_bytes())
    return file


def row_of(file: Path, crime: str) -> str:
    """Number of a crime's row in a CSV sheet, as `fill` takes it."""
    with file.open(newline="", encoding="utf-8-sig") as handle:
        numbers = {r["reported_crime_id"]: n for n, r in enumerate(csv.DictReader(handle), 2)}
    return f"r{numbers[crime]}"


@pytest.fixture(scope="module")
def decided(ran_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """The version after a filled-in sheet with a decision about each crime, and a list of teams."""
    folder = tmp_path_factory.mktemp("decided")
    with alone(folder) as agency:
        shutil.copytree(ran_once, folder / "state", symlinks=True)
        assert read_listed(agency) == [
            ("T-0002", "suspected", None),
            ("T-0005", "suspected", None),
        ]
        by_csv = agency.published / "worklist" / "worklist.csv"
        sheet = copy_sheet(agency, "worklist.xlsx", folder)
        fill(
            sheet,
            **{
                row_of(by_csv, "T-0002#1"): {
                    "decision": "dismissed",
                    "reason_code": "GOOD_INTENT",
                    "decided_by": "1207",
                    "note": "a misunderstanding",
                },
                row_of(by_csv, "T-0005#1"): {"decision": "confirmed", "decided_by": "1208"},
            },
        )
        result = CliRunner().invoke(app, ["decide", "testville", "--file", str(sheet)])
        assert result.exit_code == 0, result.output
        assert "2 decisions written" in result.output
        assert add_decisions_of_sheet(agency.agency, sheet)[:2] == (0, 2)
        agency.write_text("teams.csv", "author_code,team,valid_from\n1300,Response,2026-01-01\n")
        assert agency.run()
        yield agency


def test_a_filled_in_sheet_reaches_the_next_version_which_says_what_it_changed(
    decided: SmallAgency,
) -> None:
    assert read_listed(decided) == [
        ("T-0002", "dismissed", "1207"),
        ("T-0005", "confirmed", "1208"),
    ]
    # the dismissed crime stays, at the end, and the page promises that
    assert decided.rows("select max_by(call_id, list_place) from unrecorded_crimes") == [
        ("T-0002",)
    ]
    page = (decided.published / "worklist" / "index.html").read_text(encoding="utf-8")
    assert "A crime that is dismissed moves to the end of the list with the next build." in page
    assert decided.rows(
        "select outcome, reason_code from fct_reported_crimes where call_id = 'T-0002'"
    ) == [("justified", "GOOD_INTENT")]
    newest = decided.published.resolve()
    (first,) = set(newest.parent.iterdir()) - {newest}
    assert choose_pair("testville") == (first, newest)
    compared = compare_versions(first, newest)
    assert compared["causes"] == ["decisions of people", "the agency's folder"]
    assert compared["listed"] == {"decided": 2}
    figures = {figure["id"]: figure for figure in read_figures(decided.published)}
    assert figures["compared"]["rows"] == [["listed", "decided", 2]]
    assert {
        row["reported_crime_id"]: (row["older_status"], row["newer_status"])
        for row in compared["listed_rows"]
    } == {"T-0002#1": ("suspected", "dismissed"), "T-0005#1": ("suspected", "confirmed")}
    assert compared["links"] == {}
    rates = {
        row["ruleset"]: (row["older_rate"], row["newer_rate"])
        for row in compared["rates"]
        if row["breakdown"] == "total" and row["universe"] == "frame"
    }
    # one recorded of two that were due (the theft of the last evening is in time), then of one
    assert rates == dict.fromkeys(("strict", "standard", "inclusive"), (0.5, 1.0))
    written = json.loads((decided.published / "comparison.json").read_text(encoding="utf-8"))
    assert written["causes"] == compared["causes"]
    assert "decisions of people" in (decided.published / "report.html").read_text(encoding="utf-8")


def test_feedback_into_a_folder_that_is_not_there_says_so(
    decided: SmallAgency, tmp_path: Path
) -> None:
    before = [*read_access_log("testville")]
    file = tmp_path / "no_folder" / "feedback.xlsx"
    result = CliRunner().invoke(app, ["feedback", "testville", "--output", str(file)])
    assert isinstance(result.exception, CdiError)
    assert f"[FEEDBACK-OUTPUT] there is no folder {file.parent}" in str(result.exception)
    assert [*read_access_log("testville")] == before  # nothing was looked at


def test_what_was_confirmed_comes_back_as_feedback_to_the_team(
    decided: SmallAgency, tmp_path: Path
) -> None:
    feedback = tmp_path / "feedback.xlsx"
    assert decided.rows("select author_code, team from codes.teams") == [("1300", "Response")]
    # the source has no entries of logs, so the district stands for the team
    assert decided.rows(
        "select call_id, team, supervisor_code, miss_cause from confirmed_misses"
    ) == [("T-0005", "S", None, "other")]
    assert decided.rows("select team, miss_cause, confirmed_count from miss_causes_by_team") == [
        ("S", "all", 1),
        ("S", "other", 1),
    ]
    command = ["feedback", "testville", "--output", str(feedback)]
    result = CliRunner().invoke(app, [*command, "--month", "2026-01", "--team", "S"])
    assert result.exit_code == 0, result.output
    header, line = load_workbook(feedback)["feedback"].iter_rows(values_only=True)
    assert dict(zip(header, line, strict=True)) == {
        "Month": "2026-01",
        "Team": "S",
        "Log": "T-0005",
        "What was not recorded": "Theft",
        "Why it was not recorded": "None of these",
        "Words of the log that report it (masked)": "bike gone",
        "How the log was closed": "THEFT Theft, NONE None",
        "Closed by": None,
        "Recorded since": "no",
    }
    noted = list(read_access_log("testville"))
    assert noted[-1]["what"] == "feedback, 2026-01, S"
    feedback.unlink()
    result = CliRunner().invoke(app, [*command, "--team", "N"])
    assert isinstance(result.exception, CdiError) and result.exception.rule_id == "FEEDBACK-TEAM"
    assert not feedback.exists() and list(read_access_log("testville"))[:-1] == noted
    result = CliRunner().invoke(app, [*command, "--month", "2026-02"])
    assert "0 confirmed missed crimes written" in result.output


def test_of_a_sheet_good_rows_are_taken_and_the_others_handed_back_with_all_their_problems(
    told: SmallAgency, tmp_path: Path
) -> None:
    good = {"decision": "confirmed", "decided_by": "1207", "version": "v1"}
    against = {**good, "decision": "dismissed", "reason_code": "VICTIM_UNWILLING"}
    codes = len(told.rows("from rules.reasons where is_legitimate"))
    needs = f'A dismissal needs one of the {codes} codes on the sheet "reasons"'
    two = "two people must agree to dismiss a report of rape: name the second person"
    rows: dict[str, tuple[dict[str, str], list[str]]] = {
        "T-0002#1": (against, [f'"VICTIM_UNWILLING" is not an accepted reason_code. {needs}']),
        "T-0007#1": (
            {**good, "decision": "dismissed", "decided_by": ""},
            [
                "decided_by is empty. Give your staff number or sign-in name",
                f"reason_code is empty. {needs}",
                two,
            ],
        ),
        "T-0006#1": (
            {**against, "reason_code": "ADMIN", "second_person": "1207"},
            ["second_person is the same as decided_by. A different person must agree"],
        ),
        "T-0099#1": (good, ["the published version has no log T-0099"]),
        "T-0002#7": (good, ["the published version has no such reported crime of T-0002"]),
        "T-0003#1": (
            {**good, "decision": "maybe"},
            ['"maybe" is not a decision. Use confirmed or dismissed'],
        ),
    }
    sheet = tmp_path / "worklist.csv"
    lines = [{"reported_crime_id": "T-0005#1", "likelihood": "very_likely", **good}]
    lines += [{"reported_crime_id": crime, **row} for crime, (row, _) in rows.items()]
    write_worklist_csv(sheet, lines)

    result = CliRunner().invoke(app, ["decide", "testville", "--file", str(sheet)])
    assert isinstance(result.exception, CdiError) and result.exit_code
    assert result.exception.rule_id == "DECIDE-REFUSED"
    assert "1 decision written" in result.output
    head, *problems = result.exception.message.split("\n    ")
    assert head == "6 of 7 rows have a problem; all others were saved:"
    assert problems == [
        f"Row {number}: {'; '.join(why)}." for number, (_, why) in enumerate(rows.values(), 3)
    ]
    refused = tmp_path / "worklist-refused.csv"
    assert str(refused) in result.exception.fix
    saved = read_decisions(told.agency)
    assert [(row["call_reference"], row["crime_number"]) for row in saved] == [("T-0005", "1")]
    seen = [saved[0][name] for name in ("version_seen", "selection", "seen_likelihood")]
    assert seen == ["v1", "order", "very_likely"]

    # corrected rows are taken, and both sheets can be given again
    with refused.open(newline="", encoding="utf-8-sig") as handle:
        crimes = [row["reported_crime_id"] for row in csv.DictReader(handle)]
    assert crimes == list(rows)
    fill(
        refused,
        **{
            row_of(refused, "T-0002#1"): {"reason_code": "GOOD_INTENT"},
            row_of(refused, "T-0007#1"): {
                "decided_by": "1207",
                "second_person": "1311",
                "reason_code": "CREDIBLE_CONTRARY",
            },
        },
    )
    taken = add_decisions_of_sheet(told.agency, refused)
    assert (taken.added, len(taken.refused)) == (2, 4)
    assert taken.refused_file == tmp_path / "worklist-refused-2.csv"
    for given, repeated in ((sheet, 1), (refused, 2)):
        again = add_decisions_of_sheet(told.agency, given)
        assert (again.added, again.repeated) == (0, repeated)
    assert len(read_decisions(told.agency)) == 3


def test_each_decision_that_a_sheet_overturns_is_named(ran: SmallAgency, tmp_path: Path) -> None:
    version = ran.published.resolve().name
    confirmed = {"decision_kind": "confirmed", "decided_by": "1207"}
    for call in ("T-0002", "t0005"):
        add_decision(ran.agency, {**confirmed, "call_reference": call})
    reason = {"decision": "dismissed", "reason_code": "GOOD_INTENT"}
    lines = [
        {"reported_crime_id": f"{call}#1", "decided_by": "1311", "version": version, **reason}
        for call in ("T-0002", "T-0005")
    ]
    confirms = {"decision": "confirmed", "reason_code": ""}
    lines[1] |= confirms  # as it is already
    sheet = tmp_path / "worklist.csv"
    write_worklist_csv(sheet, lines)
    taken = add_decisions_of_sheet(ran.agency, sheet)
    assert (taken.added, taken.refused) == (2, {})
    (sentence,) = taken.overturned
    assert re.fullmatch(
        r"row 2: T-0002#1 dismissed by 1311 overturns: confirmed by 1207 on "
        rf"\d+ \w+ \d{{4}}, [\w:]+, after version {version} of the sheet was made",
        sentence,
    )
    # what was taken back is not overturned
    undone = {"decision_kind": "undone", "call_reference": "T-0002", "decided_by": "1311"}
    add_decision(ran.agency, undone)
    # and who gives the sheet again is told so: the row is neither saved nor passed over
    again = add_decisions_of_sheet(ran.agency, sheet)
    assert (again.added, again.repeated) == (0, 1)
    (problem,) = again.refused[2]
    assert re.fullmatch(
        r"it was saved before, and then taken back by 1311 on [\w ,:]+\. To decide so again, "
        "write another note",
        problem,
    )
    write_worklist_csv(sheet, [{**lines[0], "note": "looked again"}])
    assert add_decisions_of_sheet(ran.agency, sheet).added == 1
    add_decision(ran.agency, undone)
    write_worklist_csv(sheet, [{**lines[0], **confirms, "version": "gone"}])
    assert not add_decisions_of_sheet(ran.agency, sheet).overturned
    write_worklist_csv(sheet, [{**lines[0], "version": "gone"}])
    (sentence,) = add_decisions_of_sheet(ran.agency, sheet).overturned
    assert "confirmed by 1311 on" in sentence and "after version" not in sentence


def test_the_sheet_has_what_is_in_time_first_by_its_deadline_on_local_clocks(
    told: SmallAgency,
) -> None:
    """As the page does; the expected order is worked out here from the table."""
    with (told.published / "worklist" / "worklist.csv").open(encoding="utf-8-sig") as handle:
        sheet = list(csv.DictReader(handle))
    listed = {
        str(crime): (hours, place, due)
        for crime, hours, place, due in told.rows(
            "select reported_crime_id, hours_left, reading_place, due_at from unrecorded_crimes"
        )
    }
    crimes = [row["reported_crime_id"] for row in sheet]
    in_time = sorted((v[0], crime) for crime, v in listed.items() if v[0] > 0)
    overdue = sorted((v[1], crime) for crime, v in listed.items() if v[0] <= 0)
    assert in_time and overdue
    assert crimes == [crime for _, crime in in_time + overdue]
    for row in sheet:
        due = listed[row["reported_crime_id"]][2].replace(tzinfo=UTC)
        local = due.astimezone(told.agency.zone)
        assert row["record_by"] == f"{local:%Y-%m-%d %H:%M:%S}"


def test_pages_name_the_deadline_as_hours_left_are_wrong_an_hour_later(told: SmallAgency) -> None:
    """The expected time is worked out here from the table; no row of this agency is dismissed."""
    folder = told.published / "worklist"
    index = (folder / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r'<span class="time \w+">([^<]*)</span>\s*<span><a[^>]*>([^<]*)', index)
    listed = told.rows("select reported_crime_id, due_at, hours_left > 0 from unrecorded_crimes")
    assert {is_in_time for *_, is_in_time in listed} == {True, False}
    expected = {}
    for crime, due_at, is_in_time in listed:
        local = due_at.replace(tzinfo=UTC).astimezone(told.agency.zone)
        clock = f"{local:%-I:%M%p}".lower().replace(":00", "").replace("12pm", "midday")
        begins = "Record by" if is_in_time else "Overdue since"
        expected[crime] = f"{begins} {clock} on {local:%-d %B}"
        page = (folder / "logs" / f"{crime.partition('#')[0]}.html").read_text(encoding="utf-8")
        assert f": {expected[crime]}".lower() in page.replace("\n", " ").lower()
        assert not re.search(r"\d [hd] (left|over)", page + index)
    assert {crime: words for words, crime in shown} == expected


def test_a_sheet_that_is_given_twice_at_once_counts_once(
    ran: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows would be two contents of one key, and all of them set apart."""
    sheet = tmp_path / "worklist.csv"
    decision = {"decision": "confirmed", "decided_by": "1207"}
    write_worklist_csv(
        sheet, [{"reported_crime_id": crime, **decision} for crime in ("T-0002#1", "T-0005#1")]
    )
    both_at_work = Barrier(2)
    problems = sheet_decisions.find_problems

    def wait_for_other(*arguments: Any) -> dict[int, list[str]]:
        with suppress(BrokenBarrierError):  # the other waits for the lock, as it should
            both_at_work.wait(timeout=1)
        return problems(*arguments)

    monkeypatch.setattr(sheet_decisions, "find_problems", wait_for_other)
    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(lambda _: add_decisions_of_sheet(ran.agency, sheet), range(2))
        assert sorted(taken[:2] for taken in counts) == [(0, 2), (2, 0)]
    ran.extract_and_check("decisions")
    (batch,) = accepted_batches("testville", "decisions")
    assert (batch.manifest["accepted"], batch.manifest["quarantined"]) == (2, 0)


def test_a_page_shows_account_evidence_rule_and_command(told: SmallAgency) -> None:
    folder = told.published / "worklist"
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert 'href="logs/T-0002.html#1"' in index and "SIMULATED" in index
    page = (folder / "logs" / "T-0002.html").read_text(encoding="utf-8")
    # words and no percents; before an audit nobody knows how many like this were missed
    sentence = "Likely: by its kind of evidence alone; how many like this were missed is not known"
    assert sentence in page and sentence in index.replace("<strong>Likely</strong>", "Likely")
    assert "· Likely<br>" in index and "chance" not in index
    assert "cdi decide testville confirmed --call T-0002 --crime 1" in page
    assert re.search('<mark class="for">[^<]*punched', page)
    # a partner says who, not whether: a mark, a key and a line of the table of their own
    assert re.search('<mark class="people">[^<]*ex partner', page)
    assert '<mark class="people">double line</mark>: is about the people' in page
    assert re.search("names a partner or former partner as the offender.*neither.*ex partner", page)
    assert set(marks.SIDES) == {"for", "against", "people"}
    assert {page.count(f"mark.{side}::before") for side in marks.SIDES} == {1}
    ((decision, rule_page),) = told.rows(
        "select decision_id, rule_page from fct_reported_crimes as crimes "
        "inner join rules.recording_decisions using (decision_id) where call_id = 'T-0002'"
    )
    link = f'<a href="../../docs/recording-decisions.html#{decision}">{decision}</a>'
    assert f"<code>{link}</code>" in page and str(rule_page) in page
    listed = {f"{call_id}.html" for call_id, *_ in read_listed(told)}
    assert {file.name for file in (folder / "logs").iterdir()} == listed
    assert listed == {"T-0002.html", "T-0005.html", "T-0006.html", "T-0007.html"}
    # of one crime record the reference names the call
    matching = (told.published / "matching.html").read_text(encoding="utf-8")
    assert "<strong>1</strong> of 1 crime record (100.0%)" in matching
    assert "a reference proves 1 of these links" in matching
    # links by a repaired key count there too, so the table is not named by the kind "scored"
    assert "<h2>Links that no reference proves, by probability</h2>" in matching
    assert "the record names the log" in matching
    # what people said stays text
    assert "script&gt;alert" in page
    for text in (page, index):
        assert "<script" not in text
    with (folder / "worklist.csv").open(newline="", encoding="utf-8-sig") as handle:
        accounts = [row["first_account"] for row in csv.DictReader(handle)]
    assert any(account.startswith("'=1+1") for account in accounts)


def test_all_rows_that_are_to_be_read_now_have_a_page_and_as_many_others_as_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists = ("to_record", "in_time", "overdue", "later", "later", "later")
    rows = [{"page_list": name} for name in lists]
    for pages, expected in ((2, 3), (4, 4), (9, 6)):
        monkeypatch.setattr(worklist, "PAGES", pages)
        assert choose_paged_rows(rows) == rows[:expected]


def test_a_confirmed_crime_that_is_still_in_time_comes_first_however_many_are_to_be_read(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads it again, so it counts to none of the parts that are to be read."""
    monkeypatch.setattr(worklist, "PAGES", 1)
    told.settings["worklist"] = {"logs_a_month": 1}
    told.write_settings()
    confirmed = {"decision_kind": "confirmed", "decided_by": "1207"}
    add_decision(told.agency, {**confirmed, "call_reference": "T-0005"})
    assert told.run()
    query = "from unrecorded_crimes select reported_crime_id, hours_left > 0 where status = "
    assert told.rows(f"{query}'confirmed'") == [("T-0005#1", True)]
    folder = told.published / "worklist"
    index = (folder / "index.html").read_text(encoding="utf-8")
    to_record, in_time, overdue, later = re.split("<h2>(?:To read now|If there is time)", index)
    assert "<h2>Confirmed: to be recorded in time" in to_record
    assert re.findall(r'#\d">([^<]*)', to_record) == ["T-0005#1"]
    assert "There are none now." not in to_record
    (read_now,) = re.findall(r'#\d">([^<]*)', in_time + overdue)
    assert read_now in {"T-0002#1", "T-0006#1", "T-0007#1"}
    # the two others are to be read later and have no page
    assert "None of them has a page." in later and "none now" not in later
    pages = {file.stem for file in (folder / "logs").iterdir()}
    assert pages == {"T-0005", read_now.partition("#")[0]}
    with (folder / "worklist.csv").open(newline="", encoding="utf-8-sig") as handle:
        sheet = [row["reported_crime_id"] for row in csv.DictReader(handle)]
    assert sheet[:2] == ["T-0005#1", read_now] and len(sheet) == 4


def test_what_can_be_read_in_a_month_stands_first_on_page_and_sheet_and_nothing_is_lost(
    told: SmallAgency,
) -> None:
    listed = told.rows(
        "select reported_crime_id, reading_part from unrecorded_crimes order by reading_place"
    )
    assert len(listed) == 4 and {part for _, part in listed} == {"now"}
    index = (told.published / "worklist" / "index.html").read_text(encoding="utf-8")
    assert "in a month, judged by its size" in index
    assert "Before an audit we do not know how many" in index and "expected to" not in index

    told.settings["worklist"] = {"logs_a_month": 1}
    told.write_settings()
    assert told.run()
    index = (told.published / "worklist" / "index.html").read_text(encoding="utf-8")
    assert "can read 1 in a month." in index
    now, later = index.split("<h2>If there is time left")
    first, *others = [crime for crime, _ in listed]
    assert re.findall(r'#\d">([^<]*)', now) == [first]
    assert sorted(re.findall(r'#\d">([^<]*)', later)) == sorted(others)
    sheet = told.published / "worklist" / "worklist.csv"
    with sheet.open(newline="", encoding="utf-8-sig") as handle:
        rows = [(row["reported_crime_id"], row["to_read"]) for row in csv.DictReader(handle)]
    assert rows[0] == (first, "now")
    assert sorted(rows[1:]) == [(crime, "if there is time left") for crime in sorted(others)]
    assert told.rows("select count(*) from unrecorded_crimes") == [(4,)]


def test_names_of_pages_are_safe_and_differ() -> None:
    names = name_pages(["A/../1", "A/..\\1", "T-0001", "t-0001", "A/../1"])
    assert len(names) == len({name.lower() for name in names.values()}) == 4
    assert all(set(name) <= set(worklist_sheet.NAMES[0] + "-_.AT01html") for name in names.values())


def test_marks_keep_the_text_and_name_each_side() -> None:
    html = mark_text("he <b>hit me</b>, then left", {"hit me": "for", "left": "against"})
    assert html == (
        'he &lt;b&gt;<mark class="for">hit me</mark>&lt;/b&gt;, then '
        '<mark class="against">left</mark>'
    )


def test_what_is_wrong_without_being_a_missed_crime_is_listed_at_its_foot(
    built: SmallAgency,
) -> None:
    """Counting Rules: each report of rape is a crime or an N100, also where a reason is given."""
    check_marts("testville", built.built)
    with duckdb.connect(str(built.built_file)) as con:
        con.execute("""
            insert into measures.rape_reports by name select
                *, '2026-01-05 20:00'::timestamp as reported_at, true as is_n100_in_force
            from (values
                ('R#1', 'neither', 'justified', 'CREDIBLE_CONTRARY', null, null, null),
                ('R#2', 'neither', 'unrecorded', null, null, null, null),
                ('R#3', 'reported_incident', 'justified', null, 'N3', '100/02', '100/01'),
                ('R#4', 'reported_incident', 'justified', null, 'N4', '100/02', '100/02'),
                ('R#5', 'neither', 'too_recent', null, null, null, null),
                ('R#6', 'neither', 'source_missing', null, null, null, null),
                ('R#7', 'crime', 'recorded', null, 'N7', '100/02', '100/01'),
                ('R#8', 'neither', 'justified', 'ADMIN', null, null, null)
            ) as v (
                rape_report_id, kept_as, outcome, reason_code, reported_incident_id,
                reported_incident_code, expected_incident_code
            );
            insert into main.cancellations by name select * from (values
                ('C1', true, false, 'C5', 'The victim must be told, and was not'),
                ('C2', true, true, 'C2', 'Decided by a role that may not'),
                ('C3', false, false, 'C2', 'All is in order'),
                ('C4', null, false, 'C2', 'It cannot be checked: the agency does not deliver X')
            ) as v (
                crime_record_id, is_wrongly_cancelled, is_rape, cancellation_name, check_meaning
            )
        """)
    write_report("testville", built.built)
    page = (built.built_file.parent / "worklist" / "index.html").read_text(encoding="utf-8")
    _, _, foot = page.partition("<h2>Also to be put right</h2>")
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>.*?</tr>", foot)
    ]
    assert "need (2)" in foot and "rules (2)" in foot
    assert [row[0] for row in rows] == [
        "Report", "R#1", "R#3", "Record", 'C2 <span class="tag bad">rape</span>', "C1",
    ]  # fmt: skip
    reason = "Credible evidence to the contrary was immediately available"
    assert rows[1][1:] == ["5 January 2026, 8pm", reason, "no N100 was found"]
    assert rows[2][3] == "N100 N3 has the sub-code 100/02; its reason asks for 100/01"
    assert rows[4][4] == "Decided by a role that may not"
    why = "It cannot be checked: the agency does not deliver X"
    assert f"Not in this list: 1 cancelled record. {why}." in foot
    report = (built.built_file.parent / "report.html").read_text(encoding="utf-8")
    assert f"<li>1: {why}</li>" in report
