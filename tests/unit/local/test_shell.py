"""The greeting of `make shell`."""

import re

import duckdb
import pytest

from cdi.local.shell import GREETING


@pytest.mark.parametrize(
    ("name", "is_simulated", "greeted"),
    [
        ("Northmoor Police (SIMULATED)", True, "Northmoor Police (SIMULATED)"),
        ("Testville", True, "SIMULATED: Testville"),
        ("New Orleans", False, "New Orleans"),
    ],
)
def test_the_greeting_says_simulated_once(name: str, is_simulated: bool, greeted: str) -> None:
    first = re.search(r"^select\n.*?\nfrom release;", GREETING.read_text("utf-8"), re.M | re.S)
    assert first is not None
    with duckdb.connect() as con:
        con.execute(
            "create table release as select $1 as agency_name, $2 as is_simulated, 0 as as_of",
            [name, is_simulated],
        )
        assert con.execute(first[0]).fetchall()[0][0] == greeted
