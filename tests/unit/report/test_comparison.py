"""What is said of the audited rates that the reports of two versions lead with."""

import duckdb
import pytest

from cdi.report.comparison import SQL, describe_headline
from cdi.sql import fetch_dicts, read_query

FIRST = "('d1', true, 0.791)"
SECOND = "('d2', true, 0.8)"
OTHER = "('d0', false, 0.5)"


@pytest.mark.parametrize(
    ("older", "newer", "said"),
    [
        (
            [OTHER],
            [OTHER, FIRST],
            "The report now leads with an audited rate, 79.1% (audit d1); before it led with none.",
        ),
        (
            [FIRST],
            [SECOND],
            "The report now leads with an audited rate, 80.0% (audit d2); before it led with 79.1% "
            "(audit d1).",
        ),
        (
            [FIRST],
            [OTHER],
            "The report no longer leads with the audited rate of 79.1% (audit d1).",
        ),
        ([FIRST], [FIRST, OTHER], ""),
        ([OTHER], [OTHER], ""),
    ],
)
def test_an_audited_rate_that_came_or_went_is_named(
    older: list[str], newer: list[str], said: str
) -> None:
    with duckdb.connect() as con:
        for name, audits in (("older", older), ("newer", newer)):
            con.execute(f"""
                attach ':memory:' as {name};
                create table {name}.audits as
                select v.draw_id, v.is_headline
                from (values {", ".join(audits)}) as v (draw_id, is_headline, rate);
                create table {name}.audited_rates as
                select v.draw_id, parts.domain, v.rate as recording_rate
                from (values {", ".join(audits)}) as v (draw_id, is_headline, rate)
                cross join (values ('force'), ('rape')) as parts (domain);
            """)
        (audited,) = fetch_dicts(con, read_query(SQL / "compared_audits.sql"))
    assert describe_headline(audited) == said
