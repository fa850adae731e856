"""The generic test `table_rules`: what it finds, what it says of it, and when dbt runs it."""

import re
import shutil
from typing import Any

import pytest
import yaml

from cdi import paths
from cdi.build.dbt import describe_failures, read_results
from cdi.build.prepare import FILE_NAME
from tests.dbt.test_unit_tests import dbt

# The first two rows break no rule; each rule is broken by rows of its own.
ROWS = """
select * from (
    values
        (1, 'a', 'north', 'open', 'burglary'),
        (1, null, 'north', null, null),
        (2, 'a', 'north', 'open', 'burglary'),
        (2, 'a', 'north', 'open', 'burglary'),
        (3, null, 'north', 'open', 'burglary'),
        (3, null, 'north', 'open', 'burglary'),
        (null, 'a', 'north', 'open', 'burglary'),
        (5, 'a', null, 'open', 'burglary'),
        (6, 'a', 'north', 'shut', 'burglary'),
        (7, 'a', 'north', 'open', 'piracy'),
        (8, 'a', 'north', 'open', 'piracy')
) as made_up (place, part, district, status, offence)
"""
RULES = """
version: 2
models:
  - name: good
    data_tests:
      - table_rules:
          arguments: {key: [kind], filled: [kind]}
  - name: bad
    data_tests:
      - table_rules:
          arguments:
            key: [place, part]
            nullable: [part]
            filled: [district]
            accepted_values: {status: [open, closed]}
            references:
              - {column: offence, to: ref('good'), field: kind}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """The results of a small project with planted faults, and what the error of a build says."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(paths.DBT_PROJECT / "macros", project / "macros")
    settings = yaml.safe_load((paths.DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    kept = {key: settings[key] for key in ("name", "profile", "macro-paths", "on-run-end")}
    (project / "dbt_project.yml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    models = project / "models"
    models.mkdir()
    (models / "good.sql").write_text("select 'burglary' as kind", encoding="utf-8")
    (models / "bad.sql").write_text(f"-- {{{{ ref('good') }}}}\n{ROWS}", encoding="utf-8")
    (models / "rules.yml").write_text(RULES, encoding="utf-8")
    target = project / "target"
    ran = dbt(project / FILE_NAME, target, "build", project=project)
    return read_results(target), describe_failures(target, ran.stdout)


def test_each_broken_rule_is_told_with_its_column_and_an_example(
    told: tuple[list[dict[str, Any]], str],
) -> None:
    _, error = told
    assert sorted(re.findall(r"broken rule of (.*)", error)) == [
        "bad: district is null; rows: 1, for example {'place': 5, 'part': a, 'district': NULL}",
        "bad: offence is not in good; rows: 2, "
        "for example {'place': 7, 'part': a, 'offence': piracy}",
        "bad: place is null; rows: 1, for example {'place': NULL, 'part': a}",
        "bad: place, part occurs more than once; rows: 4, for example {'place': 2, 'part': a}",
        "bad: status is none of open, closed; rows: 1, "
        "for example {'place': 6, 'part': a, 'status': shut}",
    ]


def test_the_rows_against_all_rules_of_a_table_are_counted(
    told: tuple[list[dict[str, Any]], str],
) -> None:
    results, _ = told
    failures = {
        re.sub(r"^test\.\w+\.table_rules_([a-z]+)_.*", r"\1", result["unique_id"]): (
            result["status"],
            result["failures"],
        )
        for result in results
        if result["unique_id"].startswith("test.")
    }
    assert failures == {"good": ("pass", 0), "bad": ("fail", 9)}


def made_from() -> dict[str, set[str]]:
    """The models and seeds that each model reads."""
    read = {
        file.stem: set(re.findall(r"ref\(['\"](\w+)['\"]\)", file.read_text(encoding="utf-8")))
        for suffix in ("sql", "py")
        for file in (paths.DBT_PROJECT / "models").glob(f"*/*.{suffix}")
    }
    assert len(read) > 70
    return read


def ancestors(name: str, read: dict[str, set[str]]) -> set[str]:
    """All that a model is built from, directly or through others."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        parents = read.get(waiting.pop(), set()) - found
        found |= parents
        waiting |= parents
    return found


def test_no_model_is_read_before_its_rules_are_tested() -> None:
    """See `references` in the macro: a table that the model is not built from would hinder that."""
    read = made_from()
    checked = 0
    for file in (paths.DBT_PROJECT / "models").glob("*/*.yml"):
        (model,) = yaml.safe_load(file.read_text(encoding="utf-8"))["models"]
        for test in model["data_tests"]:
            for reference in test.get("table_rules", {}).get("arguments", {}).get("references", []):
                (other,) = re.findall(r"^ref\('(\w+)'\)$", reference["to"])
                assert other in ancestors(model["name"], read), f"{model['name']}: {other}"
                checked += 1
    assert checked > 30
