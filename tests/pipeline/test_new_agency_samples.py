"""What `agency new` proposes for samples of real agencies, against what a person mapped by hand.

New Orleans has a shipped folder to compare with; of the others, what is known of their columns and
numbers stands here. The maps of New Orleans are not among those that names are compared with.
"""

import csv
import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdi import paths
from cdi.agency.code_maps import CODE_MAPS
from cdi.agency.load import load_agency
from cdi.onboarding.folder import write_folder
from cdi.onboarding.proposal import AgencyProposal, Settings, propose_agency
from cdi.onboarding.reading import read_file_sample
from cdi.sql import connect

SAMPLES = paths.REPO.parent / "shared" / "data" / "schema_samples"
SHIPPED = paths.REPO / "agencies" / "nopd"
CALLS = "calls_for_service_2022_rtcc_sample.csv.gz"
RECORDS = "electronic_police_report_2022_q1_full.csv.gz"


@pytest.fixture(scope="module")
def agencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of agencies without New Orleans."""
    folder = tmp_path_factory.mktemp("agencies")
    for name in ("ucsd", "simulated"):
        shutil.copytree(paths.REPO / "agencies" / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_AGENCIES", str(folder))
        patch.setenv("CDI_HOME", str(tmp_path_factory.mktemp("state")))
        yield folder


@pytest.fixture
def samples() -> Path:
    if not SAMPLES.is_dir():
        pytest.skip(
            "the samples of schemas (../shared/data/schema_samples) are not on this machine"
        )
    return SAMPLES


def propose(calls: Path, records: Path, is_day_first: bool | None = None) -> AgencyProposal:
    with connect() as con:
        both = {
            "calls": read_file_sample(con, "calls", calls),
            "crime_records": read_file_sample(con, "crime_records", records),
        }
        settings = Settings("proposed", "Proposed", "America/Chicago", is_day_first, "US")
        return propose_agency(con, both, settings)


@pytest.fixture(scope="module")
def new_orleans(nopd_data: Path, agencies: Path) -> AgencyProposal:
    proposal = propose(nopd_data / CALLS, nopd_data / RECORDS)
    write_folder(proposal)
    return proposal


def read_zipped(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def read_sources(file: Path) -> dict[str, dict[str, tuple[str, Any]]]:
    """The source column and the format of each canonical column, by dataset."""
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {
        dataset: {
            name: (value["from"].lower(), value.get("format"))
            if isinstance(value, dict)
            else (value.lower(), None)
            for name, value in source["columns"].items()
        }
        for dataset, source in settings["sources"].items()
    }


def test_the_columns_of_new_orleans_are_those_of_the_shipped_map(
    new_orleans: AgencyProposal, agencies: Path
) -> None:
    assert new_orleans.missing == []
    load_agency("proposed")
    proposed = read_sources(agencies / "proposed" / "agency.yaml")
    assert proposed == read_sources(SHIPPED / "agency.yaml")


def test_the_key_rule_of_new_orleans_joins_what_can_be_joined(
    new_orleans: AgencyProposal, nopd_data: Path
) -> None:
    calls = {row["item_number"] for row in read_zipped(nopd_data / CALLS)}
    records = {row["item_number"] for row in read_zipped(nopd_data / RECORDS)}
    joined = {number for number in records if number.replace("-", "") in calls}
    assert len(joined) > 500
    assert new_orleans.match is not None
    assert new_orleans.match.matched_count == len(joined)
    assert new_orleans.match.record_share == pytest.approx(len(joined) / len(records))


def test_few_rows_of_new_orleans_get_a_wrong_group(
    new_orleans: AgencyProposal, agencies: Path, nopd_data: Path
) -> None:
    columns = {
        "call_types": (CALLS, "Type", "offence_group"),
        "closures": (CALLS, "Disposition", "reason_code"),
        "offences": (RECORDS, "signal_type", "offence_group"),
    }
    for name, (file, code, target) in columns.items():
        shipped, proposed = (
            {row["code"]: row for row in csv.DictReader((folder / f"{name}.csv").open())}
            for folder in (SHIPPED, agencies / "proposed")
        )
        assert set(shipped[next(iter(shipped))]) == set(CODE_MAPS[name])
        rows: Counter[str] = Counter()
        for row in read_zipped(nopd_data / file):
            mine = proposed.get(row[code].strip())
            if mine is None or "unsure" in mine["note"]:
                rows["not proposed"] += 1
            else:
                rows[str(mine[target] == shipped[mine["code"]][target])] += 1
        assert rows["True"] > 0.8 * rows.total(), (name, rows)
        assert rows["False"] < 0.01 * rows.total(), (name, rows)


def test_the_numbers_of_seattle_are_joined(samples: Path, agencies: Path, tmp_path: Path) -> None:
    # one file has both numbers; each half keeps one of them
    with (samples / "seattle_911_incident_response_2016-03.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    halves = {
        "calls": [name for name in rows[0] if name != "General Offense Number"],
        "records": [name for name in rows[0] if not name.startswith("CAD ")],
    }
    for half, names in halves.items():
        with (tmp_path / f"{half}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, names, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    proposal = propose(tmp_path / "calls.csv", tmp_path / "records.csv")
    match = proposal.match
    assert match is not None
    assert (match.matched_count, match.record_share) == (673, 1.0)
    assert match.call_form == "year2_padded_serial"
    # all days are 2 and 3 March, so that the order of day and month is not told
    closed = proposal.mappings["calls"].proposals["closed_at"]
    assert "day and month" in closed.problem
    assert proposal.mappings["calls"].missing == ["received_at", "final_type_code"]


def test_the_milliseconds_of_baltimore_are_proposed(
    samples: Path, agencies: Path, tmp_path: Path
) -> None:
    files = []
    for name in ("baltimore_cfs_2021_arcgis_page", "baltimore_part1_crime_2021_arcgis_page"):
        with gzip.open(samples / f"{name}.json.gz", "rt", encoding="utf-8") as page:
            rows = [feature["attributes"] for feature in json.load(page)["features"]]
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    proposal = propose(*files)
    received = proposal.mappings["calls"].proposals["received_at"]
    assert (received.profile.header, received.is_sure) == ("callDateTime", True)
    assert received.profile.time is not None
    assert received.profile.time.formats == ("epoch_ms",)
    # the published crimes have no number at all
    assert "record_reference" not in proposal.mappings["crime_records"].proposals
    assert proposal.match is None
    offences = next(m for m in proposal.code_maps if m.name == "offences")
    assert offences.proposed_share > 0.8


def test_samples_of_a_few_rows_are_mapped_by_their_names(
    samples: Path, agencies: Path, tmp_path: Path
) -> None:
    files = {}
    for name in ("dallas_active_calls_2021", "sf_incident_reports_2021"):
        with (samples / f"{name}.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        files[name] = tmp_path / f"{name}.csv"
        with files[name].open("w", newline="") as file:  # the last line is cut
            csv.writer(file).writerows(row for row in rows if len(row) == len(rows[0]))
    mappings = propose(*files.values()).mappings
    sources = {
        dataset: {name: p.profile.header for name, p in mapping.proposals.items()}
        for dataset, mapping in mappings.items()
    }
    assert sources["calls"]["call_reference"] == "incident_number"
    assert sources["calls"]["final_type_code"] == "nature_of_call"
    assert sources["crime_records"]["record_reference"] == "incident_number"
    assert sources["crime_records"]["call_reference"] == "cad_number"
    assert sources["crime_records"]["offence_code"] == "incident_code"
    # Dallas has the day and the time of day in two columns
    assert not mappings["calls"].proposals["received_at"].is_sure
