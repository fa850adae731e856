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


AUDITED = """
    create table release as select timestamp '{as_of}' as as_of, 'Europe/London' as timezone;
    create table audits (
        draw_id varchar, period_start timestamp, period_end timestamp, drawn_at timestamp,
        withheld_reason varchar
    );
    create table audited_rates (
        draw_id varchar, universe varchar, domain varchar, recording_rate double,
        lower_limit double, upper_limit double
    );
"""


def test_an_effect_is_the_change_between_the_audits_before_and_after() -> None:
    """Newcombe 1998, example (a): 56/70 and 48/80 differ by 0.2, limits 0.0524 to 0.3339."""
    actions = [
        {"action_id": name, "due_on": due, "done_on": done, "domain": "force"}
        for name, due, done in (
            ("in between", None, date(2017, 4, 10)),
            ("within an audit", None, date(2017, 5, 10)),
            ("before all", None, date(2016, 5, 10)),
            ("after all", None, date(2018, 5, 10)),
            ("late", date(2017, 1, 1), None),
            ("open", date(2019, 1, 1), None),
        )
    ]
    with duckdb.connect() as con:
        con.execute(AUDITED.format(as_of="2018-06-01"))
        con.execute(
            """
            insert into audits by name select *, period_end as drawn_at from (values
                ('old', timestamp '2016-06-01', timestamp '2016-09-01', null),
                ('first', '2017-01-01', '2017-04-01', null),
                ('of all logs', '2017-02-01', '2017-05-01', null),
                ('not finished', '2017-04-11', '2017-05-01', 'Not all logs were read.'),
                ('second', '2017-05-01', '2017-08-01', null),
                ('third', '2017-08-01', '2017-11-01', null)
            ) as t (draw_id, period_start, period_end, withheld_reason);
            insert into audited_rates values
                ('old', 'frame', 'force', 0.5, 0.4, 0.6),
                ('first', 'frame', 'force', 0.6, 0.4905, 0.7004),
                ('of all logs', 'all', 'force', 0.1, 0.05, 0.15),
                ('not finished', 'frame', 'force', 0.99, 0.98, 1.0),
                ('second', 'frame', 'force', 0.8, 0.6916, 0.8769),
                ('third', 'frame', 'force', 0.6, 0.4905, 0.7004),
                ('first', 'frame', 'rape', 0.2, 0.1, 0.3),
                ('second', 'frame', 'rape', null, null, null);
            """
        )
        rows = {row["action_id"]: row for row in measure_actions(con, actions)}
        (rape,) = measure_actions(con, [{**actions[0], "domain": "rape"}])
    names = ("change_points", "lower_limit", "upper_limit")
    effect = rows["in between"]
    measured = [effect[name] for name in names]
    assert measured == pytest.approx([20.0, 5.24, 33.39], abs=0.02)
    assert (effect["before_draw_id"], effect["draw_id"]) == ("first", "second")
    # An action within the period of the second audit: it tells neither state.
    effect = rows["within an audit"]
    assert (effect["before_draw_id"], effect["draw_id"]) == ("first", "third")
    assert effect["change_points"] == pytest.approx(0)
    assert rape["unmeasured"] == "no audit before and after it yet"
    for name in ("before all", "after all"):
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
        con.execute(AUDITED.format(as_of="2018-05-31 23:00"))
        con.execute(
            """
            insert into audits by name from (values
                ('first', timestamp '2017-03-31 23:00', timestamp '2017-06-30 23:00'),
                ('second', timestamp '2017-07-31 23:00', timestamp '2017-10-31 00:00')
            ) as t (draw_id, period_start, period_end);
            insert into audited_rates values
                ('first', 'frame', 'force', 0.6, 0.5, 0.7),
                ('second', 'frame', 'force', 0.8, 0.7, 0.9);
            """
        )
        rows = {row["action_id"]: row for row in measure_actions(con, actions)}
    unmeasured = "no audit before and after it yet"
    assert rows["on the last day of the first audit"]["unmeasured"] == unmeasured
    assert rows["between them"]["unmeasured"] is None
    assert rows["on the first day of the second"]["unmeasured"] is None
    assert rows["due the day before"]["state"] == "overdue"
    assert rows["due on the day"]["state"] == "open"
