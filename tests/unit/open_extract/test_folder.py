"""The files of an open folder: one content in all formats, and pages that people can use."""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cdi.agency.model import Owner
from cdi.open_extract.about import About
from cdi.open_extract.blocks import Quarter
from cdi.open_extract.folder import write_other_files
from cdi.open_extract.page import _warn_of_ages
from cdi.open_extract.tables import TABLES
from cdi.open_extract.write import make_extract, open_for_extract, plan_releases
from cdi.sql import connect, fetch_dicts
from cdi_proofs.attack import Cell, attack_extracts, read_open_folder
from cdi_proofs.open_formats import (
    FORMATS,
    find_unreleased_numbers,
    open_tables,
    read_page_tables,
)
from tests.unit.open_extract.test_blocks import (
    FIRST,
    LIMITS,
    SECOND,
    crime,
    crimes,
    sexual,
    version,
)

CONTACT = Owner(name="Open data desk", email="open-data@example.org")
AUDIT = (date(2017, 1, 1), date(2017, 4, 1), "frame", "force", 0.784, 0.768, 0.799, 400, 400.0)


def release(
    home: Path,
    name: str,
    rows: list[dict[str, Any]],
    as_of: date,
    *,
    before: Path | None = None,
    is_simulated: bool = True,
    contact: Owner | None = None,
    is_audited: bool = False,
    is_taught: bool = True,
    more_groups: Sequence[str] = (),
    kept: str = "",
) -> Path:
    """Make an open folder; releases with one name in `kept` keep their quarters in one place."""
    file = version(
        home / f"{name}.duckdb",
        rows,
        as_of,
        is_simulated=is_simulated,
        is_taught=is_taught,
        more_groups=more_groups,
    )
    if is_audited:
        with connect(file) as con:
            con.execute(
                "insert into measures.audits (draw_id, period_start, period_end, is_headline) "
                "values ('d', $start, $end, true)",
                {"start": AUDIT[0], "end": AUDIT[1]},
            )
            con.execute(
                "insert into measures.audited_rates (draw_id, universe, domain, recording_rate, "
                "lower_limit, upper_limit, audited_crimes, effective_crimes) "
                "values ('d', ?, ?, ?, ?, ?, ?, ?)",
                list(AUDIT[2:]),
            )
    folder = home / name
    with open_for_extract(file) as con:
        kept_in = home / "kept" / (kept or name)
        make_extract(con, "testville", kept_in, folder, contact=contact, before=before)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder for all tests of this file: a released quarter is sealed with a key."""
    folder = tmp_path_factory.mktemp("open")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(folder / "state"))
        yield folder


@pytest.fixture(scope="module")
def full(home: Path) -> Path:
    """A release of one quarter in which counts are withheld, with an audit and a contact."""
    rows = crimes(FIRST) + sexual(60, 9)
    return release(home, "full", rows, date(2017, 5, 2), contact=CONTACT, is_audited=True)


@pytest.fixture(scope="module")
def empty(home: Path) -> Path:
    """A release before the first quarter is settled."""
    return release(home, "empty", crimes(FIRST), date(2017, 4, 2))


def text_of(page: Path) -> str:
    """What a page says, without its tags."""
    text = re.sub(r"</?a\b[^>]*>", "", page.read_text(encoding="utf-8"))  # within a sentence
    text = re.sub(r"(?s)<style>.*?</style>|<[^>]+>", " ", text)
    return re.sub(r"\s+", " ", text)


def table_rows(folder: Path, name: str, form: str) -> list[dict[str, Any]]:
    with open_tables(folder, form) as con:
        return fetch_dicts(con, f"from {name}")


# ---------------------------------------------------------------------- one content


@pytest.mark.parametrize("name", TABLES)
def test_each_format_has_the_same_rows_and_withholds_the_same(full: Path, name: str) -> None:
    by_duckdb, by_parquet, by_csv = (table_rows(full, name, form) for form in FORMATS)
    assert by_csv == by_parquet == by_duckdb
    assert by_csv or name == "n100_incidents"


def test_a_withheld_count_is_an_empty_cell_of_the_csv_file(full: Path) -> None:
    with (full / "crimes.csv").open(encoding="utf-8", newline="") as lines:
        by_csv = list(csv.DictReader(lines))
    by_duckdb = table_rows(full, "crimes", "duckdb")
    withheld = [row["due_count"] is None for row in by_duckdb]
    assert [row["due_count"] == "" for row in by_csv] == withheld
    assert 0 < sum(withheld) < len(withheld)
    assert all("SIMULATED" in row["agency_name"] for row in by_csv)


def test_a_spreadsheet_reads_every_letter_of_the_csv_file_and_runs_no_text(home: Path) -> None:
    """Excel takes a file for UTF-8 only if it begins with the byte order mark."""
    day = FIRST.starts_on
    rows = [crime(day, district, "theft") for district in ("Ynys Môn", "=1+1") for _ in range(30)]
    folder = release(home, "letters", rows, date(2017, 5, 2))
    assert (folder / "crimes.csv").read_bytes().startswith(b"\xef\xbb\xbfagency_name,")
    with (folder / "crimes.csv").open(encoding="utf-8-sig", newline="") as lines:
        districts = {row["district"] for row in csv.DictReader(lines)}
    assert districts == {"Ynys Môn", "'=1+1", "all"}
    # programs that do not know the mark read a file that needs none as before
    assert (folder / "quarters.csv").read_bytes().startswith(b"agency_name,")


def test_all_other_files_are_made_from_the_database_alone(full: Path, tmp_path: Path) -> None:
    """So none of them can show what it withholds, whatever the version's file holds."""
    shutil.copy(full / "open.duckdb", tmp_path)
    calendar = (SECOND, *(Quarter(date(2017, month, 1)) for month in (7, 10)), FIRST_OF_2018)
    write_other_files(tmp_path, About(LIMITS, calendar, CONTACT))
    names = {file.name for file in full.iterdir()}
    assert {file.name for file in tmp_path.iterdir()} == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (full / name).read_bytes(), name


FIRST_OF_2018 = Quarter(date(2018, 1, 1))


# ---------------------------------------------------------------------- the attack


def test_no_format_shows_what_another_withholds(full: Path) -> None:
    found = attack_extracts([read_open_folder(full, form) for form in FORMATS])
    assert len(found.withheld) > 6
    assert (found.recovered, found.told_small, found.changed) == ({}, [], [])
    assert find_unreleased_numbers(full) == {}


def test_the_attack_finds_a_count_that_only_the_csv_file_shows(full: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(full, tmp_path / "open")
    lines = (folder / "crimes.csv").read_text().splitlines()
    two = ",2017-01,B,violence_against_the_person,,,0"  # 2 recorded crimes are withheld
    place = next(number for number, line in enumerate(lines) if line.endswith(two))
    lines[place] = lines[place].replace(",,,0", ",2,2,0")
    (folder / "crimes.csv").write_text("\n".join(lines) + "\n")
    found = attack_extracts([read_open_folder(folder, form) for form in FORMATS])
    violence = ("2017-Q1", "2017-01", "B", "violence_against_the_person", "all")
    assert {Cell(*violence, measure) for measure in ("due", "recorded")} <= found.recovered.keys()
    # its checksum is wrong too, and is a number that nobody released
    assert "datapackage.json" in find_unreleased_numbers(folder)


@pytest.mark.parametrize("name", ["index.html", "README.md", "datapackage.json"])
def test_the_attack_finds_a_number_that_no_table_has(full: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(full, tmp_path / "open")
    page = (folder / name).read_text()
    (folder / name).write_text(page.replace("Zeros are shown", "Of 7,301 zeros some are shown", 1))
    assert find_unreleased_numbers(folder) == {name: ["7,301"]}


def test_the_attack_reads_what_a_page_says_of_itself(full: Path, tmp_path: Path) -> None:
    """Comments, labels, row counts and sizes could give a count away as well."""
    folder = shutil.copytree(full, tmp_path / "open")
    page = (folder / "index.html").read_text()
    planted = "<!-- 7301 --><p aria-label='7302'>7303 rows: crimes (CSV, 7304 kB)</p></main>"
    (folder / "index.html").write_text(page.replace("</main>", planted))
    found = find_unreleased_numbers(folder)
    assert found == {"index.html": ["7301", "7302", "7303", "7304"]}


# ---------------------------------------------------------------------- the data package


def test_the_data_package_keeps_the_rules_of_the_standard(full: Path) -> None:
    """Data Package 2.0, Data Resource 2.0 and Table Schema 2.0 of datapackage.org."""
    package = json.loads((full / "datapackage.json").read_text())
    assert package["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    assert re.fullmatch(r"[-a-z0-9._/]+", package["name"])
    assert all(package[name] for name in ("licenses", "sources", "contributors"))
    for licence in package["licenses"]:  # a name from a list, or a path
        assert (full / licence["path"]).is_file()
    assert all(source["title"] for source in package["sources"])
    for person in package["contributors"]:
        assert person["title"]
        assert isinstance(person["roles"], list)
    names = [resource["name"] for resource in package["resources"]]
    assert len(set(names)) == len(names) == len(TABLES)
    assert any("foreignKeys" in resource["schema"] for resource in package["resources"])
    for resource in package["resources"]:
        assert re.fullmatch(r"[-a-z0-9._/]+", resource["name"])
        path = resource["path"]
        assert not path.startswith(("/", ".", "~"))
        assert ".." not in path
        content = (full / path).read_bytes()
        assert resource["bytes"] == len(content)
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        content.decode(resource["encoding"])
        assert (resource["type"], resource["format"], resource["mediatype"]) == (
            "table",
            "csv",
            "text/csv",
        )
        schema = resource["schema"]
        columns = [column["name"] for column in schema["fields"]]
        assert len(set(columns)) == len(columns)
        assert {column["type"] for column in schema["fields"]} <= {
            "string",
            "integer",
            "number",
            "date",
            "boolean",
        }
        assert schema["missingValues"] == [""]
        assert schema["primaryKey"]
        assert set(schema["primaryKey"]) <= set(columns)
        for key in schema.get("foreignKeys", []):
            assert key["reference"]["resource"] in names
            assert len(key["fields"]) == len(key["reference"]["fields"])


def test_a_csv_file_is_as_the_data_package_says(full: Path) -> None:
    """By Python's csv module: the header, and each value of its column's type."""
    is_of_type = {
        "string": lambda value: True,
        "integer": lambda value: re.fullmatch(r"-?\d+", value),
        "number": lambda value: float(value) is not None,
        "date": lambda value: date.fromisoformat(value),
        "boolean": lambda value: value in ("true", "false"),
    }
    package = json.loads((full / "datapackage.json").read_text())
    values = 0
    for resource in package["resources"]:
        with (full / resource["path"]).open(encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines)
        fields = resource["schema"]["fields"]
        assert header == [column["name"] for column in fields]
        for row in rows:
            for column, value in zip(fields, row, strict=True):
                assert value == "" or is_of_type[column["type"]](value)
                values += value != ""
    assert values > 300


def test_a_declared_key_names_one_row_and_each_quarter_is_known(full: Path) -> None:
    package = json.loads((full / "datapackage.json").read_text())
    with open_tables(full, "csv") as con:
        filled = set()
        for resource in package["resources"]:
            columns = ", ".join(resource["schema"]["primaryKey"])
            (counts,) = con.execute(
                f"select count(*), count(distinct ({columns})) from {resource['name']}"
            ).fetchall()
            assert counts[0] == counts[1]
            if counts[0]:
                filled.add(resource["name"])
            if "foreignKeys" in resource["schema"]:
                unknown = f"select quarter from {resource['name']} except select quarter "
                assert con.execute(unknown + "from quarters").fetchall() == []
    assert filled == set(TABLES)  # or nothing would be proven of an empty one


def test_tables_and_columns_are_described_as_the_comments_do(full: Path) -> None:
    package = json.loads((full / "datapackage.json").read_text())
    with open_tables(full) as con:
        tables = dict(con.execute("select table_name, comment from duckdb_tables()").fetchall())
        columns = {
            (table, column): comment
            for table, column, comment in con.execute(
                "select table_name, column_name, comment from duckdb_columns()"
            ).fetchall()
        }
    assert package["simulated"] is True
    for resource in package["resources"]:
        name = resource["name"]
        assert resource["description"] == tables[name]
        assert resource["description"].startswith("SIMULATED")
        for column in resource["schema"]["fields"]:
            assert column["description"] == columns[name, column["name"]]


# ---------------------------------------------------------------------- the page


def test_the_page_shows_the_released_counts_and_withholds_the_rest(home: Path) -> None:
    few = [("sexual_offences", 3), ("public_order", 2)]
    rows = crimes(FIRST) + [
        crime(FIRST.starts_on, "A", group) for group, count in few for _ in range(count)
    ]
    folder = release(home, "withheld", rows, date(2017, 5, 2), more_groups=["public_order"])
    names = {"public_order": "Public order offences"}  # as the Home Office calls it
    released = {
        names.get(row["offence_group"], row["offence_group"].replace("_", " ").capitalize()): row
        for row in table_rows(folder, "crimes", "parquet")
        if (row["month"], row["district"]) == ("all", "all")
    }
    quarters, groups = read_page_tables(folder / "index.html")
    counts = {"2017-Q1": released.pop("All")} | released
    shown = quarters["rows"] | groups["rows"]
    assert shown.keys() == counts.keys() > {"Public order offences"}
    for name, cells in shown.items():
        expected = [counts[name][f"{measure}_count"] for measure in ("due", "recorded", "missed")]
        assert cells[:3] == ["withheld" if n is None else f"{n:,}" for n in expected]
    assert sum(cells.count("withheld") for cells in shown.values()) > 1


def test_the_headline_says_its_base(full: Path) -> None:
    said = text_of(full / "index.html")
    (total,) = [
        row
        for row in table_rows(full, "crimes", "csv")
        if (row["month"], row["district"], row["offence_group"]) == ("all", "all", "all")
    ]
    recorded, due = total["recorded_count"], total["due_count"]
    assert (recorded, due) == (99 + 60, 108 + 69)
    sentence = (
        f"From January to March 2017, {recorded} of the {due} crimes that should have been "
        f"recorded were recorded: {100 * recorded / due:.0f}%"
    )
    assert sentence in said
    audited = "78.4% of reported crime was recorded (95% confidence interval: 76.8% to 79.9%)"
    assert audited in said
    assert "logs of calls from 1 January 2017 to 31 March 2017" in said
    assert said.index(audited) < said.index(sentence)
    # not only what callers said: partners, officers and web forms report crimes, too
    assert "We count crimes in crime-coded logs, by whatever route they were reported" in said
    assert "callers" not in said


def test_the_page_says_when_each_quarter_was_counted_and_warns_of_different_ages(
    home: Path,
) -> None:
    """The first release counts two quarters on one day, so at ages of 122 and of 31 days."""
    warning = "The quarters were counted at different ages, from"
    third = Quarter(date(2017, 7, 1))
    rows = [*crimes(FIRST), *crimes(SECOND), *crimes(third)]
    late = release(home, "ages", rows, date(2017, 8, 1))
    quarters, groups = read_page_tables(late / "index.html")
    assert [cells[-1] for cells in quarters["rows"].values()] == ["1 August 2017"] * 2
    assert all(len(cells) == 4 for cells in groups["rows"].values())
    days = {row["quarter"]: row["days_after_end"] for row in table_rows(late, "quarters", "csv")}
    assert days == {"2017-Q1": 122, "2017-Q2": 31}
    for page in ("index.html", "README.md"):
        assert f"{warning} 31 to 122 days after their end." in text_of(late / page)
    assert find_unreleased_numbers(late) == {}


def test_quarters_counted_at_about_one_age_need_no_warning() -> None:
    for ages, warns in (([], False), ([30], False), ([30, 37], False), ([30, 38, 31], True)):
        with connect() as con:
            con.execute(
                "create table quarters as select unnest($1::int[]) as days_after_end", [ages]
            )
            assert bool(_warn_of_ages(con)) == warns


def test_the_page_leads_with_the_audit_that_the_report_leads_with(home: Path) -> None:
    """Two audits end on one day; the report leads with the one that was drawn last."""
    file = version(home / "two_audits.duckdb", crimes(FIRST), date(2017, 5, 2))
    with connect(file) as con:
        con.execute(
            "insert into measures.audits (draw_id, universe, period_start, period_end, is_headline)"
            " values ('quarter', 'frame', '2017-01-01', '2017-04-01', true), "
            "('month', 'frame', '2017-03-01', '2017-04-01', false)"
        )
        con.execute(
            "insert into measures.audited_rates (draw_id, universe, domain, recording_rate, "
            "lower_limit, upper_limit, audited_crimes, effective_crimes) values "
            "('quarter', 'frame', 'force', 0.784, 0.768, 0.799, 400, 400), "
            "('month', 'frame', 'force', 0.912, 0.9, 0.93, 400, 400)"
        )
    for draw_id, said in (("quarter", True), ("month", False)):
        with open_for_extract(file) as con:
            make_extract(con, "testville", home / "kept" / "two_audits", home / "two_audits")
        page = text_of(home / "two_audits" / "index.html")
        assert ("Auditors found that 78.4% of reported crime was recorded" in page) == said
        assert "91.2%" not in page
        rates = table_rows(home / "two_audits", "audited_rates", "csv")
        headlines = {row["draw_id"]: row["is_headline"] for row in rates}
        assert headlines[draw_id] is said
        # If the rate of that audit is withheld, no other one takes its place.
        with connect(file) as con:
            con.execute(
                "update measures.audited_rates set effective_crimes = 19 where draw_id = 'quarter'"
            )


def test_nearly_all_and_nearly_none_are_not_written_as_all_and_none(home: Path) -> None:
    rows = [
        crime(FIRST.starts_on, "A", group, outcome=outcome)
        for group, outcome, count in (
            ("theft", "recorded", 2980),
            ("theft", "unrecorded", 10),
            ("robbery", "recorded", 10),
            ("robbery", "unrecorded", 2990),
            ("burglary", "recorded", 40),
        )
        for _ in range(count)
    ]
    folder = release(home, "nearly", rows, date(2017, 5, 2), more_groups=["robbery", "burglary"])
    _, groups = read_page_tables(folder / "index.html")
    assert groups["rows"]["Theft"] == ["2,990", "2,980", "10", "more than 99%"]
    assert groups["rows"]["Robbery"] == ["3,000", "10", "2,990", "less than 1%"]
    assert groups["rows"]["Burglary"] == ["40", "40", "0", "100%"]
    assert find_unreleased_numbers(folder) == {}


def test_what_one_can_learn_comes_before_what_is_withheld(full: Path) -> None:
    for name in ("index.html", "README.md"):
        text = (full / name).read_text()
        assert text.index("What you can learn") < text.index("How small numbers are protected")
        assert "withheld" not in text[: text.index("What you can learn")]


def test_the_page_offers_each_file_with_its_size(full: Path) -> None:
    page = (full / "index.html").read_text()
    offered = dict(
        re.findall(r'<a href="([\w.]+)" download>[\w.]+</a> \([\w ]+, ([\d,]+) kB\)', page)
    )
    files = {file.name: file.stat().st_size for file in full.iterdir()}
    assert offered.keys() == files.keys() - {"index.html", "README.md"}
    for name, size in offered.items():
        assert 0 <= int(size.replace(",", "")) * 1000 - files[name] < 1000


def test_the_page_asks_nothing_of_anybody_and_says_that_it_is_simulated(
    full: Path, home: Path
) -> None:
    page = (full / "index.html").read_text()
    assert not re.search(r"<script|<link|<img|https?://|url\(", page)
    assert page.count("SIMULATED") > 2
    real = release(home, "real", crimes(FIRST), date(2017, 5, 2), is_simulated=False)
    for file in real.iterdir():
        assert b"SIMULATED" not in re.sub(rb"it says SIMULATED", b"", file.read_bytes()), file


def test_an_empty_table_says_what_will_be_there_and_when(empty: Path, home: Path) -> None:
    said = text_of(empty / "index.html")
    assert "No quarter is released yet. The first is 2017-Q1, on 1 May 2017 or soon after." in said
    first = "The first rows may come with the quarter 2017-Q1, on 1 May 2017 or soon after."
    filled_by_quarter = [name for name, table in TABLES.items() if "quarter" in table.key]
    assert said.count(first) == len(filled_by_quarter) == 7
    for name, table in TABLES.items():
        rows = table_rows(empty, name, "csv")
        assert rows or "quarter" in table.key or table.absence in said
    assert find_unreleased_numbers(empty) == {}
    # some stay empty although a quarter is released
    recorded = [row for row in crimes(FIRST) if row["outcome"] == "recorded"]
    without = release(home, "without", recorded, date(2017, 5, 2))
    said = text_of(without / "index.html")
    for name, table in TABLES.items():
        if not table_rows(without, name, "csv"):
            assert table.absence
            assert f"No rows yet. {table.absence}" in said
    assert said.count("No rows yet.") == 2


def test_the_calendar_follows_the_rule_that_releases_a_quarter(full: Path, home: Path) -> None:
    """Each day of the calendar is the first one on which the quarter is released."""
    page = (full / "index.html").read_text()
    calendar = re.findall(
        r'<th scope="row">(\d{4}-Q\d)</th><td>([^<]+)</td><td>(\d+ \w+ \d{4})</td>', page
    )
    assert calendar == [
        ("2017-Q2", "April to June 2017", "31 July 2017"),
        ("2017-Q3", "July to September 2017", "31 October 2017"),
        ("2017-Q4", "October to December 2017", "31 January 2018"),
        ("2018-Q1", "January to March 2018", "1 May 2018"),
    ]
    for day, last in ((date(2017, 7, 30), "2017-Q1"), (date(2017, 7, 31), "2017-Q2")):
        with open_for_extract(version(home / "v.duckdb", crimes(FIRST), day)) as con:
            ripe, upcoming = plan_releases(con, LIMITS["maturity_days"])
        assert ripe[-1].name == last
        assert upcoming[0] == ripe[-1].next


def test_an_agency_that_raises_the_smallest_count_shows_no_smaller_one_and_says_so(
    home: Path,
) -> None:
    """Quarters keep the limit under which they were released."""
    rows = [*crimes(FIRST), *crimes(SECOND)]
    for day, smallest_count in ((date(2017, 5, 2), None), (date(2017, 8, 2), 25)):
        file = version(home / "raised.duckdb", rows, day)
        with open_for_extract(file) as con:
            make_extract(
                con,
                "testville",
                home / "kept" / "raised",
                home / "raised",
                smallest_count=smallest_count,
            )
    quarters = table_rows(home / "raised", "quarters", "csv")
    assert [row["smallest_count"] for row in quarters] == [5, 25]
    shown = {
        quarter: {
            row[f"{measure}_count"] or 0
            for row in table_rows(home / "raised", "crimes", "csv")
            for measure in ("due", "recorded", "missed")
            if row["quarter"] == quarter
        }
        for quarter in ("2017-Q1", "2017-Q2")
    }
    assert 9 in shown["2017-Q1"]  # missed crimes of the quarter
    assert min(shown["2017-Q2"] - {0}) >= 25
    for page in ("index.html", "README.md"):
        said = text_of(home / "raised" / page)
        assert "Counts from 1 to 24 are withheld." in said
        assert "Rates are shown only of 25 crimes or more" in said
        assert "A rate is shown if it is of 25 crimes or more." in said
        assert "20 crimes" not in said
    assert find_unreleased_numbers(home / "raised") == {}
    findings = attack_extracts([read_open_folder(home / "raised", form) for form in FORMATS])
    assert (findings.recovered, findings.told_small) == ({}, [])


def test_no_quarter_is_released_before_the_software_has_learnt_from_an_audit(home: Path) -> None:
    """A settled quarter waits, each page says why, and the first taught version releases it."""
    rows = [*crimes(FIRST), *crimes(SECOND)]
    before, day = date(2017, 5, 2), date(2017, 8, 2)
    untaught = release(home, "untaught", rows, before, is_taught=False, kept="taught_late")
    assert not list((home / "kept" / "taught_late").glob("*"))
    for form in FORMATS:
        assert table_rows(untaught, "quarters", form) == table_rows(untaught, "crimes", form) == []
    assert json.loads((untaught / "datapackage.json").read_text())["held_back"] == ["2017-Q1"]
    for page in ("index.html", "README.md"):
        said = text_of(untaught / page)
        assert "No quarter is released yet. No new quarter is released before the software" in said
        assert "An agency that is never audited releases none." in said
        assert "Settled, and waiting for this: 2017-Q1." in said
        assert "The first is" not in said
    assert find_unreleased_numbers(untaught) == {}

    taught = release(home, "taught", rows, before, before=untaught, kept="taught_late")
    assert [row["quarter"] for row in table_rows(taught, "quarters", "csv")] == ["2017-Q1"]
    assert json.loads((taught / "datapackage.json").read_text())["held_back"] == []
    assert "software has learnt" not in text_of(taught / "index.html")
    shown = table_rows(taught, "crimes", "duckdb")

    # words have changed so much that nothing is known any more: what was released stays
    later = release(home, "lost", rows, day, is_taught=False, before=taught, kept="taught_late")
    assert table_rows(later, "crimes", "duckdb") == shown
    assert json.loads((later / "datapackage.json").read_text())["held_back"] == ["2017-Q2"]
    assert "Settled, and waiting for this: 2017-Q2." in text_of(later / "index.html")


def test_who_answers_questions_is_named_only_if_the_agency_says_so(full: Path, empty: Path) -> None:
    assert 'href="mailto:open-data@example.org"' in (full / "index.html").read_text()
    assert "mailto:" not in (empty / "index.html").read_text()
    assert "this release gives no address for questions" in text_of(empty / "index.html")
    package = json.loads((empty / "datapackage.json").read_text())
    assert [person["roles"] for person in package["contributors"]] == [["publisher"]]


# ---------------------------------------------------------------------- changes


def changes_of(folder: Path) -> list[tuple[str, str]]:
    package = json.loads((folder / "datapackage.json").read_text())
    changes = [(entry["released_on"], entry["change"]) for entry in package["changes"]]
    said = text_of(folder / "index.html")
    for day, change in changes:
        assert f"{date.fromisoformat(day):%-d %B %Y}: {change}" in said
    return changes


def test_the_list_of_changes_goes_on_from_release_to_release(home: Path) -> None:
    both = crimes(FIRST) + crimes(SECOND)
    first = release(home, "change1", both, date(2017, 5, 2), kept="change")
    begun = [("2017-05-02", "This is the first release.")]
    assert changes_of(first) == begun
    # a crime that is recorded late changes nothing that is released
    late = [*both, crime(FIRST.starts_on, "A", "theft")]
    again = release(home, "change2", late, date(2017, 6, 2), before=first, kept="change")
    assert changes_of(again) == begun
    added = release(
        home, "change3", both, date(2017, 8, 2), before=again, is_audited=True, kept="change"
    )
    expected = [
        ("2017-08-02", "The quarter 2017-Q2 was added."),
        ("2017-08-02", "The rates of audits (audited_rates) were added to or changed."),
        *begun,
    ]
    assert changes_of(added) == expected
    assert find_unreleased_numbers(added) == {}


def test_a_quarter_that_was_corrected_or_withdrawn_is_named(home: Path) -> None:
    before = release(home, "wrong", crimes(FIRST), date(2017, 5, 2))
    # what was released is not kept here, so the quarter is counted anew
    more = [*crimes(FIRST), *sexual(60, 30)]
    corrected = release(home, "corrected", more, date(2017, 5, 3), before=before)
    (day, change), _ = changes_of(corrected)
    assert day == "2017-05-03"
    assert change.startswith("Correction: figures of the quarter 2017-Q1 changed in crimes,")
    gone = release(home, "gone", crimes(FIRST), date(2017, 4, 2), before=before)
    assert changes_of(gone)[0] == ("2017-04-02", "The quarter 2017-Q1 was withdrawn.")


def test_a_list_that_cannot_be_read_begins_anew(home: Path, tmp_path: Path) -> None:
    (tmp_path / "open.duckdb").write_bytes(b"no database")
    folder = release(home, "damaged", crimes(FIRST), date(2017, 5, 2), before=tmp_path)
    anew = "This list begins with this release. There were releases before it."
    assert changes_of(folder) == [("2017-05-02", anew)]
