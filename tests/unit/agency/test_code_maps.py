"""The action register: what it must be like, and how an action's effect is measured."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from cdi import paths
from cdi.agency.code_maps import ACTION_COLUMNS, read_actions
from cdi.errors import AgencyError
from cdi.report.actions import measure_actions

HEADER = ",".join(ACTION_COLUMNS)


def write_actions(folder: Path, *lines: str) -> None:
    (folder / "actions.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")


def test_an_agency_need_not_keep_one(tmp_path: Path) -> None:
    assert read_actions(tmp_path) == []


def test_rows_are_read_with_their_dates(tmp_path: Path) -> None:
    write_actions(
        tmp_path, "A1,Record first,Ops,2017-03-31,2017-03-01,force,", "A2,b,c,2017-05-01,,rape,x"
    )
    first, second = read_actions(tmp_path)
    assert (first["due_on"], first["done_on"]) == (date(2017, 3, 31), date(2017, 3, 1))
    assert (second["done_on"], second["domain"], second["note"]) == (None, "rape", "x")


def test_every_problem_is_reported_with_its_line(tmp_path: Path) -> None:
    write_actions(
        tmp_path,
        "A1,a,b,31/03/2017,,force,",
        "A1,a,,2017-03-31,,force,",
        "A3,a,b,2017-03-31,,moon,",
        "A4,a,b",
    )
    with pytest.raises(AgencyError) as refused:
        read_actions(tmp_path)
    assert refused.value.rule_id == "AGENCY-ACTIONS"
    for problem in (
        "actions.csv:2: due_on '31/03/2017'",
        "actions.csv:3: owner is blank",
        "actions.csv:3: action_id 'A1' is there twice",
        "actions.csv:4: domain 'moon'",
        "actions.csv:5: does not have 7 fields",
    ):
        assert problem in refused.value.message


def test_another_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "actions.csv").write_text("action,owner\n", encoding="utf-8")
    with pytest.raises(AgencyError, match=r"actions\.csv:1: header must be action_id"):
        read_actions(tmp_path)


def test_the_simulated_force_says_simulated_in_each_action() -> None:
    rows = read_actions(paths.REPO / "agencies" / paths.SIMULATED)
    assert len(rows) >= 3
    assert all(row["recommendation"].startswith("SIMULATED") for row in rows)


def test_an_effect_is_the_change_between_the_audits_before_and_after() -> None:
    """Three audits of a quarter each; only between the first and the second lies the action."""
    actions = [
        {"action_id": name, "due_on": due, "done_on": done, "domain": "force"}
        for name, due, done in (
            ("in between", None, date(2017, 4, 10)),
            ("within an audit", None, date(2017, 5, 10)),
            ("after all", None, date(2018, 5, 10)),
            ("late", date(2017, 1, 1), None),
            ("open", date(2019, 1, 1), None),
        )
    ]
    with duckdb.connect() as con:
        con.execute(
            """
            create table release as
            select timestamp '2018-06-01' as as_of, 'Europe/London' as timezone;
            create table audits (draw_id varchar, period_start timestamp, period_end timestamp);
            insert into audits values
                ('first', '2017-01-01', '2017-04-01'),
                ('second', '2017-05-01', '2017-08-01'),
                ('third', '2017-08-01', '2017-11-01');
            create table audited_changes as
            select * from (values
                ('second', 'first', 'force', 3.1, 1.2, 5.0),
                ('third', 'second', 'force', -0.4, -2.0, 1.2),
                ('second', 'first', 'rape', 9.9, 9.0, 10.8)
            ) as t (draw_id, before_draw_id, domain, change_points, lower_limit, upper_limit);
            """
        )
        rows = {row["action_id"]: row for row in measure_actions(con, actions)}
    effect = rows["in between"]
    measured = [effect[name] for name in ("change_points", "lower_limit", "upper_limit")]
    assert [float(figure) for figure in measured] == [3.1, 1.2, 5.0]
    assert (effect["before_draw_id"], effect["draw_id"]) == ("first", "second")
    for name in ("within an audit", "after all"):
        assert rows[name]["unmeasured"] == "no audit before and after it yet"
    assert [rows[name]["state"] for name in ("late", "open")] == ["overdue", "open"]
    assert rows["late"]["unmeasured"] == "not done yet"


def test_days_of_actions_and_audits_are_local_days() -> None:
    """In summer the midnights of London are at 11pm in UTC, of the day before."""
    actions = [
        {"action_id": name, "due_on": due, "done_on": done, "domain": "force"}
        for name, due, done in (
            ("on the last day of the first audit", None, date(2017, 6, 30)),
            ("between them", None, date(2017, 7, 10)),
            ("on the first day of the second", None, date(2017, 8, 1)),
            ("due the day before", date(2018, 5, 31), None),
            ("due on the day", date(2018, 6, 1), None),
        )
    ]
    with duckdb.connect() as con:
        con.execute(
            """
            create table release as
            select timestamp '2018-05-31 23:00' as as_of, 'Europe/London' as timezone;
            create table audits as
            from (values
                ('first', timestamp '2017-03-31 23:00', timestamp '2017-06-30 23:00'),
                ('second', timestamp '2017-07-31 23:00', timestamp '2017-10-31 00:00')
            ) as t (draw_id, period_start, period_end);
            create table audited_changes as
            select 'second' as draw_id, 'first' as before_draw_id, 'force' as domain,
                3.1 as change_points, 1.2 as lower_limit, 5.0 as upper_limit;
            """
        )
        rows = {row["action_id"]: row for row in measure_actions(con, actions)}
    unmeasured = "no audit before and after it yet"
    assert rows["on the last day of the first audit"]["unmeasured"] == unmeasured
    assert rows["between them"]["unmeasured"] is None
    assert rows["on the first day of the second"]["unmeasured"] is None
    assert rows["due the day before"]["state"] == "overdue"
    assert rows["due on the day"]["state"] == "open"
