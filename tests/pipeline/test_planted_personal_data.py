"""Personal data planted at the source: where it arrives masked, encrypted, or not at all."""

import logging
from pathlib import Path

import pytest

from cdi import paths
from cdi.errors import GateError, SourceError
from cdi.steps.build import check_marts, make_build, publish_version, write_report
from cdi.steps.extract import check_landing, extract
from tests.conftest import CALL_HEADER, SmallAgency, csv_bytes
from tests.traces import kinds_with

HEADER = [*CALL_HEADER, "victim", "place"]
# in a column of the row, or of a form that can be told: masked wherever a text says it
KNOWN = [
    "Marchbanks", "Quillan", "Featherstonhaugh", "Winterbourne", "7700 900461",
    "marchbanks.example", "marchbanks dot example", "Gooseberry", "Elderflower",
    "NM3 4QZ", "NM3 9ZZ", "double oh nine",
]  # fmt: skip
# the first name alone of a person in no column: nothing tells it from another word
LONE = "Zebedee"
SAID = [
    "quillan marchbanks rang, mail quillan@marchbanks.example or quillan at marchbanks dot example",
    "ring QUILLAN on 07700 900461, that is oh seven seven double oh nine double oh four six one",
    "mrs featherstonhaugh lives at 17 gooseberry rise, he at flat 2, 42 Elderflower Lane NM3 9ZZ",
    "Barnaby Winterbourne-Hythe hit her, and Zebedee saw it",
]
PEOPLE = ["Odalys Featherstonhaugh", "17 Gooseberry Rise, Ashby, NM3 4QZ"]


def call(n: int, text: str, **changed: str) -> list[str]:
    made = dict(zip(
        HEADER,
        [f"T-{n:04d}", "2026-01-05 10:00", "2026-01-05 11:00", "ASSAULT", "ASSAULT", "NONE", "N",
         "Quillan Marchbanks", "07700 900461", text, *PEOPLE], strict=True,
    ))  # fmt: skip
    return list((made | changed).values())


@pytest.fixture
def planted(small: SmallAgency) -> SmallAgency:
    """120 calls that name people, and four rows that are refused for four reasons."""
    columns = small.settings["sources"]["calls"]["columns"]
    small.settings["sources"]["calls"]["columns"] = columns | {
        "victim_name": "victim", "location": "place",
    }  # fmt: skip
    small.write_settings()
    rows = [call(n, SAID[n % len(SAID)]) for n in range(120)]
    shifted = call(900, SAID[0])
    rows.append([shifted[0], *shifted[2:8], "Quillan", *shifted[8:]])  # a field lost, one too many
    rows.append(call(901, SAID[3], received="2027-01-01 10:00"))  # after the file's own date
    rows.append(call(902, SAID[1], received=""))
    text = csv_bytes(HEADER, rows) + ",".join([*call(903, ""), *PEOPLE]).encode() + b"\n"
    small.write("calls.csv", text)
    return small


def told_by_steps(agency: SmallAgency) -> list[str]:
    """What the steps return: an operator's task notes and XComs."""
    steps = []
    for dataset in ("calls", "crime_records"):
        steps.append(extract("testville", dataset, agency.interval))
        steps.append(check_landing("testville", dataset, str(steps[-1].result)))
    steps.append(make_build("testville"))
    version = str(steps[-1].result)
    after = (check_marts, write_report, publish_version)
    steps += [step("testville", version) for step in after]
    return [f"{step.note} {step.result}" for step in steps]


def test_planted_personal_data_is_in_nothing_that_is_shown(
    planted: SmallAgency, caplog: pytest.LogCaptureFixture
) -> None:
    source = (planted.data / "calls.csv").read_text(encoding="utf-8")
    for word in [*KNOWN, LONE]:
        assert word.lower() in source.lower()
    caplog.set_level(logging.INFO)
    told = "\n".join([*told_by_steps(planted), caplog.text])
    assert "124 rows read" in told
    for word in [*KNOWN, LONE]:
        assert word.lower() not in told.lower()
    # refused rows, each by its own rule, in the published list without a name
    refused = planted.rows("select rule_id, original_masked from quarantine")
    assert sorted({rule for rule, _ in refused}) == [
        "CALL-02", "READ-WIDTH", "TYPE-REQUIRED", "TYPE-VALUE",
    ]  # fmt: skip
    for _, masked in refused:
        for word in [*KNOWN, LONE]:
            assert word.lower() not in masked.lower()
    found = kinds_with(paths.home(), "testville", KNOWN)
    assert [name for name in found if not name.endswith("quarantine.parquet")] == []
    assert len(found) == 1  # encrypted originals, which the search opens with the agency's key
    lone = kinds_with(paths.home(), "testville", [LONE])
    assert any("rows.parquet" in name for name in lone)
    for name in lone:
        is_restricted = name.endswith("recording.duckdb") or "/worklist/" in name
        assert name.startswith("landing/") or is_restricted, name


def test_errors_tell_no_row(planted: SmallAgency) -> None:
    """A refused batch and an unreadable file, whose message goes into the task's note."""
    rows = [
        call(n, SAID[n % len(SAID)], opened_as="Quillan", closed_as="Quillan") for n in range(9)
    ]
    planted.write("calls.csv", csv_bytes(HEADER, rows))
    with pytest.raises(GateError) as refused:
        planted.extract_and_check()
    planted.write("calls.csv", csv_bytes(HEADER, rows).replace(b"\n", b"\r\n") + b"Quillan\n\n")
    with pytest.raises(SourceError) as unreadable:
        planted.extract_and_check()
    pages: list[Path] = list(paths.home().rglob("validation.*"))
    assert pages
    for shown in (str(refused.value), str(unreadable.value), *(p.read_text() for p in pages)):
        for word in KNOWN:
            assert word.lower() not in shown.lower()
