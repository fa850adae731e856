"""Rules of the house that no linter knows."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from cdi import paths
from cdi.quality.rules import all_rules, reader_rules
from tests.conftest import LONGEST, SLOW_FOLDERS

DAG_FILES = sorted((paths.REPO / "dags").glob("*.py"))


def imported(file: Path) -> set[str]:
    """Top-level packages that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_there_are_files_to_look_at() -> None:
    assert {file.stem for file in DAG_FILES} >= {"extract", "build", "train", "audit", "retain"}


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda f: f.name)
def test_a_dag_file_has_at_most_60_lines_and_imports_nothing_heavy(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 60
    assert imported(file) <= {"airflow", "cdi", "cdi_airflow"}


def test_each_models_description_ends_with_its_grain() -> None:
    import yaml

    described = 0
    for file in paths.DBT_PROJECT.glob("models/*/*.yml"):
        for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", []):
            described += 1
            last = model["description"].strip().rstrip(".").split(". ")[-1]
            assert last.startswith("One row"), model["name"]
    models = [f for f in paths.DBT_PROJECT.glob("models/*/*") if f.suffix in (".sql", ".py")]
    assert described == len(models)


def test_no_requirements_file_names_an_address() -> None:
    files = list((paths.REPO / "requirements").glob("*.txt"))
    assert {file.stem for file in files} >= {"bootstrap", "run", "server", "dev", "bench", "client"}
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "://" not in text
        pinned = re.findall(r"^[a-zA-Z0-9_.\-\[\]]+==", text, re.M)
        assert len(pinned) > 0
        # each pin is followed by at least one hash
        assert text.count(" \\\n    --hash=sha256:") >= len(pinned)


def test_a_model_that_a_query_reads_twice_is_not_kept_in_memory_meanwhile() -> None:
    # DuckDB keeps a CTE that is read more than once whole, with all its columns
    seeds = {file.stem for file in paths.DBT_PROJECT.glob("seeds/*.csv")}
    told = re.compile(r"^(?:with )?(\w+) as (not materialized )?\(\n(.*?)^\)", re.M | re.S)
    works = re.compile(
        r"\b(join|group by|qualify|union|distinct|limit|unnest|over|any_value|max|min)\b"
    )
    looked_at = 0
    for file in paths.DBT_PROJECT.glob("models/*/*.sql"):
        text = file.read_text(encoding="utf-8")
        for name, inlined, body in told.findall(text):
            read = re.search(r"\bfrom \{\{ ref\('(\w+)'\)|standing_rows", body)
            if not read or read[1] in seeds or works.search(body):
                continue
            if len(re.findall(rf"\b(?:from|join) {name}\b", text)) > 1:
                looked_at += 1
                assert inlined, f"{file.stem}: {name} as not materialized (...)"
    assert looked_at > 15


def test_the_files_that_are_tested_first_exist() -> None:
    assert [name for name in LONGEST if not (paths.REPO / name).is_file()] == []


def test_ci_runs_each_folder_of_tests_whole() -> None:
    settings = tomllib.loads((paths.REPO / "pyproject.toml").read_text(encoding="utf-8"))
    ci = (paths.REPO / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    makefile = (paths.REPO / "Makefile").read_text(encoding="utf-8")
    # What `make test` leaves out, `make test-long` takes, by the same mark in the same folders. CI
    # takes it together with the tests of the folders that are marked as slow.
    assert makefile.count('pytest -m "not long" --numprocesses') == 1
    assert makefile.count("pytest -m long --numprocesses") == 1
    assert "make test" in ci
    (last,) = (line for line in ci if "-m pytest" in line)
    assert '-m pytest tests -m "long or slow" --numprocesses' in last
    run = {*settings["tool"]["pytest"]["ini_options"]["testpaths"], *SLOW_FOLDERS}
    folders = {
        f"tests/{file.relative_to(paths.REPO / 'tests').parts[0]}"
        for file in (paths.REPO / "tests").rglob("test_*.py")
    }
    assert folders == run


def test_the_hooks_look_at_the_sql_that_make_check_looks_at() -> None:
    makefile = (paths.REPO / "Makefile").read_text(encoding="utf-8")
    checked = set()
    for options, folders in re.findall(
        r"sqlfluff lint --processes 2 (--templater \w+ )?(.+)", makefile
    ):
        for folder in folders.split():
            found = {str(f.relative_to(paths.REPO)) for f in (paths.REPO / folder).rglob("*.sql")}
            checked |= {(name, options.strip()) for name in found}
    settings = yaml.safe_load((paths.REPO / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = {
        (hook["files"], hook["entry"].partition("sqlfluff lint")[2].strip())
        for hook in settings["repos"][0]["hooks"]
        if "sqlfluff lint" in hook["entry"]
    }
    assert len(checked) > 100
    for name, options in checked:
        assert [hook for files, hook in hooks if re.match(files, name)] == [options], name


def test_the_checkout_is_safe_for_git_before_ci_runs() -> None:
    """In a container the account is root, and git refuses it the folder of another account."""
    workflow = yaml.safe_load(
        (paths.REPO / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    )
    steps = workflow["jobs"]["everything"]["steps"]
    assert [step.get("uses", "").partition("@")[0] or step["run"] for step in steps[1:]] == [
        "actions/checkout",
        'git config --global --add safe.directory "$GITHUB_WORKSPACE"',
        "bash .ci/run",
    ]


def error_ids_of_code() -> set[str]:
    """Ids of errors that are no rules for rows: they have no digits, and stand in Python alone."""
    found: set[str] = set()
    for folder in ("src", "plugins", "dags"):
        for file in (paths.REPO / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    # the whole text, or in brackets before what a log says
                    found |= set(re.findall(r"^[A-Z]{2,}(?:-[A-Z]+)+$", node.value))
                    found |= set(re.findall(r"\[([A-Z]{2,}(?:-[A-Z]+)+)\]", node.value))
    return found - {"NON-CRIME"}  # a type of simulated records


def test_the_page_of_rules_lists_each_error_of_the_code_and_no_other() -> None:
    page = (paths.REPO / "docs" / "rules.md").read_text(encoding="utf-8")
    listed = re.findall(r'^\| <a id="([A-Z0-9-]+)">', page, re.MULTILINE)
    assert len(listed) == len(set(listed))
    ids, reader = error_ids_of_code(), {rule["rule_id"] for rule in reader_rules()}
    assert {"AUDIT-REFUSED", "STATE-TORN", "TASK-TIMEOUT", "SRC-COLUMNS"} <= ids
    assert ids <= set(listed), "write the missing one into src/cdi/docs/errors.yaml"
    others = set(listed) - {rule.rule_id for rule in all_rules()} - reader
    assert others <= ids, "remove what no code raises from src/cdi/docs/errors.yaml"
    code = "\n".join(  # the reader's rules stand in SQL too
        file.read_text(encoding="utf-8")
        for ending in ("*.py", "*.sql")
        for file in (paths.REPO / "src" / "cdi").rglob(ending)
    )
    assert [rule_id for rule_id in sorted(reader) if rule_id not in code] == []
