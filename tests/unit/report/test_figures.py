"""The figures that a query gives, from small tables."""

import duckdb

from cdi.report.contract import SQL
from cdi.report.figures import count_outcomes
from cdi.sql import fetch_dicts, read_query

CRIMES = """
    create table fct_calls as from range(9);
    create schema rules;
    create table rules.offence_groups as
    from (values ('theft', true), ('fraud', false)) as v (offence_group, is_headline);
    create table fct_reported_crimes as
    from (values
        ('theft', 'recorded'), ('theft', 'unrecorded'), ('theft', 'justified'),
        ('theft', 'too_recent'), ('theft', null),
        ('fraud', 'recorded'), ('fraud', 'unrecorded'), ('fraud', 'unrecorded'),
        ('fraud', 'justified'), ('fraud', 'too_recent')
    ) as v (offence_group, outcome);
    create table recording_rate as
    select 'all' as universe, 'standard' as ruleset, 'total' as breakdown, 'all' as offence_group,
        0.5 as recording_rate;
    create table release as select 'm1' as text_model_version;
"""


def test_fraud_is_in_no_count_beside_the_rate_that_leaves_it_out() -> None:
    with duckdb.connect() as con:
        con.execute(CRIMES)
        (page,) = fetch_dicts(con, read_query(SQL / "all_calls.sql"))
        summary = count_outcomes(con)
    counted = ("reported", "recorded", "unrecorded", "justified", "too_recent")
    assert [page[f"all_{name}"] for name in counted] == [4, 1, 1, 1, 1]
    assert (page["calls"], float(page["all_rate"])) == (9, 0.5)
    assert page["all_recorded"] / (page["all_recorded"] + page["all_unrecorded"]) == 0.5
    assert summary == {
        "calls": 9, "reported": 4, "recorded": 1, "suspected": 1, "justified": 1, "too_recent": 1,
    }  # fmt: skip
