"""The registry: every shipped agency is valid, and a broken folder says file, key and fix."""

import codecs
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from typer.testing import CliRunner

from cdi import cli, files
from cdi.agency.code_maps import ACTION_COLUMNS, CODE_MAPS, check_needed_maps
from cdi.agency.load import (
    BrokenAgency,
    agency_names,
    load_agency,
    load_each_agency,
    load_valid_agencies,
)
from cdi.agency.model import Agency
from cdi.agency.patterns import check_patterns
from cdi.errors import AgencyError
from tests.broken import BREAKAGES, copy_agency
from tests.conftest import SmallAgency
from tests.postgres import read_by_sql


def read_records_on_calls(settings: dict[str, Any], **columns: Any) -> dict[str, Any]:
    """Let calls bear the numbers of their records; gives the source of calls."""
    settings["crime_records"] = "on_calls"
    del settings["sources"]["crime_records"]
    source: dict[str, Any] = settings["sources"]["calls"]
    source["columns"].update({"record_reference": "number", **columns})
    return source


def read_live(settings: dict[str, Any], **changes: Any) -> None:
    """Let calls come from a live source, by days unless a change says otherwise."""
    source = settings["sources"]["calls"]
    source.pop("files")
    source.update({"delivery": "days", "days": 35, **changes})


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str, str]] = {
    "an unknown key": (lambda s: s.update(tiemzone="x"), "tiemzone", "correct its spelling"),
    "a schedule in words": (
        lambda s: s.update(schedule="every day at noon"),
        "schedule",
        "five fields of cron",
    ),
    "a schedule that never comes": (
        lambda s: s.update(schedule="0 6 30 2 *"),
        "schedule",
        "failed to find next date",
    ),
    "a name that Airflow has no room for": (
        lambda s: s.update(name="x" * 91),
        "name",
        "at most 90",
    ),
    "a missing key": (lambda s: s.pop("licence"), "licence", "add it"),
    "an unknown time zone": (lambda s: s.update(timezone="London"), "timezone", "Europe/London"),
    "an unknown dataset": (
        lambda s: s["sources"].update(arrests=s["sources"]["calls"]),
        "sources.arrests",
        "known are calls, crime_records, log_actions",
    ),
    "a missing dataset": (
        lambda s: s["sources"].pop("crime_records"),
        "sources.crime_records",
        "calls and crime_records are needed",
    ),
    "an unknown column": (
        lambda s: s["sources"]["calls"]["columns"].update(gender="sex"),
        "sources.calls.columns.gender",
        "unknown column",
    ),
    "a required column that is not mapped": (
        lambda s: s["sources"]["calls"]["columns"].pop("received_at"),
        "sources.calls.columns.received_at",
        "this column is required",
    ),
    "a required column of an optional dataset that is not mapped": (
        lambda s: s["sources"].update(
            log_actions={**s["sources"]["calls"], "columns": {"call_reference": "number"}}
        ),
        "sources.log_actions.columns.sequence_number",
        "this column is required",
    ),
    "a time without a format": (
        lambda s: s["sources"]["calls"]["columns"].update(received_at="received"),
        "sources.calls.columns.received_at.format",
        "e.g. '%Y-%m-%d %H:%M:%S'",
    ),
    "a time with the name of a zone": (
        lambda s: s["sources"]["calls"]["columns"].update(
            received_at={"from": "received", "format": ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M %Z"]}
        ),
        "sources.calls.columns.received_at.format: %Z",
        "give the offset (%z)",
    ),
    "key rules of nothing that has a reference": (
        lambda s: s.update(key_rules={"calls": s["key_rules"]["call"]}),
        "key_rules",
        "unknown: calls; known are call, record",
    ),
    "rows chosen by no column": (
        lambda s: s["sources"]["calls"].update(rows={"matches": "T.*"}),
        "sources.calls.rows.from",
        "add it",
    ),
    "an unknown delivery": (
        lambda s: s["sources"]["calls"].update(delivery="often"),
        "sources.calls.delivery",
        "'snapshot', 'changes' or 'days'",
    ),
    "no kind of source": (
        lambda s: s["sources"]["calls"].pop("files"),
        "sources.calls",
        "give exactly one of files, sql, socrata, arcgis, ckan, opendatasoft",
    ),
    "two kinds of one source": (
        lambda s: s["sources"]["calls"].update(sql={"relation": "calls"}),
        "sources.calls",
        "give exactly one of files, sql",
    ),
    "a database without a connection": (
        lambda s: read_live(s, sql={"relation": "calls"}),
        "sources.calls",
        "connection: missing",
    ),
    "a relation and a query": (
        lambda s: read_live(s, sql={"relation": "calls", "query": "calls.sql"}),
        "sources.calls.sql",
        "give either relation or query",
    ),
    "a query elsewhere than beside agency.yaml": (
        lambda s: read_live(s, sql={"query": "../calls.sql"}),
        "sources.calls.sql.query",
        "match",
    ),
    "changes of a database": (
        lambda s: read_live(s, sql={"relation": "calls"}, delivery="changes", days=None),
        "sources.calls",
        "delivery: changes is for files",
    ),
    "a snapshot of a portal": (
        lambda s: read_live(
            s, ckan={"domain": "a", "resource": "b"}, delivery="snapshot", days=None
        ),
        "sources.calls",
        "delivery: snapshot is not for a portal's API; give days",
    ),
    "a layer that never ends before the next one": (
        lambda s: read_live(s, arcgis=[{"layer": "https://a/0"}, {"layer": "https://a/1"}]),
        "sources.calls.arcgis",
        "layer 1 of 2 has no `until`",
    ),
    "a last layer that ends": (
        lambda s: read_live(s, arcgis=[{"layer": "https://a/0", "until": "2026-01-01"}]),
        "sources.calls.arcgis",
        "no row from 2026-01-01 on would be read",
    ),
    "layers in the wrong order": (
        lambda s: read_live(
            s,
            arcgis=[
                {"layer": "https://a/0", "until": "2026-01-01"},
                {"layer": "https://a/1", "until": "2025-01-01"},
                {"layer": "https://a/2"},
            ],
        ),
        "sources.calls.arcgis",
        "put the oldest layer first",
    ),
    "days of files": (
        lambda s: s["sources"]["calls"].update(delivery="days", days=3),
        "sources.calls",
        "delivery: days is for databases and APIs",
    ),
    "days without their number": (
        lambda s: read_live(s, ckan={"domain": "a", "resource": "b"}, days=None),
        "sources.calls",
        "days: give it with delivery: days",
    ),
    "days of a dataset without a time": (
        lambda s: (
            read_live(s, ckan={"domain": "a", "resource": "b"}),
            s["sources"].update(
                audit_findings={
                    **s["sources"]["calls"],
                    "columns": {
                        "call_reference": "number",
                        "crime_number": "n",
                        "offence_class": "c",
                    },
                }
            ),
        ),
        "sources.audit_findings.columns",
        "give `delivery: snapshot` instead",
    ),
    "a coverage that ends before it starts": (
        lambda s: s.update(coverage={"start": "2026-01-07", "end": "2026-01-05"}),
        "coverage",
        "end must be after start",
    ),
    "records on calls, and a column from nowhere": (
        lambda s: read_records_on_calls(s, district={"form": "District"}),
        "sources.calls.columns.district.from",
        "missing: add it",
    ),
    "records on calls, and a column that is left empty": (
        lambda s: read_records_on_calls(s, district=None),
        "sources.calls.columns.district",
        "valid dictionary",
    ),
    "records on calls, and a column that is a number": (
        lambda s: read_records_on_calls(s, district=5),
        "sources.calls.columns.district",
        "valid dictionary",
    ),
    "records on calls, and a record number that is no column": (
        lambda s: read_records_on_calls(s, record_reference=5),
        "(file)",
        "record numbers in one column",
    ),
    "records on calls, and nothing ignored": (
        lambda s: read_records_on_calls(s).update(ignored=None),
        "sources.calls.ignored",
        "valid tuple",
    ),
    "records on calls, and a list of columns": (
        lambda s: read_records_on_calls(s).update(columns=["number"]),
        "sources.calls.columns",
        "valid dictionary",
    ),
    "records on calls, and no columns": (
        lambda s: read_records_on_calls(s).pop("columns"),
        "sources.calls.columns",
        "missing: add it",
    ),
    "another name than the folder's": (lambda s: s.update(agency="other"), "agency", "same name"),
}


@pytest.mark.parametrize("name", agency_names())
def test_every_agency_of_the_repository_is_valid(name: str) -> None:
    agency = load_agency(name)
    assert agency.agency == name
    assert {"calls", "crime_records"} <= set(agency.sources)
    check_needed_maps(agency)


def test_there_is_an_agency_to_check() -> None:
    assert {"nopd", "simulated"} <= set(agency_names())


@pytest.mark.parametrize("case", BROKEN)
def test_an_error_names_file_key_and_fix(small: SmallAgency, case: str) -> None:
    break_it, key, fix = BROKEN[case]
    break_it(small.settings)
    small.write_settings()
    with pytest.raises(AgencyError) as caught:
        load_agency("testville")
    message = str(caught.value)
    assert str(small.folder / "agency.yaml") in message
    assert key in message
    assert fix in message


def test_an_extract_without_a_group_is_told_as_it_would_empty_the_column(
    small: SmallAgency,
) -> None:
    columns = small.settings["sources"]["calls"]["columns"]
    columns["district"] = {"from": "district", "extract": "[A-Z]+([0-9])"}
    small.write_settings()
    check_patterns(load_agency("testville"))
    columns["district"]["extract"] = "[A-Z]+[0-9]"
    small.write_settings()
    with pytest.raises(AgencyError) as caught:
        check_patterns(load_agency("testville"))
    assert (
        "key `sources.calls.columns.district.extract`: '[A-Z]+[0-9]' is not a regular expression "
        "(RE2) with a group"
    ) in str(caught.value)


def test_all_problems_are_reported_at_once(small: SmallAgency) -> None:
    small.settings.pop("licence")
    small.settings["colour"] = "blue"
    small.write_settings()
    with pytest.raises(AgencyError) as caught:
        load_agency("testville")
    assert "licence" in str(caught.value)
    assert "colour" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("call_types.csv", "theft", "larceny", ":4: offence_group 'larceny' is not one of"),
        ("call_types.csv", "code,", "kode,", ":1: header must be code,name"),
        (
            "call_types.csv",
            "NOISE,Noise",
            "THEFT,Noise",
            ":4: code 'THEFT' is blank or there twice",
        ),
        ("call_types.csv", "ASSAULT,Assault", "ASSAULT,Assault, common", "does not have 8 fields"),
        ("call_types.csv", "asb_nuisance", "noise", ":3: incident_category 'noise' is not one of"),
        ("closures.csv", "DUPLICATE_LOG", "BECAUSE", ":4: reason_code 'BECAUSE' is not one of"),
        ("offences.csv", "false,false", "no,false", ":2: is_rape 'no' is not one of"),
    ],
)
def test_a_code_map_error_names_file_line_and_value(
    small: SmallAgency, file: str, old: str, new: str, problem: str
) -> None:
    path = small.folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(AgencyError) as caught:
        load_agency("testville")
    assert file in str(caught.value)
    assert problem in str(caught.value)


def test_an_unknown_agency_names_the_known_ones(small: SmallAgency) -> None:
    with pytest.raises(AgencyError, match="choose one of testville"):
        load_agency("atlantis")


UMLAUT = "Schlägerei".encode("cp1252")


@pytest.mark.parametrize(
    ("file", "old", "new", "rule_id", "problem"),
    [
        ("agency.yaml", b"agency: broken", b"agency: [", "AGENCY-SCHEMA", "is not YAML"),
        (
            "agency.yaml",
            b"licence:",
            b"licence: none\nlicence:",
            "AGENCY-SCHEMA",
            "the key 'licence' is there twice",
        ),
        ("agency.yaml", b"Testville", UMLAUT, "AGENCY-SCHEMA", "save it as UTF-8"),
        ("agency.yaml", b"'2026-01-05'", b"2026-02-30", "AGENCY-SCHEMA", "day"),
        ("call_types.csv", b"Assault", UMLAUT, "AGENCY-CODES", "save it as UTF-8"),
        ("call_types.csv", b"Noise", b'"Noise"s', "AGENCY-CODES", ":3: is not a line of CSV"),
        ("closures.csv", b"None", b'"None', "AGENCY-CODES", ":3: is not a line of CSV"),
        ("actions.csv", b"Ask", UMLAUT, "AGENCY-ACTIONS", "save it as UTF-8"),
        ("actions.csv", b"Ask", b'"Ask"s', "AGENCY-ACTIONS", ":2: is not a line of CSV"),
    ],
)
def test_a_broken_agency_stops_nobody_else(
    small: SmallAgency, file: str, old: bytes, new: bytes, rule_id: str, problem: str
) -> None:
    small.write_text("actions.csv", f"{','.join(ACTION_COLUMNS)}\nA1,Ask,Ops,2026-03-31,,force,\n")
    broken = small.folder.parent / "broken"
    shutil.copytree(small.folder, broken)
    settings = small.settings | {"agency": "broken"}
    (broken / "agency.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert [agency.agency for agency in load_valid_agencies()] == ["broken", "testville"]
    content = (broken / file).read_bytes()
    assert old in content
    (broken / file).write_bytes(content.replace(old, new, 1))
    assert [agency.agency for agency in load_valid_agencies()] == ["testville"]
    with pytest.raises(AgencyError) as caught:
        load_agency("broken")
    assert caught.value.rule_id == rule_id
    assert str(broken / file) in str(caught.value)
    assert problem in str(caught.value)


def test_whatever_is_wrong_with_an_agency_is_told_and_stops_nobody_else(
    small: SmallAgency,
) -> None:
    folders = {name: copy_agency(small, name) for name in BREAKAGES}
    everybody = {*BREAKAGES, "testville"}
    assert {agency.agency for agency in load_valid_agencies()} == everybody
    for name, break_folder in BREAKAGES.items():
        break_folder(folders[name])
    assert set(agency_names()) == everybody
    loaded = list(load_each_agency())
    assert [agency.agency for agency in loaded if isinstance(agency, Agency)] == ["testville"]
    problems = {b.agency_id: b.problem for b in loaded if isinstance(b, BrokenAgency)}
    for name, folder in folders.items():
        assert str(folder) in problems[name]
        assert "Next step" in problems[name]
    for name, rule_id in (
        ("settings_are_a_pipe", "AGENCY-UNREADABLE"),
        ("folder_leads_to_itself", "AGENCY-UNREADABLE"),
        ("settings_are_nested", "AGENCY-SCHEMA"),
        ("map_is_a_pipe", "AGENCY-CODES"),
        ("register_leads_to_itself", "AGENCY-ACTIONS"),
    ):
        assert f"[{rule_id}]" in problems[name]


def test_an_agency_that_may_not_be_read_or_that_meets_an_unforeseen_error_is_told(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal of the system is played."""
    refused = PermissionError(errno.EACCES, "Permission denied", str(small.folder))
    for error, said in (
        (refused, "[AGENCY-UNREADABLE]"),
        (RecursionError("too deep"), "[AGENCY-SCHEMA]"),
        (KeyError("unforeseen"), "KeyError: 'unforeseen'"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", Mock(side_effect=error))
            (broken,) = load_each_agency()
        assert isinstance(broken, BrokenAgency)
        assert said in broken.problem
    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", Mock(side_effect=refused))
        (small.folder.parent / "lost+found").mkdir()
        assert agency_names() == ["testville"]
        (broken,) = load_each_agency()
    assert isinstance(broken, BrokenAgency)
    assert "[AGENCY-UNREADABLE]" in broken.problem


@pytest.mark.parametrize("loader", ["libyaml", "python"])
def test_deep_nesting_is_told_whichever_parser_reads_it(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch, loader: str
) -> None:
    if loader == "python":
        monkeypatch.setattr(files, "_YAML_LOADER", yaml.SafeLoader)
    small.write_text("agency.yaml", f"name: {'[' * 100_000}")
    with pytest.raises(AgencyError, match="AGENCY-SCHEMA"):
        load_agency("testville")


def test_a_code_map_may_have_the_mark_that_spreadsheets_put_before_utf8(
    small: SmallAgency,
) -> None:
    file = small.folder / "call_types.csv"
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    assert load_agency("testville")


@pytest.mark.parametrize("schedule", ["@daily", "@quarterly", "0 6 * * mon-fri", "0 0 29 2 *"])
def test_what_airflow_takes_as_a_schedule_is_taken(small: SmallAgency, schedule: str) -> None:
    small.settings["schedule"] = schedule
    small.write_settings()
    assert small.agency.cron == schedule


def test_a_live_agency_is_extracted_hourly_and_one_with_files_daily(small: SmallAgency) -> None:
    assert small.agency.cron == "@daily"
    files = {name: dict(each) for name, each in small.settings["sources"].items()}
    read_by_sql(small)
    del small.settings["schedule"]
    small.write_settings()
    assert small.agency.cron == "@hourly"
    small.settings["schedule"] = "0 6 * * *"
    small.write_settings()
    assert small.agency.cron == "0 6 * * *"
    del small.settings["schedule"]
    small.settings["sources"]["crime_records"] = files["crime_records"]
    small.write_settings()
    assert small.agency.cron == "@daily"  # one of two comes as files
    read_by_sql(small)
    del small.settings["schedule"]
    calls = small.settings["sources"]["calls"]
    calls["delivery"] = "snapshot"  # a live table that is read whole is no load for each hour
    del calls["days"]
    small.write_settings()
    assert small.agency.cron == "@daily"


def test_a_name_too_long_for_airflows_tags_is_told(small: SmallAgency) -> None:
    longest, too_long = "a" * 90, "a" * 91
    for name in (longest, too_long):
        copy_agency(small, name)
    assert load_agency(longest)
    with pytest.raises(AgencyError, match=r"key `agency`: .* at most 90"):
        load_agency(too_long)


@pytest.mark.parametrize("count", [-1, 0, 4, 101])
def test_an_agency_may_only_withhold_more_of_its_open_extract(
    small: SmallAgency, count: int
) -> None:
    """The limit of all agencies is 5 (rules.disclosure_limits)."""
    for taken in (5, 100):
        small.settings["open_extract"] = {"smallest_count": taken}
        small.write_settings()
        assert small.agency.open_extract.smallest_count == taken
    small.settings["open_extract"] = {"smallest_count": count}
    small.write_settings()
    with pytest.raises(AgencyError, match=r"(?s)AGENCY-SCHEMA.*`open_extract\.smallest_count`"):
        _ = small.agency
    del small.settings["open_extract"]


def test_a_map_without_codes_is_told_if_the_source_has_codes(small: SmallAgency) -> None:
    checked = CliRunner().invoke(cli.app, ["check-agency", "--agency", "testville"])
    assert (checked.exit_code, "look" in checked.output) == (0, False)
    small.write_text("closures.csv", f"{','.join(CODE_MAPS['closures'])}\n")
    checked = CliRunner().invoke(cli.app, ["check-agency", "--agency", "testville"])
    assert checked.exit_code == 0
    (told,) = [line for line in checked.output.splitlines() if line.startswith("look")]
    assert told.startswith("look  closures.csv has no code yet")
    del small.settings["sources"]["calls"]["columns"]["disposition_code"]
    small.write_settings()
    checked = CliRunner().invoke(cli.app, ["check-agency", "--agency", "testville"])
    assert (checked.exit_code, "look" in checked.output) == (0, False)


@pytest.mark.parametrize("options", [[], ["--connect"]])
def test_without_call_types_or_offences_the_check_fails(
    small: SmallAgency, options: list[str]
) -> None:
    arguments = ["check-agency", "--agency", "testville", *options]
    for name in ("call_types", "offences"):
        small.write_text(f"{name}.csv", f"{','.join(CODE_MAPS[name])}\n")
    checked = CliRunner().invoke(cli.app, arguments)
    assert isinstance(checked.exception, AgencyError)
    assert checked.exception.rule_id == "AGENCY-EMPTY-MAP"
    assert "check-agency testville --connect" in checked.exception.fix
    for name in ("call_types", "offences"):
        assert f"{small.folder / name}.csv: has no code yet" in checked.exception.message
    assert "is valid" not in checked.output
    # an agency without crime records has no offences, though its auditors would write some
    small.settings["crime_records"] = "none"
    del small.settings["sources"]["crime_records"]
    small.write_settings()
    checked = CliRunner().invoke(cli.app, arguments)
    assert isinstance(checked.exception, AgencyError)
    assert "offences.csv" not in checked.exception.message
    types = f"{','.join(CODE_MAPS['call_types'])}\nNOISE,Noise,,false,false,asb_nuisance,,\n"
    small.write_text("call_types.csv", types)
    checked = CliRunner().invoke(cli.app, arguments)
    assert "AGENCY-EMPTY-MAP" not in str(checked.exception)
    assert "offences.csv" not in checked.output
