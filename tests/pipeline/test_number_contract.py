"""The number contract of the report: one number per label, and each is what its query gives."""

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from cdi.audit.draws import Draw
from cdi.people.audit import choose_period, deliver_worksheet, draw_period, find_draw
from cdi.people.audit_sheet import read_audit_sheet
from cdi.people.worksheets import write_draw_worksheets
from cdi.publish.access import read_access_log
from cdi.publish.audit_pack import make_pack
from tests import inspector
from tests.conftest import RECORD_HEADER, RECORDS, SmallAgency, csv_bytes, nopd_in
from tests.number_contract import find_differences, find_problems, read_figures
from tests.pipeline.test_audit_loop import (
    AUDITORS,
    deliver,
    filled,
    missed,
    published_force,
    run,
    written,
)

ACTIONS = (
    "action_id,recommendation,owner,due_on,done_on,domain,note\n"
    "A1,Train supervisors,Chief,2026-02-01,,force,\n"
    "A2,Read each closure,Chief,2027-02-01,,force,\n"
)
DAYS = (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7))


def read_report(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def assert_contract_holds(folder: Path) -> dict[str, dict[str, Any]]:
    """Hold page, figures.json and published file against each other; returns the figures by id."""
    figures = read_figures(folder)
    assert find_problems(read_report(folder), figures) == []
    assert find_differences(folder) == []
    assert all(figure["base"] and ("sql" in figure or "file" in figure) for figure in figures)
    return {figure["id"]: figure for figure in figures}


def says(page: str) -> str:
    """The text of the page's main part."""
    return " ".join(re.sub(r"<[^>]+>", "", page.partition("<main")[2]).split())


# first, as the fixture below sets for the whole file where agencies are
def test_it_holds_for_real_data(nopd_home: Path) -> None:
    with nopd_in(nopd_home):
        folder = nopd_home / "published" / "nopd" / "current"
        figures = assert_contract_holds(folder)
    assert "published_rates" not in figures  # those are of England and Wales


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """A force with an audit of each of its two days and two actions."""
    with published_force(tmp_path_factory) as force:
        before = force.published.resolve()
        (force.folder / "actions.csv").write_text(ACTIONS, encoding="utf-8")
        for number, days in enumerate(pairwise(DAYS)):
            period = choose_period(force.agency, "frame", *days)
            draw = draw_period(force.agency, period, AUDITORS, logs=60, seed=number)
            write_draw_worksheets(force.agency, draw)
            draw = deliver(force, draw)
        let_two_differ(force, draw)
        assert force.run()
        assert before.is_dir()  # the version without an audit is kept
        yield force


def let_two_differ(force: SmallAgency, draw: Draw) -> None:
    """Let a second reading find no record of a crime; the registrar finds one."""
    auditor = next(filter(None, draw.seconds))
    file = filled(draw, auditor, "_second")
    rows = read_audit_sheet(file)
    log = next(row["call_reference"] for row in rows if row["recorded_count"] == "1")
    deliver_worksheet(force.agency, written(file, missed(rows, log)))
    assert deliver_worksheet(force.agency, filled(draw, "FCR")).read == 1


def assert_bases_are_said(page: str, figures: dict[str, dict[str, Any]]) -> None:
    """Beside numbers that do not count crimes in crime-coded logs, the page says what counts."""
    assert "by whatever route they are reported" in page
    if timed := figures.get("timed_within_24_hours"):  # not if all records are made at once
        known = "Of the crime records whose times are known, with or without a log"
        assert f"{known}, {timed['text']} were made" in page
    assert "This counts cancelled records by any route, with or without a log" in page
    if listed := figures.get("estimate_listed"):  # not if the months of records are too few
        same = figures["all_unrecorded"]
        assert (listed["value"], listed["base"]) == (same["value"], same["base"])


def assert_no_rate_is_shown(folder: Path) -> dict[str, dict[str, Any]]:
    """Before a model is trained no single rate is shown; returns the figures by id."""
    figures = assert_contract_holds(folder)
    assert {"crimes_due", "listed_overdue", "lost", "all_reported"} <= set(figures)
    assert not {"rate_software", "rate_audited", "worst_rate", "all_rate"} & set(figures)
    closures = figures["by_closure"]
    place = closures["columns"].index("recording_rate")
    assert {row[place] for row in closures["rows"]} == {None}
    return figures


def test_it_holds_without_an_audit(told: SmallAgency) -> None:
    assert_no_rate_is_shown(told.published)


def test_it_holds_before_the_first_audit(audited: SmallAgency) -> None:
    newest = audited.published.resolve()
    (before,) = (folder for folder in newest.parent.iterdir() if folder != newest)
    assert {"range_low", "range_high"} <= set(assert_no_rate_is_shown(before))


def test_it_holds_with_audits(audited: SmallAgency) -> None:
    figures = assert_contract_holds(audited.published)
    page = says(read_report(audited.published))
    ((rate, low, high, year),) = audited.rows(
        "select recording_rate, lower_limit, upper_limit, unrecorded_year_count from audited_rates "
        "inner join audits using (draw_id) where domain = 'force' and is_headline"
    )
    assert (
        f"recorded {rate:.1%} of reported crime: measured by an audit, with a 95% confidence "
        f"interval from {low:.1%} to {high:.1%}"
    ) in page
    days = "from 6 January 2026 to 6 January 2026"
    assert f"This is the rate of crimes in crime-coded logs {days}." in page
    assert f"About {round(year, -2):,} crimes a year are not recorded" in page
    assert_bases_are_said(page, figures)
    ((points, lower, upper),) = audited.rows(
        "select change_points, lower_limit, upper_limit from audited_changes where domain = 'force'"
    )
    assert lower < 0 < upper
    assert "Neither better nor worse than at the last audit" in page
    assert f"the change is {points:+.1f} points" in page
    assert "which chance explains" in page
    place = figures["history"]["columns"].index("label")
    labels = [row[place] for row in figures["history"]["rows"]]
    assert labels == ["5 January 2026", "6 January 2026"]
    assert "Chance explains the change since the last audit" in page
    assert "1 of 2 actions is overdue: Train supervisors." in page


def test_it_holds_where_a_rate_is_withheld(small: SmallAgency) -> None:
    """No record names its call, so that a call without a record says nothing."""
    records = [[row[0], "", *row[2:]] for row in RECORDS]
    small.write("records.csv", csv_bytes(RECORD_HEADER, records))
    assert small.run()
    assert small.rows("select bool_and(withheld_reason is not null) from recording_rate") == [
        (True,)
    ]
    figures = assert_contract_holds(small.published)
    assert "No recording rate is shown" in says(read_report(small.published))
    assert not {name for name in figures if name.startswith(("rate_", "range_", "newest_"))}


def test_each_chart_gives_its_figures_as_csv(told: SmallAgency) -> None:
    page = read_report(told.published)
    figures = {figure["id"]: figure for figure in read_figures(told.published)}
    links = re.findall(
        r'download="[^"]*-(\w+)\.csv" href="data:text/csv;charset=utf-8,([^"]*)"', page
    )
    assert len(links) == page.count("<figure>") >= 1
    # the sample agency is made up, and a file that was saved must say so by itself
    assert page.count('download="SIMULATED-testville-') == len(links)
    for name, content in links:
        header, *rows = csv.reader(unquote(content).splitlines())
        assert header == [*figures[name]["columns"], "counted", "version", "data"]
        assert len(rows) == len(figures[name]["rows"])
        # who is sent the file alone sees what is counted, where, and that nobody is real
        version = told.published.resolve().name
        assert {tuple(row[-3:]) for row in rows} == {(figures[name]["base"], version, "SIMULATED")}


@pytest.mark.parametrize(
    ("wanted", "instead", "problem"),
    [
        (r'(data-figure="crimes_due" value=")\d+', r"\g<1>9", "crimes_due: the page says"),
        (r'(data-figure="crimes_due" value="\d+">)\d+', r"\g<1>77", "one label, two numbers"),
        (r'(id="figures".*?<td class="n">)(?=[\d.,%]+</td>)', r"\g<1>1", "one label, two numbers"),
        (r"<h2", "<p>We recorded 4,711.</p><h2", "a number without an id: 4,711"),
        (r"</td></tr>", "</td><td>4,711</td></tr>", "4,711 is in none of its rows"),
        (r'data-figure="lost"', "", "lost is not on the page"),
    ],
)
def test_a_broken_contract_is_noticed(
    told: SmallAgency, wanted: str, instead: str, problem: str
) -> None:
    page = read_report(told.published)
    broken = re.sub(wanted, instead, page, count=1, flags=re.S)
    assert broken != page
    assert problem in " ".join(find_problems(broken, read_figures(told.published)))


def test_a_figure_that_its_query_does_not_give_is_noticed(
    told: SmallAgency, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()
    shutil.copy(told.published / "recording.duckdb", folder)
    text = (told.published / "figures.json").read_text(encoding="utf-8")
    changed = re.sub(r'("id": "crimes_due".*?"value": )\d+', r"\g<1>99", text, flags=re.S)
    (folder / "figures.json").write_text(changed, encoding="utf-8")
    assert [line.partition(":")[0] for line in find_differences(folder)] == ["crimes_due"]


# ---------------------------------------------------------------------- the inspector's pack


@pytest.fixture(scope="module")
def pack(audited: SmallAgency, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack of the newest audit, as the command writes it."""
    folder = tmp_path_factory.mktemp("pack")
    said = run("pack", "testville", "--to", str(folder), "--reason", "inspection 7")
    (file,) = folder.iterdir()
    assert file.name == "SIMULATED_RESTRICTED_audit_testville_frame_20260106_20260107_1.zip"
    assert f"sha256 {inspector.sha256(file.read_bytes())}" in said
    *_, access = read_access_log("testville")
    assert access["reason"] == "inspection 7"
    assert access["what"].startswith("audit pack of the draw frame_20260106_20260107_1, sha256 ")
    assert access["what"].endswith(inspector.sha256(file.read_bytes()))
    return file


@pytest.fixture
def unpacked(pack: Path, tmp_path: Path) -> Path:
    """The pack alone, in an empty folder."""
    return inspector.unpack(pack, tmp_path / "unpacked")


def check(unpacked: Path) -> str:
    """What the pack's own check says, in a process that knows nothing of this project."""
    done = subprocess.run(
        [sys.executable, str(unpacked / "check.py")],
        cwd="/", env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == ("0 wrong" in done.stdout), done.stderr
    return done.stdout


def test_an_inspector_finds_in_the_pack_alone_that_the_audit_is_sound(
    audited: SmallAgency, unpacked: Path
) -> None:
    assert inspector.find_changed(unpacked) == set()
    assert inspector.find_broken_line(unpacked) is None
    lines = inspector.read_register(unpacked)
    (plan,) = (x for x in lines if x["kind"] == "draw" and x["period"].startswith("frame_20260106"))
    assert inspector.hash_frame(unpacked) == plan["frame_hash"]
    sample = inspector.read_csv(unpacked / "draw" / "sample.csv")
    assert inspector.draw_again(unpacked, plan) == [int(row["position"]) for row in sample]
    with inspector.open_tables(unpacked) as con:
        counted = con.execute("select call_id, due_count, recorded_count from audited_logs")
        counts = {log: (due, recorded) for log, due, recorded in counted.fetchall()}
        assert inspector.count_again(unpacked) == counts
        assert counts.keys() == {row["call_id"] for row in sample}
        figures = {figure["id"]: figure for figure in read_figures(unpacked / "version")}
        for name in ("rate_audited", "rate_audited_lower", "rate_audited_upper", "audited_parts"):
            figure = figures[name]
            found = json.loads(json.dumps(con.execute(figure["sql"]).fetchall(), default=str))
            assert found == (figure.get("rows") or [[figure["value"]]])
    # the readings of both auditors, the registrar's decision, and what each of them was shown
    parts = {file.stem.partition("_1_")[2] for file in (unpacked / "findings").iterdir()}
    assert {"1207", "1311", "FCR"} < parts
    assert {file.stem.partition("_1_")[2] for file in (unpacked / "sheets").iterdir()} == parts
    for name in ("report.html", "figures.json"):
        published = (audited.published / name).read_bytes()
        assert (unpacked / "version" / name).read_bytes() == published


def test_the_check_that_is_in_the_pack_says_what_its_page_says(unpacked: Path) -> None:
    said = check(unpacked)
    assert said.endswith("5 of 5 steps hold; 0 wrong, 0 left out.\n")
    page = (unpacked / "CHECK.md").read_text(encoding="utf-8")
    assert page.startswith("RESTRICTED: ")
    assert "SIMULATED" in page.partition("\n")[0]
    steps = re.split(r"^Step \d\n", said.rpartition("5 of 5")[0], flags=re.MULTILINE)[1:]
    assert re.findall(r"```text\n(.*?)\n```", page, re.DOTALL) == [s.rstrip() for s in steps]
    assert check(unpacked) == said  # nothing that it leaves is in the way of the next


def test_the_same_audit_gives_the_same_bytes(audited: SmallAgency, pack: Path) -> None:
    assert make_pack(audited.agency).content == pack.read_bytes()
    with zipfile.ZipFile(pack) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    names = [entry.filename for entry in entries]
    assert names == sorted(names)


def test_the_pack_names_no_log_that_was_not_drawn(audited: SmallAgency, unpacked: Path) -> None:
    drawn = {row["call_id"] for row in inspector.read_csv(unpacked / "draw" / "sample.csv")}
    others = {call_id for (call_id,) in audited.rows("select call_id from fct_calls")} - drawn
    assert len(others) == 240 - 60
    texts = {file: file.read_text("utf-8") for file in unpacked.rglob("*") if file.is_file()}
    # a drawn log's own text may name another one
    found = {
        file.name for file, text in texts.items() if set(re.findall(r"T-\d{4}", text)) & others
    }
    assert found == set()


def test_each_changed_file_is_noticed(unpacked: Path) -> None:
    names = set(inspector.list_files(unpacked))
    assert len(names) > 50
    for name in sorted(names - {"SHA256SUMS"}):
        file = unpacked / name
        content = file.read_bytes()
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert inspector.find_changed(unpacked) == {name}
        file.write_bytes(content)
    (unpacked / "more.txt").touch()
    assert inspector.find_changed(unpacked) == {"more.txt"}
    assert "WRONG: WrongError: listed or there: ['more.txt']" in check(unpacked)


@pytest.mark.parametrize(
    ("name", "before", "after", "wrong"),
    [
        ("register.jsonl", '"seed": 1', '"seed": 2', {2, 3}),
        ("draw/frame.csv", ",0.05,", ",0.06,", {2}),
        ("draw/sample.csv", ",1207,", ",1311,", {2, 4}),
        ("draw/second.csv", ",1,1\n", ",1,0\n", {3}),
        ("findings/frame_20260106_20260107_1_FCR.csv", ",Y,", ",N,", {3, 4}),
        ("tables/audited_logs.csv", ",1,1,1,1,", ",1,0,1,1,", {4}),
        ("tables/audited_rates.csv", ",0.7", ",0.8", {5}),
        ("version/report.html", '<data data-figure="rate_audited" ', "<data ", {1, 5}),
    ],
)
def test_who_changes_a_file_and_the_list_of_files_is_noticed(
    unpacked: Path, name: str, before: str, after: str, wrong: set[int]
) -> None:
    file = unpacked / name
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    inspector.write_sums(unpacked)
    steps = re.split(r"^Step (\d)\n", check(unpacked), flags=re.MULTILINE)[1:]
    said = dict(zip(steps[::2], steps[1::2], strict=True))
    assert {int(step) for step, text in said.items() if "WRONG" in text} == wrong


# last, as it changes the readings
def test_no_pack_is_made_of_readings_that_the_version_does_not_know(
    audited: SmallAgency, tmp_path: Path
) -> None:
    assert "AUDIT-UNKNOWN" in run("pack", "testville", "--draw", "frame_x", "--to", str(tmp_path))
    draw = find_draw(audited.agency)
    file = filled(draw, "FCR")
    rows = read_audit_sheet(file)
    deliver_worksheet(audited.agency, written(file, missed(rows, rows[0]["call_reference"])))
    looked = len(list(read_access_log("testville")))
    said = run("pack", "testville", "--to", str(tmp_path))
    assert "AUDIT-PACK" in said
    assert "the readings give other counts" in said
    assert list(tmp_path.iterdir()) == []
    assert len(list(read_access_log("testville"))) == looked
