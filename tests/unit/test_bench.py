"""The programs of bench/, which no test runs: what they name in texts exists, and what they keep.

`make check` looks at their own imports and calls. A program may also hold the code of another
process, and SQL, as texts.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml
from rich.console import Console
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from cdi import paths

PROGRAMS = sorted((paths.REPO / "bench").glob("*.py"))
INSERTED = "inserted"  # is read in place of what a program inserts into a text


def read_texts(program: Path) -> Iterator[str]:
    """The texts of a program."""
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else INSERTED for p in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def imports_of(text: str) -> Iterator[tuple[str, str]]:
    """The modules of ours that a text of code imports, each with a name that it takes from it."""
    try:
        parts = ast.parse(text).body
    except SyntaxError:
        return
    for part in parts:
        if isinstance(part, ast.ImportFrom) and part.module and part.module.startswith("cdi"):
            yield from ((part.module, alias.name) for alias in part.names)


def names_in(module: str) -> set[str]:
    """The names that a module has at its top level; none of a module that is not there."""
    found = util.find_spec(module)
    if found is None or found.origin is None:
        return set()
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    return {
        name
        for part in tree.body
        for node in ([part] if isinstance(part, ast.FunctionDef | ast.ClassDef) else ast.walk(part))
        if (name := getattr(node, "name", None) or getattr(node, "id", None))
    }


def described_columns() -> dict[str, set[str]]:
    """The columns of each model, seed and source by `schema.table`; none where none are described.

    A model's schema is that of its folder, but people find all that is published in `main`.
    """
    found = {}
    project = paths.DBT_PROJECT
    for file in [*project.glob("models/**/*.yml"), *project.glob("seeds/*.yml")]:
        content = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        schema = {"seeds": "rules", "marts": "main", "measures": "main", "bi": "main"}.get(
            file.parent.name, file.parent.name
        )
        tables = [(schema, table) for table in content.get("models", []) + content.get("seeds", [])]
        tables += [(s["name"], table) for s in content.get("sources", []) for table in s["tables"]]
        for place, table in tables:
            columns = {column["name"] for column in table.get("columns", [])}
            found[f"{place}.{table['name']}"] = columns
    return found


def tables_read_in(text: str) -> Iterator[tuple[str, set[str]]]:
    """The tables that a text of SQL reads, each with those of its columns that it names."""
    try:
        statements = sqlglot.parse(text, dialect="duckdb") if "from " in text else []
    except SqlglotError:
        return
    for statement in statements:
        query: Any = statement and statement.find(exp.Query)
        for scope in traverse_scope(query) if query else ():
            for alias, source in scope.sources.items():
                if isinstance(source, exp.Table):
                    is_alone = len(scope.sources) == 1
                    columns = {
                        column.name
                        for column in scope.columns
                        if column.table == alias or (is_alone and not column.table)
                    }
                    yield f"{source.db or 'main'}.{source.name}", columns


def test_code_in_texts_imports_what_exists() -> None:
    imported = {
        (program.name, *pair)
        for program in PROGRAMS
        for text in read_texts(program)
        for pair in imports_of(text)
    }
    assert ("force_build.py", "cdi.steps.run", "publish_new") in imported
    known = {module: names_in(module) for _, module, _ in imported}
    assert [named for named in sorted(imported) if named[2] not in known[named[1]]] == []


def test_sql_in_texts_reads_tables_and_columns_that_exist() -> None:
    known = described_columns()
    schemas = {name.partition(".")[0] for name in known} - {"main"}
    read, missing = set(), set()
    for program in PROGRAMS:
        for text in read_texts(program):
            for name, columns in tables_read_in(text):
                if name in known:
                    read.add(name)
                    unknown = columns - known[name] if known[name] else set()
                    missing |= {f"{program.name}: {name}.{column}" for column in unknown}
                elif name.partition(".")[0] in schemas and INSERTED not in name:
                    missing.add(f"{program.name}: {name}")
    assert {"staging.stg_calls", "linkage.int_linkage__links", "codes.call_types"} <= read
    assert missing == set()


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, state: Path) -> Callable[[str], ModuleType]:
    """Imports a program, as Python does if it is called; its state folder is an empty one."""
    monkeypatch.setenv("CDI_BENCH_STATE", str(state))
    monkeypatch.syspath_prepend(paths.REPO / "bench")
    return import_module


def test_the_first_build_of_a_national_year_finds_nothing_of_an_earlier_run(
    load: Callable[[str], ModuleType],
) -> None:
    name = "force_03"
    kept = [paths.readings(name), paths.released(name)]
    others = [paths.weights(name), paths.readings("force_04")]
    for folder in (*kept, *others):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    load("national_year").forget_builds(name)
    assert [folder.exists() for folder in (*kept, *others)] == [False, False, True, True]


def test_an_interrupted_landing_is_not_taken_for_whole(
    load: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    force = tmp_path / "force"
    landed = []

    def land() -> None:
        (paths.home() / "landing").mkdir(parents=True)
        landed.append(paths.home())
        if len(landed) == 1:
            raise KeyboardInterrupt
        (paths.home() / "landing" / "rows").touch()

    land_once = load("force_build").land_once
    with pytest.raises(KeyboardInterrupt):
        land_once(force, land)
    assert not force.exists()
    land_once(force, land)
    land_once(force, land)
    assert len(landed) == 2
    assert [file.name for file in (force / "landing").iterdir()] == ["rows"]
    assert list(tmp_path.iterdir()) == [force]


def test_an_interrupted_copy_of_the_landing_is_never_put_back(
    load: Callable[[str], ModuleType], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force_build = load("force_build")
    landing = state / "landing"
    landing.mkdir(parents=True)
    (landing / "rows").write_text("all")

    def copy_a_part(_: Path, copy: Path) -> None:
        copy.mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(force_build.shutil, "copytree", copy_a_part)
        with force_build.changed_landing(lambda _: None):
            pass
    monkeypatch.setattr(force_build, "read_batches", dict)
    with force_build.changed_landing(lambda _: (landing / "rows").write_text("changed")):
        pass
    assert (landing / "rows").read_text() == "all"


def kept_names(load: Callable[[str], ModuleType]) -> list[str]:
    """The names of the results that were kept."""
    return [row["name"] for row in load("results").read_results()]


def test_builds_of_another_checkout_do_not_replace_those_of_this_one(
    load: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force_build = load("force_build")
    cost = load("results").Cost(1.0, 2.0, 3.0)
    state = paths.home()
    monkeypatch.setattr(force_build, "land_once", lambda *_: None)
    monkeypatch.setattr(force_build, "time_builds", lambda *_: {"first build": cost})
    monkeypatch.setattr(force_build, "read_batches", dict)
    for checkout in (paths.REPO, tmp_path / "older"):
        force_build.main(["force-year"], texts_differ=True, checkout=checkout)
    assert paths.home() == state
    assert kept_names(load) == [
        "force-year, texts all different, first build",
        "force-year, texts all different, built by older, first build",
    ]


def test_a_sample_of_the_national_year_does_not_replace_its_largest_forces(
    load: Callable[[str], ModuleType], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    national_year = load("national_year")
    monkeypatch.setenv("CDI_AGENCIES", "")  # the program sets it, and the test puts it back
    figures = {"force": "", "rows": {}, "wall_s": 1, "peak_mib": 1, "file_mib": 1}
    figures |= {"steps": {}, "models": {}, "other": {}}
    monkeypatch.setattr(national_year, "measure_force", lambda _: figures)
    monkeypatch.setattr(national_year, "STATE", state)
    for every, forces in ((1, range(6)), (8, range(1, 43, 8))):
        monkeypatch.setattr(national_year, "EVERY", every)
        monkeypatch.setattr(national_year, "FORCES", forces)
        national_year.measure_forces("first build", Console(quiet=True))
    year = "national year, 6 agencies, 2 at a time, first build"
    assert kept_names(load) == [year, f"{year}, EVERY=8"]


def test_the_desk_without_learnt_weights_does_not_replace_the_desk_with_them(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk_latency = load("desk_latency")
    hours = [{"extraction_to_desk_s": 60.0, "cpu_s": 30.0}]
    monkeypatch.setattr(desk_latency, "ensure_force", lambda: None)
    monkeypatch.setattr(desk_latency, "open_force", lambda _: nullcontext())
    monkeypatch.setattr(desk_latency, "follow_hours", lambda _: {"hours": hours})
    for learns in (True, False):
        monkeypatch.setattr(desk_latency, "LEARNS", learns)
        desk_latency.main()
    desk = "extraction to desk, 12 months"
    assert kept_names(load) == [desk, f"{desk}, no learnt weights"]
    (kept, _) = load("results").read_results()
    assert (kept["wall_s"], kept["cpu_s"], kept["peak_mib"]) == (60.0, 30.0, None)


def test_what_was_not_measured_is_kept_as_null(load: Callable[[str], ModuleType]) -> None:
    results = load("results")
    usual = results.keep_result("usual", {}, results.Cost(2.0, 3.456, 7.8))
    assert (usual["wall_s"], usual["cpu_s"], usual["peak_mib"]) == (2.0, 3.46, 8)
    none = results.NOT_MEASURED
    results.keep_result("by Airflow", {}, results.Cost(3.0, none, none), "usual")
    kept = results.read_results()[-1]
    assert (kept["wall_s"], kept["cpu_s"], kept["peak_mib"]) == (3.0, None, None)
    assert kept["ratio"] == 1.5
    assert "NaN" not in results.results_file().read_text(encoding="utf-8")


def test_rows_that_differ_have_the_names_of_the_columns_that_both_versions_have(
    load: Callable[[str], ModuleType],
) -> None:
    compare_versions = load("compare_versions")
    with duckdb.connect() as con:
        con.execute("create table older as select 1 as id, 'gone' as removed, 10 as crimes")
        con.execute("create table newer as select 1 as id, 11 as crimes")
        older, newer = (
            compare_versions.Relation(name, dict.fromkeys(columns, "INTEGER"), [])
            for name, columns in (
                ("older", ("id", "removed", "crimes")),
                ("newer", ("id", "crimes")),
            )
        )
        found = compare_versions.find_differences(con, older, newer)
    assert found[1:] == [
        "only before: {'id': 1, 'crimes': 10}",
        "only after: {'id': 1, 'crimes': 11}",
    ]


def test_the_link_job_asks_for_its_environment_before_it_works(
    load: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link_job = load("link_job")
    monkeypatch.setattr(link_job, "PYTHON", tmp_path / "bin" / "python")
    monkeypatch.setattr(link_job, "land_force_year", lambda: pytest.fail("it landed"))
    with pytest.raises(SystemExit, match=r"make \.venv-bench/bench\.stamp"):
        link_job.main()


def test_the_link_job_of_another_force_has_a_name_of_its_own(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, job in (("", "links, force-year"), ("5", "links, force-year, seed 5")):
        monkeypatch.setenv("SEED", seed)
        monkeypatch.delitem(sys.modules, "link_job", raising=False)
        assert f"{job}: polars" in load("link_job").RUNS
