"""The rules themselves, and the adapter that lets Great Expectations speak to DuckDB."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from cdi import paths
from cdi.docs.rules import render_rules_page
from cdi.onboarding.codes import MOST_UNKNOWN, STOPPING_RULES
from cdi.onboarding.findings import MOST_REFUSED
from cdi.quality import gx_duckdb, rules
from cdi.quality.rules import Rule, Suite, all_rules, reader_rules
from cdi.quality.running import run_suites
from cdi.quality.tables import checked_columns, derive_columns


def test_every_rule_has_a_unique_id_severity_owner_and_reason() -> None:
    expectations = all_rules()
    assert len(expectations) >= 60
    ids = [rule.rule_id for rule in expectations] + [r["rule_id"] for r in reader_rules()]
    assert len(ids) == len(set(ids))
    for rule in expectations:
        assert rule.severity in rules.SEVERITIES
        assert rule.owner
        assert len(rule.reason.split()) >= 5, rule.rule_id
        assert not rule.is_quarantining or rule.border == "landing"


def test_both_borders_have_rules_that_stop() -> None:
    for border in ("landing", "marts"):
        assert any(r.severity == "fail" for r in all_rules() if r.border == border)


def test_a_new_agency_is_told_the_same_share_of_unknown_codes_as_the_rules_allow() -> None:
    mostly = {rule.rule_id: rule.mostly for rule in all_rules()}
    for rule_id in ("CALL-07", "CRM-04"):
        assert mostly[rule_id] == 1 - MOST_UNKNOWN
        assert rule_id in STOPPING_RULES.values()


def test_a_new_agency_is_told_the_same_share_of_refused_rows_as_the_rules_allow() -> None:
    (limit,) = [rule.kwargs["max_value"] for rule in all_rules() if rule.rule_id == "FILE-03"]
    assert limit == MOST_REFUSED


def dbt_tests() -> set[tuple[str, str, str]]:
    """What dbt tests of the models: kind, model and columns, in Great Expectations' words."""
    tests = set()
    for file in (paths.DBT_PROJECT / "models").rglob("*.yml"):
        for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", []):
            name = model["name"]
            for test in model.get("data_tests", []):
                if "table_rules" not in test:
                    continue
                rules_of_table = test["table_rules"]["arguments"]
                key = rules_of_table["key"]
                filled = {*key, *rules_of_table.get("filled", [])}
                never_null = filled - {*rules_of_table.get("nullable", [])}
                tests.add(("unique", name, ", ".join(sorted(key))))
                tests |= {("expect_column_values_to_not_be_null", name, c) for c in never_null}
                tests |= {
                    ("expect_column_values_to_be_in_set", name, column)
                    for column in rules_of_table.get("accepted_values", {})
                }
            for column in model.get("columns", []):
                for test in column.get("data_tests", []):
                    kind = test if isinstance(test, str) else next(iter(test))
                    tests.add((kind, name, column["name"]))
    return tests


def test_no_rule_is_in_two_places() -> None:
    """A mart's rule is Great Expectations' or dbt's, never both; and none is there twice."""
    tested = dbt_tests()
    assert len(tested) > 50
    questions = set()
    for rule in all_rules():
        columns = rule.column or ", ".join(sorted(rule.kwargs.get("column_list", [])))
        kind = "unique" if "unique" in rule.type else rule.type
        if rule.border == "marts":
            assert (kind, rule.suite, columns) not in tested, rule.rule_id
        question = (rule.suite, rule.type, str(sorted(rule.kwargs.items())))
        assert question not in questions, rule.rule_id
        questions.add(question)


def test_the_generated_catalogue_is_current() -> None:
    page = (paths.REPO / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == render_rules_page(), "run `make docs`"


def check(tmp_path: Path, setup: str, kind: str, kwargs: dict[str, object]) -> dict[str, object]:
    """One rule on a table."""
    file = tmp_path / "x.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(f"create table checked_t as {setup}")
    rule = Rule("X-1", "fail", "me", "because", "landing", "t", kind, kwargs)
    return run_suites(file, [Suite("t", "t", {}, (rule,))])[0][0]


@pytest.mark.parametrize(
    ("kind", "kwargs", "setup", "unexpected"),
    [
        (
            "expect_column_values_to_not_be_null",
            {"column": "x"},
            "from (values (1), (null), (3)) t(x)",
            1,
        ),
        (
            "expect_column_values_to_be_unique",
            {"column": "x"},
            "from (values (1), (1), (3)) t(x)",
            2,
        ),
        (
            "expect_column_values_to_match_regex",
            {"column": "x", "regex": "^[A-L]-[0-9]{5}$"},
            "from (values ('A-00001'), ('M-00001'), ('xA-00001')) t(x)",
            2,
        ),
        (
            "expect_column_values_to_be_between",
            {"column": "x", "max_value": 2},
            "from (values (1), (2), (3)) t(x)",
            1,
        ),
        (
            "unexpected_rows_expectation",
            {"unexpected_rows_query": "select * from {batch} where x > 1"},
            "from (values (1), (2), (3)) t(x)",
            2,
        ),
        (
            "expect_column_pair_values_to_be_equal",
            {"column_A": "x", "column_B": "y"},
            "from (values (1, 1), (2, 3)) t(x, y)",
            1,
        ),
    ],
)
def test_expectations_run_as_sql_in_duckdb_and_count_what_is_wrong(
    tmp_path: Path, kind: str, kwargs: dict[str, object], setup: str, unexpected: int
) -> None:
    result = check(tmp_path, setup, kind, kwargs)
    assert result["error"] is None
    assert result["is_success"] is False
    assert result["unexpected_count"] == unexpected


@pytest.mark.parametrize(
    "values",
    [
        "(1, 1, 'a'), (2, 2, 'b'), (null, null, 'c')",
        "(1, 2, 'a')",
        "(null::integer, null::integer, null::varchar), (null, null, null)",
    ],
)
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_yes_or_no_tells_of_a_rule_that_holds_what_the_whole_answer_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: str, *, is_empty: bool
) -> None:
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("expect_column_values_to_not_be_null", {"column": "x"}),
        ("expect_column_values_to_not_be_null", {"column": "x", "mostly": 0.5}),
        ("expect_column_values_to_be_null", {"column": "x"}),
        ("expect_column_values_to_be_unique", {"column": "x"}),
        ("expect_column_values_to_be_in_set", {"column": "z", "value_set": ["a", "b"]}),
        ("expect_column_values_to_not_be_in_set", {"column": "z", "value_set": ["d"]}),
        ("expect_column_values_to_be_between", {"column": "x", "max_value": 2}),
        ("expect_column_values_to_not_match_regex", {"column": "z", "regex": "[cd]"}),
        ("expect_column_pair_values_to_be_equal", {"column_A": "x", "column_B": "y"}),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "y", "column_B": "x", "or_equal": True},
        ),
        ("expect_compound_columns_to_be_unique", {"column_list": ["x", "z"]}),
        ("expect_table_row_count_to_be_between", {"min_value": 1}),
    )
    suite = Suite("t", "t", {}, tuple(
        Rule(f"X-{number}", "fail", "me", "because", "landing", "t", kind, kwargs)
        for number, (kind, kwargs) in enumerate(kinds)
    ))  # fmt: skip
    file = tmp_path / "x.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(
            f"create table checked_t as from (values {values}) t(x, y, z) where not {is_empty}"
        )
    in_short, _ = run_suites(file, [suite])
    # so that each rule is asked for everything
    monkeypatch.setattr(Rule, "is_about_rows", property(lambda rule: False))
    in_full, _ = run_suites(file, [suite])
    for row in (*in_short, *in_full):
        del row["finding"]  # it needs to know what the rule is about
    assert in_short == in_full
    assert [row for row in in_full if row["is_success"] and row["unexpected_count"] == 0]
    assert {row["is_success"] for row in in_full} == {True, False}


def test_a_rule_that_cannot_be_evaluated_never_holds(tmp_path: Path) -> None:
    result = check(
        tmp_path, "select 1 as x", "expect_column_values_to_not_be_null", {"column": "y"}
    )
    assert result["is_success"] is False
    assert "y" in str(result["error"])


def test_no_connection_stays_open_after_a_check(tmp_path: Path) -> None:
    check(tmp_path, "select 1 as x", "expect_column_values_to_not_be_null", {"column": "x"})
    with duckdb.connect(str(tmp_path / "x.duckdb")) as con:  # read-write: nobody else may hold it
        con.execute("insert into checked_t values (2)")


@pytest.mark.parametrize(
    ("crimes", "is_fitting"), [(0, False), (4, False), (6, True), (996, False)]
)
def test_a_share_of_crime_calls_near_none_or_all_is_noticed(
    tmp_path: Path, crimes: int, is_fitting: bool
) -> None:
    (rule,) = (rule for rule in all_rules() if rule.rule_id == "MART-04")
    file = tmp_path / "x.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(
            "create table checked_fct_calls as "
            f"select range < {crimes} as is_crime_type from range(1000)"
        )
    ((result,), _) = run_suites(file, [Suite("fct_calls", "fct_calls", {}, (rule,))])
    assert result["error"] is None
    assert result["is_success"] is is_fitting


@pytest.mark.parametrize(
    ("calls", "recorded", "others_recorded", "is_fitting"),
    [
        (1_859, 5, 400, False),  # alarms that are mapped as burglaries
        (1_859, 93, 400, True),  # 5.003%
        (199, 0, 400, True),  # too few calls to tell
        (1_859, 5, 250, True),  # hardly anything is recorded there at all
    ],
)
def test_a_crime_code_that_is_almost_never_recorded_is_noticed(
    tmp_path: Path, calls: int, recorded: int, others_recorded: int, is_fitting: bool
) -> None:
    (rule,) = (rule for rule in all_rules() if rule.rule_id == "MART-06")
    file = tmp_path / "x.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(
            "create table checked_fct_calls as "
            "select 'ALARM' as initial_type_code, null as final_type_code, "
            f"range < {recorded} as has_crime_record, true as is_crime_type from range({calls}) "
            "union all "
            "select 'ANY', 'BURG', range % 500 < (case when range < 2000 then "
            f"{others_recorded} else 0 end), range < 2000 from range(3000)"
        )
    ((result,), _) = run_suites(file, [Suite("fct_calls", "fct_calls", {}, (rule,))])
    assert result["error"] is None
    assert result["is_success"] is is_fitting


def test_columns_are_asked_of_duckdb_itself(tmp_path: Path) -> None:
    """SQLAlchemy's own way takes a tenth of a second a table."""
    told: list[list[dict[str, str]]] = []
    inspect = gx_duckdb.DuckDBInspector.get_columns

    def note(*arguments: Any, **named: Any) -> list[dict[str, str]]:
        told.append(inspect(*arguments, **named))
        return told[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gx_duckdb.DuckDBInspector, "get_columns", note)
        check(
            tmp_path,
            """select 1 as x, 'a' as "strange name" """,
            "expect_column_values_to_not_be_null",
            {"column": "strange name"},
        )
    assert told == [[{"name": "x", "type": "INTEGER"}, {"name": "strange name", "type": "VARCHAR"}]]


@pytest.mark.parametrize(
    ("keys", "is_of_its_day"),
    [
        (["LOP221205000123", "221204-0007"], [True, False]),
        # a serial number of which one looks like a day is none
        (["R221199", "R221201", "R221299"], [True, True, True]),
        (["NMP-20221204-0007", "R1", None], [False, True, True]),
    ],
)
def test_a_number_that_holds_a_day_was_given_on_it(
    keys: list[str | None], is_of_its_day: list[bool]
) -> None:
    """CALL-17, also of six digits; the calls came on 5 December, where it is not yet the 6th."""
    suite = rules.load_suite("landing", "calls")
    derived = {name: suite.derive[name] for name in ("long_day", "short_day", "has_key_of_its_day")}
    with duckdb.connect() as con:
        con.execute("create macro local_day(moment) as cast(moment - interval 8 hour as date)")
        con.execute(
            "create table rows as select unnest($keys) as call_key, "
            "timestamp '2022-12-06 02:00' as received_at",
            {"keys": keys},
        )
        derive_columns(con, Suite(suite.name, suite.table, derived, ()))
        query = f"select has_key_of_its_day from {checked_columns(suite)}"
        assert [value for (value,) in con.execute(query).fetchall()] == is_of_its_day
