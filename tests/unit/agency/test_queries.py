"""The look at a query beside agency.yaml: there, and one SELECT."""

import pytest
from typer.testing import CliRunner

from cdi import cli
from cdi.agency.queries import check_queries
from cdi.errors import AgencyError
from tests.conftest import SmallAgency
from tests.postgres import read_by_sql


def write_query(small: SmallAgency, text: str | None) -> None:
    """Let the calls be read by a query; None means that its file is not there."""
    read_by_sql(small)
    small.settings["sources"]["calls"]["sql"] = {"query": "calls.sql"}
    small.write_settings()
    if text is not None:
        small.write_text("calls.sql", text)


@pytest.mark.parametrize(
    "text",
    [
        "select * from calls",
        "-- calls; one a row\nwith c as (select 1 as updated_at) select 'a; delete' as \"drop\" "
        "from c;\n",
        "/* not an\ninsert */ SELECT [update] from calls where text = 'it''s; into'",
    ],
)
def test_one_select_is_accepted(small: SmallAgency, text: str) -> None:
    write_query(small, text)
    check_queries(small.agency)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "is not there"),
        ("", "does not begin with SELECT or WITH"),
        ("-- select\n", "does not begin with SELECT or WITH"),
        ("delete from calls", "does not begin with SELECT or WITH"),
        ("select 1; select 2", "more than one statement"),
        ("with gone as (Delete from calls returning *) select * from gone", "the word DELETE"),
        ("select * into copy from calls", "the word INTO"),
    ],
)
def test_what_is_not_one_select_is_named_by_key_file_and_fix(
    small: SmallAgency, text: str | None, problem: str
) -> None:
    write_query(small, text)
    result = CliRunner().invoke(cli.app, ["check-agency", "--agency", "testville"])
    assert isinstance(result.exception, AgencyError)
    assert result.exception.rule_id == "AGENCY-QUERY"
    told = str(result.exception)
    assert f"key `sources.calls.sql.query`: {small.folder / 'calls.sql'}" in told
    assert problem in told
    assert "write one SELECT" in result.exception.fix
    assert "not a parser" in result.exception.fix
