"""`check-agency --connect` on portals of each kind: what it says if all is right, and if not."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdi import cli
from cdi.console import console
from tests.conftest import SmallAgency
from tests.faulty_server import DATASET, NOW, Portal, open_portal

TOKEN = "a planted token/with=signs"
CALLER = "Jane Quill"
LAYER = "arcgis/rest/services/PublicSafety/MapServer/0"
KINDS = ["socrata", "arcgis", "ckan", "opendatasoft"]
each_kind = pytest.mark.parametrize("kind", KINDS)


class Checked:
    """Testville, whose calls a portal has, and what the command says of it."""

    def __init__(self, small: SmallAgency, portal: Portal, kind: str) -> None:
        """Let the calls be read from the portal, and fill it."""
        self.small, self.portal = small, portal
        place: dict[str, Any] = {
            "socrata": {"domain": portal.address, "dataset": DATASET},
            "arcgis": [{"layer": f"{portal.address}/{LAYER}"}],
            "ckan": {"domain": portal.address, "resource": DATASET},
            "opendatasoft": {"domain": portal.address, "dataset": "calls"},
        }
        small.settings.pop("coverage", None)
        small.settings["sources"]["calls"] = {
            kind: place[kind],
            "connection": "city_portal",
            "delivery": "days",
            "days": 35,
            "columns": {
                "call_reference": "number",
                "received_at": "received",
                "final_type_code": "closed_as",
                "caller_name": "caller",
            },
        }
        small.write_settings()
        newest = NOW.replace(tzinfo=None, minute=0) - timedelta(hours=2)
        for place_of_row in range(400):  # every hour, but none from three to six
            received = newest - timedelta(hours=place_of_row)
            if received.hour not in (3, 4, 5):
                portal.rows.append(
                    {
                        "_id": len(portal.rows) + 1, "number": f"T-{place_of_row:04}",
                        "received": received, "closed_as": "NOISE", "caller": CALLER,
                    }
                )  # fmt: skip

    def check(self) -> Result:
        """Run the command."""
        arguments = ["check-agency", "--agency", "testville", "--connect"]
        result = CliRunner().invoke(cli.app, arguments)
        assert not result.exception or isinstance(result.exception, SystemExit), result.exception
        for secret in (TOKEN, "a%20planted", "a+planted", CALLER):
            assert secret not in result.output
        return result

    def find_one(self, words: str) -> str:
        """The one answer that has these words."""
        output = self.check().output
        lines = [line for line in output.splitlines() if words in line]
        assert len(lines) == 1, output
        return lines[0]


@pytest.fixture
def new_checked(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Checked]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    connection = json.dumps({"conn_type": "http", "password": TOKEN})
    monkeypatch.setenv("AIRFLOW_CONN_CITY_PORTAL", connection)
    monkeypatch.setattr(console, "width", 300)
    with ExitStack() as stack:

        def new(kind: str) -> Checked:
            moment = "moment" if kind in ("arcgis", "opendatasoft") else "local"
            columns = {"number": "text", "received": moment, "closed_as": "text", "caller": "text"}
            portal = stack.enter_context(open_portal(columns))
            portal.token = TOKEN
            return Checked(small, portal, kind)

        yield new


New = Callable[[str], Checked]


@each_kind
def test_a_portal_that_is_right_is_told_with_its_figures(new_checked: New, kind: str) -> None:
    checked = new_checked(kind)
    result = checked.check()
    assert result.exit_code == 0, result.output
    *lines, _, _ = result.output.splitlines()
    calls = [line for line in lines if "sources.calls" in line or "timezone" in line]
    assert {line.split(" ")[0] for line in calls} == {"fine"}, result.output
    told = "\n".join(calls)
    for words in (
        "sources.calls.connection: city_portal: reached",
        "all 4 mapped columns are there",
        "a run would read 341 rows of 35 days",
        "yesterday has 21,",
        "no row lacks a time in received",
        "the newest row is 2 h older than the source's clock",
        "the quietest hour of the day begins at 04:00 in Europe/London",
        "(349 of 349) of the references",
    ):
        assert words in told


@each_kind
def test_what_is_wrong_at_a_portal_is_told(new_checked: New, kind: str) -> None:
    checked = new_checked(kind)
    portal, rows = checked.portal, checked.portal.rows
    portal.columns["officer"] = "text"
    for row in rows:
        row["officer"] = CALLER
    rows[-1]["received"] = None
    for row in rows[:20]:
        row["closed_as"], row["number"] = "ZEBRA", f"X{row['number']}"
    rows[0]["received"] = NOW.replace(tzinfo=None) + timedelta(hours=5)
    assert checked.find_one("neither mapped nor ignored: officer").startswith("look ")
    assert checked.find_one("1 row without a time in received").startswith("look ")
    assert checked.find_one("by up to 5 h: the zone may be wrong").startswith("look ")
    assert checked.find_one("ZEBRA 5.7%").startswith("stop call_types.csv: final_type_code: ")
    assert checked.find_one(f"({len(rows) - 21} of {len(rows) - 1})").startswith("look ")
    assert checked.check().exit_code == 1


@each_kind
def test_a_column_that_a_portal_renamed_is_told(new_checked: New, kind: str) -> None:
    checked = new_checked(kind)
    portal = checked.portal
    portal.columns = {name.replace("closed_as", "closed_type"): kind_of_values
                      for name, kind_of_values in portal.columns.items()}  # fmt: skip
    for row in portal.rows:
        row["closed_type"] = row.pop("closed_as")
    line = checked.find_one("there is no column closed_as; near: closed_type")
    assert line.startswith("stop agency.yaml: sources.calls.columns.final_type_code: ")
    assert checked.find_one("of the references in sources.calls.columns.call_reference")


@each_kind
def test_a_token_that_is_refused_stops_and_is_not_shown(new_checked: New, kind: str) -> None:
    checked = new_checked(kind)
    checked.portal.token = "another"
    line = checked.find_one("sources.calls.connection: ")
    assert line.startswith("stop ")
    assert "SRC-ACCESS" in line
    assert checked.check().exit_code == 1


def test_a_portal_that_answers_no_sql_cannot_tell_rows_without_a_time(new_checked: New) -> None:
    checked = new_checked("ckan")
    checked.portal.has_sql = False
    assert checked.find_one("cannot tell how many rows have no received").startswith("look ")
    assert checked.find_one("yesterday has 21,").startswith("fine ")
