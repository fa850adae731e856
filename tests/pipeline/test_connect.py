"""`check-agency --connect` on a real PostgreSQL: each question, when all is right and when not."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdi import cli
from cdi.console import console
from cdi.onboarding import recent, source_times
from cdi_force.database import Server, connection_of
from tests.conftest import SmallAgency
from tests.postgres import CONNECTION, Systems, postgres_or_skip, read_by_sql

CALLER, PHONE, TEXT = "Jane Quill", "07700 900123", "says her husband hit her"
START = datetime(2026, 1, 2, 0, 30)
COUNT = 300  # calls, twenty minutes apart, but none at night


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_or_skip("timezone=America/New_York") as started:
        yield started


class Checked(Systems):
    """Testville's systems, and what the command says of them."""

    password: str
    small: SmallAgency

    def check(self) -> Result:
        """Run the command."""
        arguments = ["check-agency", "--agency", "testville", "--connect"]
        result = CliRunner().invoke(cli.app, arguments)
        assert not result.exception or isinstance(result.exception, SystemExit), result.exception
        for secret in (self.server.password, CALLER, PHONE, TEXT):
            assert secret not in result.output
        return result

    def find(self, key: str, level: str = "") -> list[str]:
        """The answers about a key, as lines."""
        lines = [line for line in self.check().output.splitlines() if f": {key}: " in line]
        return [line for line in lines if line.startswith(level)]

    def find_one(self, key: str, words: str) -> str:
        """The one answer about a key that has these words."""
        lines = [line for line in self.find(key) if words in line]
        assert len(lines) == 1, self.check().output
        return lines[0]


def fill(systems: Systems) -> None:
    """Calls at all hours but those from three to seven, and a record of every tenth."""
    systems.run(
        "insert into calls (number, received, closed, opened_as, closed_as, closure, district, caller, phone, text) select 'T-' || to_char(n, 'FM0000'), t, t + interval '1 hour', 'NOISE', "
        "case when mod(n, 2) = 0 then 'NOISE' else 'THEFT' end, 'NONE', 'S', %s, %s, %s "
        "from (select n, timestamp '2026-01-02 00:00' + n * interval '20 minutes' as t "
        "from generate_series(0, 359) as n) as every where extract(hour from t) not in (3, 4, 5)",
        CALLER, PHONE, TEXT,
    )  # fmt: skip
    systems.run(
        "insert into records select 'R' || row_number() over (), number, received, 'A1', 'OPEN', "
        "'S' from calls where right(number, 1) = '0'"
    )
    systems.set_clock("2026-01-07 00:30+00")


@pytest.fixture
def systems(
    server: Server, small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checked]:
    read_by_sql(small, crime_records=400)
    monkeypatch.setattr(console, "width", 300)
    made = Checked.create(server, "testville_checked")
    made.small = small
    fill(made)
    parts = json.loads(connection_of(server, "reader")) | {"schema": made.name}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(parts))
    yield made
    made.close()


def test_x(systems: Checked) -> None:
    r = systems.check()
    print(r.output)
    assert 0
