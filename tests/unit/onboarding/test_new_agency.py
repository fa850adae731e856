"""The command `agency new`: what it writes is valid, shows nobody, and never replaces a folder."""

import csv
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cdi import cli
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.patterns import check_patterns
from cdi.console import console
from cdi.errors import AgencyError, CdiError
from cdi.onboarding.proposal import country_of_zone
from cdi.sources.files import fetch_files
from tests.unit.onboarding.invented import (
    PERSONAL,
    RARE,
    invent_calls,
    invent_records,
    write_csv,
)


@pytest.fixture(autouse=True)
def agencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of agencies; lines are long, so that no table is wrapped."""
    folder = tmp_path / "agencies"
    folder.mkdir()
    monkeypatch.setenv("CDI_AGENCIES", str(folder))
    monkeypatch.setattr(console, "width", 300)
    return folder


def run_new(
    folder: Path,
    *options: str,
    name: str = "invented",
    calls: list[dict[str, Any]] | None = None,
    records: list[dict[str, Any]] | None = None,
) -> Result:
    arguments = [
        *("agency", "new", name),
        *("--calls", str(write_csv(folder / "cad export.csv", calls or invent_calls()))),
        *("--crimes", str(write_csv(folder / "rms.csv", records or invent_records()))),
        *(options or ("--timezone", "America/Chicago")),
    ]
    return CliRunner().invoke(cli.app, arguments)


def read_settings(agencies: Path) -> dict[str, Any]:
    text = (agencies / "invented" / "agency.yaml").read_text(encoding="utf-8")
    settings: dict[str, Any] = yaml.safe_load(text)
    return settings


def test_the_folder_passes_check_agency(tmp_path: Path, agencies: Path) -> None:
    done = run_new(tmp_path)
    assert done.exit_code == 0, done.output
    check_patterns(load_agency("invented"))
    checked = CliRunner().invoke(cli.app, ["check-agency", "--agency", "invented"])
    assert checked.exit_code == 0, checked.output
    assert "It is complete" in done.output
    settings = read_settings(agencies)
    assert settings["country"] == "US"
    assert settings["data_root"] == str(tmp_path)
    assert str(settings["start_date"]) == "2026-01-01"
    assert str(settings["coverage"]["end"]) == "2026-02-25"
    assert "# schedule: '@daily'" in (agencies / "invented" / "agency.yaml").read_text()
    assert load_agency("invented").cron == "@daily"
    assert settings["cancelled_statuses"] == ["UNFOUNDED"]
    assert settings["sources"]["calls"]["files"] == [{"path": "cad export.csv"}]
    assert settings["sources"]["calls"]["columns"]["received_at"] == {
        "from": "Time Received",
        "format": "%m/%d/%Y %H:%M",
    }
    assert settings["sources"]["calls"]["columns"]["is_self_initiated"]["true_values"] == ["Y"]
    assert settings["sources"]["crime_records"]["columns"]["call_reference"] == "Report Number"
    assert settings["sources"]["crime_records"]["ignored"] == ["Victim Race"]
    assert settings["sources"]["calls"]["ignored"] == ["Responding"]


def test_the_folder_joins_each_record_to_its_call(tmp_path: Path, agencies: Path) -> None:
    run_new(tmp_path)
    rules = read_settings(agencies)["key_rules"]["call"]

    def read_number(number: str) -> str | None:
        for rule in rules:
            if match := re.fullmatch(rule["pattern"], number):
                return match.expand(rule["canonical"])
        return None

    for call, record in zip(invent_calls()[::3], invent_records(), strict=True):
        key = read_number(call["CAD Event Number"])
        assert key is not None
        assert key == read_number(record["Report Number"])


def test_code_maps_are_proposed_with_counts(tmp_path: Path, agencies: Path) -> None:
    run_new(tmp_path)
    maps = {
        name: list(csv.DictReader((agencies / "invented" / f"{name}.csv").open(encoding="utf-8")))
        for name in ("call_types", "closures", "offences")
    }
    types = {row["code"]: row for row in maps["call_types"]}
    assert set(types) == {"BURG", "ASLT", "ALRM", "ZZ"}
    assert types["BURG"]["offence_group"] == "burglary"
    assert types["ASLT"]["offence_group"] == "violence_against_the_person"
    assert types["ALRM"]["incident_category"] == "alarm"
    assert types["ZZ"]["offence_group"] == types["ZZ"]["incident_category"] == ""
    expected = {code: 0 for code in types}
    for call in invent_calls():
        if call["Nature Code"] in expected:
            expected[call["Nature Code"]] += 1
    noted = {code: int(row["note"].split()[0]) for code, row in types.items()}
    assert noted == expected
    assert list(noted.values()) == sorted(noted.values(), reverse=True)
    offences = {row["code"]: row["offence_group"] for row in maps["offences"]}
    assert offences == {"220": "burglary", "13B": "violence_against_the_person"}
    closures = {
        row["code"]: (row["reason_code"], row["expects_record"]) for row in maps["closures"]
    }
    assert closures["DUPLICATE"] == ("DUPLICATE_LOG", "false")
    assert closures["REPORT WRITTEN"] == ("", "true")


def test_no_value_of_a_person_and_no_rare_code_is_written_or_printed(
    tmp_path: Path, agencies: Path
) -> None:
    done = run_new(tmp_path)
    shown = [done.output]
    shown += [file.read_text(encoding="utf-8") for file in (agencies / "invented").iterdir()]
    assert len(shown) == 5
    values = {
        str(value)
        for rows in (invent_calls(), invent_records())
        for row in rows
        for header, value in row.items()
        if header not in ("Nature Code", "Nature Description", "Disposition", "Offense Code")
        and header not in ("Offense Description", "Case Status", "Officer Initiated", "Victim Race")
    }
    assert len(values) > 1000
    for text in shown:
        for personal in (*PERSONAL, "Quill", "Sam Other", RARE, "Rare thing"):
            assert personal not in text
        words = set(re.findall(r"[\w/:.-]+", text))
        assert not {value for value in values if value and value in words and len(value) > 2}
        assert not {value for value in values if " " in value and value in text}


def test_the_figures_are_printed(tmp_path: Path) -> None:
    lines = run_new(tmp_path).output.splitlines()
    (calls,) = [line for line in lines if line.startswith("calls:")]
    assert "400 rows" in calls
    (closed,) = [line for line in lines if line.startswith("closed_at")]
    assert "66.5%" in closed
    (written,) = [line for line in lines if line.rstrip().endswith("written")]
    assert written.startswith("CAD Event Number")
    assert "100.0%  33.5%  100.0%" in re.sub(r" {2,}", "  ", written)
    (types,) = [line for line in lines if line.startswith("call_types.csv  ")]
    assert re.sub(r" {2,}", "  ", types).strip().endswith("1 codes, 2.2%")
    assert lines[-2].strip() == ".venv/bin/cdi check-agency invented"
    assert lines[-1].strip() == "make run AGENCY=invented"


def test_a_folder_without_codes_leads_to_the_check_that_lists_them(tmp_path: Path) -> None:
    calls = [
        {**row, "Nature Code": f"T{n % 80:02d}", "Nature Description": f"Thing {n % 80:02d}"}
        for n, row in enumerate(invent_calls())
    ]
    done = run_new(tmp_path, calls=calls)
    assert done.exit_code == 0, done.exception or done.output
    assert "have no code yet" in done.output
    assert "  call_types.csv\n" in done.output
    assert "  offences.csv\n" not in done.output
    next_command = ".venv/bin/cdi check-agency invented --connect"
    assert done.output.splitlines()[-2].strip() == next_command
    checked = CliRunner().invoke(cli.app, next_command.split()[1:])
    assert isinstance(checked.exception, AgencyError)
    assert checked.exception.rule_id == "AGENCY-EMPTY-MAP"


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path, agencies: Path) -> None:
    (agencies / "invented").mkdir()
    (agencies / "invented" / "agency.yaml").write_text("mine", encoding="utf-8")
    done = run_new(tmp_path)
    assert isinstance(done.exception, AgencyError)
    assert done.exception.rule_id == "AGENCY-EXISTS"
    assert "choose another name" in done.exception.fix
    assert [file.name for file in (agencies / "invented").iterdir()] == ["agency.yaml"]
    assert (agencies / "invented" / "agency.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "options", "rule_id"),
    [
        ("North County", ("--timezone", "America/Chicago"), "AGENCY-NAME"),
        ("../escaped", ("--timezone", "America/Chicago"), "AGENCY-NAME"),
        ("invented", ("--timezone", "Chicago"), "AGENCY-ZONE"),
        ("invented", ("--country", "Norway"), "AGENCY-OPTION"),
        ("invented", ("--email", "the data team"), "AGENCY-OPTION"),
        ("invented", ("--email", ""), "AGENCY-OPTION"),
        ("invented", ("--title", "x" * 91), "AGENCY-OPTION"),
        ("invented", ("--owner", "x" * 91), "AGENCY-OPTION"),
        ("a" * 91, ("--timezone", "America/Chicago"), "AGENCY-OPTION"),
    ],
)
def test_a_wrong_name_or_option_is_told_before_anything_is_written(
    name: str, options: tuple[str, ...], rule_id: str, tmp_path: Path, agencies: Path
) -> None:
    done = run_new(tmp_path, *options, name=name)
    assert isinstance(done.exception, CdiError)
    assert done.exception.rule_id == rule_id
    assert list(agencies.iterdir()) == []


def test_what_no_sample_tells_is_a_comment_and_is_listed(tmp_path: Path, agencies: Path) -> None:
    calls = [{**row, "Time Received": f"03/{1 + n % 12:02d}/2026"} for n, row in
             enumerate(invent_calls())]  # fmt: skip
    done = run_new(tmp_path, "--title", "Invented Police", calls=calls)
    assert done.exit_code == 0, done.output
    text = (agencies / "invented" / "agency.yaml").read_text(encoding="utf-8")
    assert "# timezone: Europe/London" in text
    assert "# received_at: {from: Time Received, format: '%m/%d/%Y'}" in text
    assert "day and month may be exchanged" in text
    for key in ("timezone", "start_date", "sources.calls.columns.received_at"):
        assert f"  {key}\n" in done.output
    checked = CliRunner().invoke(cli.app, ["check-agency", "--agency", "invented"])
    assert isinstance(checked.exception, AgencyError)
    assert "timezone" in str(checked.exception)


def test_excel_serial_dates_are_a_comment_that_a_person_may_take(
    tmp_path: Path, agencies: Path
) -> None:
    calls = [{**row, "Time Received": f"{46027 + n / 8}"} for n, row in enumerate(invent_calls())]
    run_new(tmp_path, "--timezone", "Europe/London", calls=calls)
    text = (agencies / "invented" / "agency.yaml").read_text(encoding="utf-8")
    line = "# received_at: {from: Time Received, format: excel_serial}  # 100.0%; unsure: "
    assert f"{line}these look like Excel serial dates" in text


def test_a_word_that_yaml_takes_for_a_truth_value_is_quoted(tmp_path: Path) -> None:
    done = run_new(tmp_path, "--timezone", "Europe/Oslo", name="no")
    assert done.exit_code == 0, done.exception or done.output
    agency = load_agency("no")
    assert (agency.agency, agency.country, agency.name) == ("no", "NO", "No")


def test_a_person_may_say_what_stands_first_in_a_date(tmp_path: Path, agencies: Path) -> None:
    calls = [{**row, "Time Received": f"03/{1 + n % 12:02d}/2026"} for n, row in
             enumerate(invent_calls())]  # fmt: skip
    run_new(tmp_path, "--timezone", "Europe/London", "--day-first", calls=calls)
    settings = read_settings(agencies)
    assert settings["country"] == "GB"
    assert settings["sources"]["calls"]["columns"]["received_at"]["format"] == "%d/%m/%Y"
    load_agency("invented")


def test_a_mistake_made_afterwards_is_told(tmp_path: Path, agencies: Path) -> None:
    run_new(tmp_path)
    file = agencies / "invented" / "call_types.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("burglary", "burglery"))
    with pytest.raises(AgencyError, match="burglery"):
        load_agency("invented")


def test_a_source_may_number_its_rows(tmp_path: Path) -> None:
    calls = [{"Row No": 1 + n, **row} for n, row in enumerate(invent_calls())]
    records = [{"row_no": 1 + n, **row} for n, row in enumerate(invent_records())]
    done = run_new(tmp_path, calls=calls, records=records)
    assert done.exit_code == 0, done.exception or done.output
    for dataset, number in (("calls", "Row No"), ("crime_records", "row_no")):
        assert number in load_agency("invented").sources[dataset].ignored


def test_records_that_repeat_a_number_are_many_rows_per_key(tmp_path: Path, agencies: Path) -> None:
    records = invent_records()
    others = [{**row, "Offense Code": "290"} for row in records[:10]]
    run_new(tmp_path, records=[*records, *others])
    assert read_settings(agencies)["sources"]["crime_records"]["rows_per_key"] == "many"


def test_rows_that_are_equal_are_one_row(tmp_path: Path, agencies: Path) -> None:
    records = invent_records()
    run_new(tmp_path, records=[*records, *records[:10]])
    assert "rows_per_key" not in read_settings(agencies)["sources"]["crime_records"]


def test_what_would_stop_the_first_run_is_told(tmp_path: Path) -> None:
    calls = invent_calls()
    for row in calls[10:16]:
        row["CAD Event Number"] = calls[9]["CAD Event Number"]
    done = run_new(tmp_path, calls=calls)
    assert "call_types.csv lacks the codes of 2.2% of the rows, and CALL-07 stops" in done.output
    assert "1.5% of the calls' rows have the number of another row" in done.output
    assert "CRM-04" not in done.output
    assert "no readable" not in done.output


def test_rows_that_lack_a_required_value_are_told(tmp_path: Path, agencies: Path) -> None:
    calls, records = invent_calls(400), invent_records(1200)
    for row in calls[:2]:
        row["Time Received"] = "after the match"
    for row in records[::4]:
        row["Offense Code"] = ""
    output = run_new(tmp_path, calls=calls, records=records).output
    refused = "TYPE-REQUIRED or TYPE-VALUE refuses them, and FILE-03 stops a file above 5%."
    lines = [line for line in output.splitlines() if "no readable" in line]
    assert lines == [
        f"calls: 0.5% of the rows have no readable received_at (Time Received): {refused}",
        f"crime_records: 25.0% of the rows have no readable offence_code (Offense Code): {refused}",
    ]
    text = (agencies / "invented" / "agency.yaml").read_text(encoding="utf-8")
    (received,) = [line for line in text.splitlines() if "received_at:" in line]
    assert received.endswith("# 100.0%; reads 99.5%")


def test_files_in_two_folders_have_the_folder_above_as_root(tmp_path: Path, agencies: Path) -> None:
    (tmp_path / "cad").mkdir()
    calls = write_csv(tmp_path / "cad" / "calls.csv", invent_calls())
    records = write_csv(tmp_path / "records.csv", invent_records())
    arguments = ["agency", "new", "invented", "--calls", str(calls), "--crimes", str(records)]
    assert CliRunner().invoke(cli.app, arguments).exit_code == 0
    settings = read_settings(agencies)
    assert settings["data_root"] == str(tmp_path)
    assert settings["sources"]["calls"]["files"] == [{"path": "cad/calls.csv"}]


def test_a_file_with_brackets_in_its_name_or_folder_is_found_by_the_run(
    tmp_path: Path, agencies: Path
) -> None:
    folder = tmp_path / "data [2026]"
    (folder / "cad [old]").mkdir(parents=True)
    calls = write_csv(folder / "cad [old]" / "calls [1].csv", invent_calls())
    records = write_csv(folder / "records.csv", invent_records())
    assert find_files(calls, records) == ["cad [old]/calls [1].csv", "records.csv"]


def test_braces_in_the_name_of_a_folder_are_refused_where_they_would_stand_for_a_day(
    tmp_path: Path, agencies: Path
) -> None:
    """Below data_root they are a part of the file's pattern; data_root itself is a plain text."""
    folder = tmp_path / "{date}"
    (folder / "cad").mkdir(parents=True)
    calls = write_csv(folder / "cad" / "calls.csv", invent_calls())
    records = write_csv(tmp_path / "records.csv", invent_records())
    arguments = ["agency", "new", "invented", "--calls", str(calls), "--crimes", str(records)]
    done = CliRunner().invoke(cli.app, [*arguments, "--timezone", "America/Chicago"])
    assert isinstance(done.exception, CdiError)
    assert done.exception.rule_id == "SRC-FORMAT"
    assert "the folder name {date}/cad has braces" in done.exception.message
    assert not (agencies / "invented").exists()
    records = write_csv(folder / "records.csv", invent_records())
    assert find_files(calls, records) == ["cad/calls.csv", "records.csv"]


def test_a_link_out_of_its_folder_stands_for_the_file_that_it_leads_to(
    tmp_path: Path, agencies: Path
) -> None:
    for folder in ("links", "exports"):
        (tmp_path / folder).mkdir()
    write_csv(tmp_path / "exports" / "cad_0107.csv", invent_calls())
    calls = tmp_path / "links" / "calls.csv"
    calls.symlink_to(tmp_path / "exports" / "cad_0107.csv")
    # a link beside its file is read anew by each run, and so it stays
    write_csv(tmp_path / "exports" / "rms_0107.csv", invent_records())
    records = tmp_path / "exports" / "newest.csv"
    records.symlink_to("rms_0107.csv")
    assert find_files(calls, records) == ["cad_0107.csv", "newest.csv"]


def find_files(calls: Path, records: Path) -> list[str]:
    """Propose an agency of two files, and tell which files a run finds."""
    arguments = ["agency", "new", "invented", "--calls", str(calls), "--crimes", str(records)]
    done = CliRunner().invoke(cli.app, [*arguments, "--timezone", "America/Chicago"])
    assert done.exit_code == 0, done.exception or done.output
    agency = load_agency("invented")
    days = Interval(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    with TemporaryDirectory() as folder:
        return [
            fetch_files(agency, dataset, days, Path(folder))[0][0].name
            for dataset in ("calls", "crime_records")
        ]


def test_an_export_of_windows_is_read_and_its_encoding_written(
    tmp_path: Path, agencies: Path
) -> None:
    calls = write_csv(tmp_path / "calls.csv", invent_calls())
    told = calls.read_text(encoding="utf-8").replace("Responding", "Répondant")
    calls.write_bytes(told.encode("cp1252"))
    records = write_csv(tmp_path / "records.csv", invent_records())
    arguments = ["agency", "new", "invented", "--calls", str(calls), "--crimes", str(records)]
    arguments += ["--timezone", "America/Chicago"]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert "calls: the file is not UTF-8, and was read as windows-1252" in done.output
    sources = load_agency("invented").sources
    assert sources["calls"].encoding == "windows-1252"
    assert sources["calls"].ignored == ("Répondant",)
    assert sources["crime_records"].encoding is None


def test_the_country_of_a_zone_is_known() -> None:
    assert country_of_zone("Europe/London") == "GB"
    assert country_of_zone("Nowhere/Nothing") == ""
    assert country_of_zone("") == ""


def test_the_days_of_calls_are_those_of_the_agency_s_own_clock(
    tmp_path: Path, agencies: Path
) -> None:
    """In Chicago the first call came on 31 December, and the last on 9 January."""
    # from 3am UTC on 1 January to 3am on 10 January
    times = [datetime(2026, 1, 1, 3) + timedelta(hours=hour) for hour in range(217)]
    calls = [
        {"Event Number": f"E{place:06d}", "Time Received": f"{time:%FT%TZ}", "Type": "A"}
        for place, time in enumerate(times)
    ]
    done = run_new(tmp_path, calls=calls)
    assert done.exit_code == 0, done.output
    settings = read_settings(agencies)
    assert str(settings["start_date"]) == "2025-12-01"
    assert str(settings["coverage"]["end"]) == "2026-01-10"
