"""The shipped agencies that are read from portals, each from a portal on loopback to staging.

The columns are written here by hand, as notes and samples of the real portals have them, and not
taken from agency.yaml. All rows are invented.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
import yaml

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.landing.batches import accepted_batches
from cdi.steps.extract import check_landing, extract
from tests.conftest import SmallAgency, staged
from tests.faulty_server import DATASET, Portal, Row, open_portal

REGION = ":@computed_region_kuhn_3gp2"  # the portal's own, in every dataset with a place

BY_CALL = "calls.call_no = records.call_no"  # the record names its call
BY_RECORD = "calls.record_no = records.crime_record_id"  # the call names its record


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class City:
    """What a city's portal holds, and what must come of it.

    Attributes:
        columns: Kinds of the columns, by dataset.
        rows: The rows, by dataset; of ArcGIS by dataset and layer. Absent columns are null.
        until: The day after the last one that is read.
        now: The portal's clock.
        calls: Canonical number, time of receipt in UTC and final type of each call.
        records: Canonical number of record and of its call, time of the report in UTC, offence.
        joined: The pairs of call and record, by their canonical numbers.
        joins: Each condition by which staging must find these pairs.
    """

    columns: dict[str, dict[str, str]]
    rows: dict[str, Any]
    until: date
    now: datetime
    calls: list[tuple[Any, ...]]
    records: list[tuple[Any, ...]]
    joined: list[tuple[str, str]]
    joins: tuple[str, ...] = (BY_CALL,)


def kinds(text: str = "", local: str = "", **others: str) -> dict[str, str]:
    """The kinds of columns, from their names in one text for each kind."""
    return dict.fromkeys(text.split(), "text") | dict.fromkeys(local.split(), "local") | others


# 30 October is summer time, 2 November is not: the clocks went back on 1 November 2026.
CITIES = {
    "seattle": City(
        columns={
            "calls": kinds(
                "cad_event_number cad_event_clearance_description call_type priority "
                "initial_call_type final_call_type cad_event_response_category "
                "call_sign_dispatch_id dispatch_precinct dispatch_sector dispatch_beat "
                "dispatch_neighborhood dispatch_reporting_area dispatch_address "
                "dispatch_latitude dispatch_longitude count_of_officers event_group "
                f"call_type_indicator call_type_received_classification {REGION}",
                "cad_event_original_time_queued cad_event_arrived_time "
                "call_sign_dispatch_time first_spd_call_sign_at_scene_time "
                "last_spd_call_sign_in_service_time",
            ),
            "crime_records": kinds(
                "report_number offense_id nibrs_group_a_b nibrs_crime_against_category "
                "offense_sub_category shooting_type_group block_address latitude longitude beat "
                "precinct sector neighborhood reporting_area offense_category "
                f"nibrs_offense_code_description nibrs_offense_code census_block_2020 {REGION}",
                "report_date_time offense_date",
            ),
        },
        rows={
            "calls": [
                # two units at one event, in the form of the older rows: one call
                *(
                    {
                        "cad_event_number": "2026000281001",
                        "call_sign_dispatch_id": unit,
                        "cad_event_original_time_queued": at("2026-10-30 21:46:23"),
                        "call_type": "911",
                        "initial_call_type": "SHOPLIFT - THEFT",
                        "final_call_type": "--THEFT - SHOPLIFT",
                        "cad_event_clearance_description": "REPORT WRITTEN (NO ARREST)",
                        "dispatch_address": "1XX BLOCK OF MADE UP ST",
                        "dispatch_latitude": "REDACTED",
                    }
                    for unit in ("1", "2")
                ),
                {
                    "cad_event_number": "2026000282002",
                    "cad_event_original_time_queued": at("2026-11-02 00:30"),
                    "call_type": "ONVIEW",
                    "initial_call_type": "TRESPASS",
                    "final_call_type": "PROWLER - TRESPASS",
                    "cad_event_clearance_description": "ORAL WARNING GIVEN",
                },
            ],
            "crime_records": [
                {
                    "report_number": "2026-281001",
                    "report_date_time": at("2026-10-30 22:34:03"),
                    "offense_date": at("2026-10-30 21:40"),
                    "nibrs_offense_code": code,
                }
                for code in ("23C", "290")
            ],
        },
        until=date(2026, 11, 24),
        now=datetime(2026, 11, 27, 12, tzinfo=UTC),
        calls=[
            ("2026-281001", at("2026-10-31 04:46:23"), "THEFT - SHOPLIFT"),
            ("2026-282002", at("2026-11-02 08:30"), "PROWLER - TRESPASS"),
        ],
        records=[
            ("2026-281001", "2026-281001", at("2026-10-31 05:34:03"), "23C"),
            ("2026-281001", "2026-281001", at("2026-10-31 05:34:03"), "290"),
        ],
        joined=[("2026-281001", "2026-281001")],
    ),
    "san_francisco": City(
        columns={
            "calls": kinds(
                "cad_number dup_cad_number pd_incident_report call_type_original "
                "call_type_original_desc call_type_original_notes call_type_final "
                "call_type_final_desc call_type_final_notes priority_original priority_final "
                "agency disposition onview_flag intersection_name intersection_id "
                "supervisor_district analysis_neighborhood police_district source_filename "
                f"{REGION}",
                "received_datetime entry_datetime dispatch_datetime enroute_datetime "
                "onscene_datetime close_datetime data_as_of data_updated_at data_loaded_at",
                sensitive_call="checkbox",
                intersection_point="point",
            ),
            "crime_records": kinds(
                "incident_time incident_year incident_day_of_week row_id incident_id "
                "incident_number cad_number report_type_code report_type_description "
                "incident_code incident_category incident_subcategory incident_description "
                "resolution intersection cnn police_district analysis_neighborhood "
                f"supervisor_district supervisor_district_2012 latitude longitude {REGION}",
                "incident_datetime incident_date report_datetime data_as_of data_loaded_at",
                filed_online="checkbox",
                point="point",
            ),
        },
        rows={
            "calls": [
                {
                    "cad_number": "263033521",
                    "pd_incident_report": "260261565",
                    "received_datetime": at("2026-10-30 23:47"),
                    "close_datetime": at("2026-10-31 01:00"),
                    "call_type_final": "852",
                    "call_type_final_desc": "AUTO BOOST / STRIP",
                    "agency": "Police",
                    "disposition": "REP",
                    "onview_flag": "N",
                },
                {
                    "cad_number": "263063522",
                    "received_datetime": at("2026-11-02 00:30"),
                    "call_type_final": "917",
                    "agency": "Police",
                    "disposition": "GOA",
                    "onview_flag": "Y",
                },
                {  # parking control's, and no call to the police
                    "cad_number": "263063523",
                    "received_datetime": at("2026-11-02 00:31"),
                    "call_type_final": "587",
                    "agency": "Municipal Transportation Agency",
                },
            ],
            "crime_records": [
                {
                    "incident_number": "260261565",
                    "cad_number": "263033521",
                    "report_type_code": "II",
                    "report_datetime": at("2026-10-30 23:50"),
                    "incident_datetime": at("2026-10-30 23:00"),
                    "incident_code": "06244",
                    "incident_subcategory": "Larceny - From Vehicle",
                    "resolution": "Open or Active",
                    "longitude": "-122.4179",
                    "latitude": "37.7851",
                },
                {  # a supplement, two weeks later
                    "incident_number": "260261565",
                    "cad_number": "263033521",
                    "report_type_code": "IS",
                    "report_datetime": at("2026-11-14 10:00"),
                    "incident_subcategory": "Larceny - From Vehicle",
                },
                {  # online: no call
                    "incident_number": "266046206",
                    "report_type_code": "II",
                    "filed_online": True,
                    "report_datetime": at("2026-11-14 16:33"),
                    "incident_subcategory": "Larceny Theft - Other",
                },
            ],
        },
        until=date(2026, 11, 24),
        now=datetime(2026, 11, 27, 12, tzinfo=UTC),
        calls=[
            ("263033521", at("2026-10-31 06:47"), "852"),
            ("263063522", at("2026-11-02 08:30"), "917"),
        ],
        records=[
            ("260261565", "263033521", at("2026-10-31 06:50"), "Larceny - From Vehicle"),
            ("266046206", None, at("2026-11-15 00:33"), "Larceny Theft - Other"),
        ],
        joined=[("263033521", "260261565")],
        joins=(BY_CALL, BY_RECORD),
    ),
    "tucson": City(
        columns={
            "calls": kinds(
                "call_id case_id acci_id agency ADDRESS_PUBLIC ADDRESS_100BLK city state zip "
                "NEIGHBORHD emdivision ACTTIME ACT_MONTH ACT_YEAR ACT_DOW ACT_TIME CAPRIORITY "
                "NATURECODE NatureCodeDesc HOWRECEIVE CSDISPOSIT DispositionCodeDesc LOC_STATUS "
                "WARD NHA_NAME DIVISION DIVISION_NO DIVSECT TRSQ City_geo",
                "ACTDATETIME ACTDATE",
            ),
            "crime_records": kinds(
                "PrimaryKey INCI_ID agency ADDRESS_PUBLIC HOUR_REPT MONTH_REPT YEAR_REPT DOW_REPT "
                "TIME_REPT HOUR_OCCU MONTH_OCCU YEAR_OCCU DOW_OCCU TIME_OCCU city state zip "
                "NEIGHBORHD UCRsummary UCRSummaryDesc OFFENSE STATUTDESC WEAPON1DESC WEAPON2DESC "
                "Crime CrimeCategory CrimeType WARD NHA_NAME DIVISION DIVISION_NO DIVSECT TRSQ "
                "City_geo CENSUSBLOCK PARCEL_GRP cancelled clearance_verbose",
                "DATE_REPT DATETIME_REPT DATE_OCCU DATETIME_OCCU",
            ),
        },
        rows={
            "calls": {
                41: [
                    {
                        "call_id": "253540101",
                        "case_id": "2512200101",
                        "ACTDATETIME": at("2025-12-20 23:30"),
                        "NatureCodeDesc": "LARCENY/BICYCLES",
                    },
                    {
                        "call_id": "260050102",
                        "ACTDATETIME": at("2026-01-05 00:10"),
                        "NatureCodeDesc": "BICYCLE TRAFFIC",
                    },
                ]
            },
            "crime_records": {
                # the year's layer; the layer of 45 days has the report of December too
                81: [
                    {
                        "INCI_ID": "2512200101",
                        "DATETIME_REPT": at("2025-12-20 23:45"),
                        "OFFENSE": "0606",
                    }
                ],
                42: [
                    {
                        "INCI_ID": "2512200101",
                        "DATETIME_REPT": at("2025-12-20 23:45"),
                        "OFFENSE": "0606",
                    },
                    {
                        "INCI_ID": "2601010202",
                        "DATETIME_REPT": at("2026-01-01 00:00"),
                        "OFFENSE": "0502",
                    },
                ],
            },
        },
        until=date(2026, 1, 11),
        now=datetime(2026, 1, 12, 12, tzinfo=UTC),
        calls=[
            ("253540101", at("2025-12-21 06:30"), "LARCENY/BICYCLES"),
            ("260050102", at("2026-01-05 07:10"), "BICYCLE TRAFFIC"),
        ],
        records=[
            ("2512200101", "2512200101", at("2025-12-21 06:45"), "0606"),
            ("2601010202", "2601010202", at("2026-01-01 07:00"), "0502"),
        ],
        joined=[("253540101", "2512200101")],
        joins=(BY_RECORD,),
    ),
    "austin": City(
        columns={
            "calls": kinds(
                "incident_number incident_type mental_health_flag priority_level "
                "response_day_of_week response_hour sector initial_problem_description "
                "initial_problem_category final_problem_description final_problem_category "
                "number_of_units_arrived unit_time_on_scene call_disposition_description "
                "report_written_flag response_time officer_injured_killed_count "
                "subject_injured_killed_count other_injured_killed_count geoid "
                f"census_block_group council_district {REGION}",
                "response_datetime first_unit_arrived_datetime call_closed_datetime",
            ),
            "crime_records": kinds(
                "incident_report_number crime_type ucr_code family_violence occ_time rep_time "
                "location_type council_district sector district pra census_block_group "
                f"clearance_status ucr_category category_description {REGION}",
                "occ_date_time occ_date rep_date_time rep_date clearance_date",
            ),
        },
        rows={
            "calls": [
                {
                    "incident_number": "263031622",
                    "response_datetime": at("2026-10-30 23:10"),
                    "final_problem_category": "Robbery",
                    "sector": "Sector 1",
                },
                {
                    "incident_number": "263060007",
                    "response_datetime": at("2026-11-02 00:30"),
                    "final_problem_category": "Crashes",
                    "sector": "Sector 2",
                },
            ],
            "crime_records": [
                {
                    "incident_report_number": "20263031622",
                    "rep_date_time": at("2026-10-30 23:59"),
                    "occ_date_time": at("2026-10-30 23:00"),
                    "crime_type": "ROBBERY BY THREAT",
                },
                {  # 503 is no day: a report that was not made by a call
                    "incident_report_number": "20265032112",
                    "rep_date_time": at("2026-11-02 09:00"),
                    "crime_type": "THEFT",
                },
            ],
        },
        until=date(2026, 11, 24),
        now=datetime(2026, 11, 27, 12, tzinfo=UTC),
        calls=[
            ("26-303-1622", at("2026-10-31 04:10"), "Robbery"),
            ("26-306-0007", at("2026-11-02 06:30"), "Crashes"),
        ],
        records=[
            ("26-303-1622", "26-303-1622", at("2026-10-31 04:59"), "ROBBERY BY THREAT"),
            ("26-503-2112", None, at("2026-11-02 15:00"), "THEFT"),
        ],
        joined=[("26-303-1622", "26-303-1622")],
    ),
}

# Arizona has no summer time, of which nothing is seen in January.
CITIES["tucson in July"] = replace(
    CITIES["tucson"],
    rows={
        "calls": {
            41: [
                {
                    "call_id": "261810301",
                    "case_id": "2606300301",
                    "ACTDATETIME": at("2026-06-30 23:30"),
                    "NatureCodeDesc": "LARCENY/BICYCLES",
                }
            ]
        },
        "crime_records": {
            42: [
                {
                    "INCI_ID": "2606300301",
                    "DATETIME_REPT": at("2026-06-30 23:50"),
                    "OFFENSE": "0606",
                }
            ]
        },
    },
    until=date(2026, 7, 11),
    now=datetime(2026, 7, 12, 12, tzinfo=UTC),
    calls=[("261810301", at("2026-07-01 06:30"), "LARCENY/BICYCLES")],
    records=[("2606300301", "2606300301", at("2026-07-01 06:50"), "0606")],
    joined=[("261810301", "2606300301")],
)


def fill(portal: Portal, city: City, dataset: str) -> None:
    """Put the city's rows into a portal; each has all columns, and an id."""
    blank = dict.fromkeys(city.columns[dataset])
    found = city.rows[dataset]
    layers = found if isinstance(found, dict) else {0: found}
    for number, rows in layers.items():
        filled: list[Row] = [blank | row | {"_id": place} for place, row in enumerate(rows, 1)]
        portal.layers[number] = portal.rows = filled
    portal.now = city.now


def give_address(source: dict[str, Any], address: str) -> None:
    """Let a source of agency.yaml be read from loopback; all else stays."""
    for layer in source.get("arcgis", ()):
        layer["layer"] = address + urlsplit(layer["layer"]).path
    if "socrata" in source:
        source["socrata"]["domain"] = address


@pytest.fixture
def portals(
    request: pytest.FixtureRequest, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Portal]]:
    """A portal for each dataset of a city, and the city's agency as shipped but for the address."""
    city = CITIES[request.param]
    name = request.param.split()[0]
    folder = tmp_path / "agencies" / name
    shutil.copytree(paths.REPO / "agencies" / name, folder)
    monkeypatch.setenv("CDI_AGENCIES", str(folder.parent))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    settings = yaml.safe_load((folder / "agency.yaml").read_text(encoding="utf-8"))
    with ExitStack() as stack:
        opened = {
            dataset: stack.enter_context(open_portal(columns))
            for dataset, columns in city.columns.items()
        }
        for dataset, portal in opened.items():
            fill(portal, city, dataset)
            give_address(settings["sources"][dataset], portal.address)
        (folder / "agency.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        yield opened


def land(name: str, dataset: str, until: date) -> dict[str, Any] | None:
    """Extract and check the day before, and its window; the manifest, None if nothing is new."""
    interval = Interval.of_days(load_agency(name), until - timedelta(days=1), until)
    extracted = extract(name, dataset, interval)
    if extracted.result is None:
        return None
    check_landing(name, dataset, extracted.result)
    return accepted_batches(name, dataset)[-1].manifest


def landed(name: str, dataset: str, columns: str) -> list[tuple[Any, ...]]:
    """The rows of the only accepted batch."""
    (batch,) = accepted_batches(name, dataset)
    return duckdb.sql(f"select {columns} from '{batch.rows}' order by all").fetchall()


@pytest.mark.parametrize(
    ("portals", "case"), [(case, case) for case in CITIES], indirect=["portals"], ids=list(CITIES)
)
def test_a_city_is_read_from_its_portal_to_staging(portals: dict[str, Portal], case: str) -> None:
    city, name = CITIES[case], case.split()[0]
    for dataset in portals:
        manifest = land(name, dataset, city.until)
        assert manifest
        assert manifest["quarantined"] == 0
        unexpected = [file["unexpected_columns"] for file in manifest["files"]]
        assert not [columns for columns in unexpected if columns]
    calls = landed(name, "calls", "call_key, received_at, final_type_code")
    assert sorted(calls, key=str) == sorted(city.calls, key=str)
    wanted = "record_key, call_key, reported_at, offence_code"
    records = landed(name, "crime_records", wanted)
    assert sorted(records, key=str) == sorted(city.records, key=str)

    # in one query, as each one takes a build
    parts = ["select published_call_id, '' as record, received_at from staging.stg_calls"]
    parts += [
        "select distinct calls.published_call_id, records.published_record_id, null "
        "from staging.stg_calls as calls "
        f"inner join staging.stg_crime_records as records on {condition}"
        for condition in city.joins
    ]
    expected = [(key, "", received) for key, received, _ in city.calls]
    expected += [(*pair, None) for pair in city.joined] * len(city.joins)
    found = staged(load_agency(name), " union all ".join(parts))
    assert sorted(found, key=str) == sorted(expected, key=str)

    assert [land(name, dataset, city.until) for dataset in portals] == [None, None]


KINDS = {
    # how the agency names the source, and of which kind its times are
    "socrata": (lambda address: {"domain": address, "dataset": DATASET}, "local"),
    "arcgis": (lambda address: [{"layer": f"{address}/arcgis/rest/MapServer/0"}], "moment"),
    "ckan": (lambda address: {"domain": address, "resource": DATASET}, "local"),
    "opendatasoft": (lambda address: {"domain": address, "dataset": "calls"}, "moment"),
}
STANDING = "call_reference, received_at, closed_at, disposition_code, is_withdrawn"


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_agency_is_read_day_by_day_from_each_kind(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In July, when London is an hour ahead of UTC."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    describe, time = KINDS[kind]
    columns = kinds("number opened_as closed_as closure district caller phone text")
    with open_portal(columns | {"received": time, "closed": time}) as portal:
        portal.now = datetime(2026, 7, 8, 12, tzinfo=UTC)
        portal.rows = [
            dict.fromkeys(portal.columns)
            | {
                "_id": day * 10 + hour,
                "number": f"T-0{day}{hour:02}",
                "received": datetime(2026, 7, day, hour),
                "closed": datetime(2026, 7, day, hour, 30),
                "opened_as": "NOISE",
                "closed_as": "NOISE",
                "closure": "NONE",
                "text": "loud music",
            }
            for day in (5, 6, 7)
            for hour in (9, 10, 11, 12)
        ]
        source = small.settings["sources"]["calls"]
        del source["files"], small.settings["coverage"]
        source |= {kind: describe(portal.address), "delivery": "days", "days": 5}
        source["columns"] = {
            name: mapping["from"] if isinstance(mapping, dict) else mapping
            for name, mapping in source["columns"].items()
        }
        small.write_settings()

        def truth(*, withdrawn: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
            """What the portal holds, and held; times in UTC."""
            ahead = timedelta(hours=1 if time == "local" else 0)
            return [
                (
                    row["number"], row["received"] - ahead, row["closed"] - ahead, row["closure"],
                    row["number"] in withdrawn,
                )
                for row in before
            ]  # fmt: skip

        def standing() -> list[tuple[Any, ...]]:
            return small.staged(f"select {STANDING} from staging.stg_calls order by 1")

        def days() -> list[str] | None:
            manifest = land("testville", "calls", date(2026, 7, 8))
            return manifest and [file["name"] for file in manifest["files"]]

        before = portal.rows
        assert days() == ["2026-07-05", "2026-07-06", "2026-07-07"]
        assert standing() == truth()
        assert days() is None

        portal.now += timedelta(hours=1)
        portal.rows[5]["closure"] = "DUP"  # T-0610
        assert days() == ["2026-07-06"]
        portal.now += timedelta(hours=1)
        portal.rows = [row for row in before if row["number"] != "T-0709"]
        assert days() == ["2026-07-07"]
        assert standing() == truth(withdrawn=("T-0709",))
        assert truth()[5][3] == "DUP"
