"""What a row is about, and which code decides what becomes of it."""

import ast
from pathlib import Path

import jinja2
import pytest

from cdi import paths
from cdi.agency.datasets import DATASETS, output_columns
from cdi.landing.extract import list_reading_code
from cdi.landing.rows import identity_expression
from cdi.sql import connect, ident, scalar

# two different values of each type
VALUES = {
    "VARCHAR": ("'a'", "'b'"),
    "DOUBLE": ("1", "2"),
    "UBIGINT": ("1", "2"),
    "UINTEGER[]": ("[1]", "[2]"),
    "BOOLEAN": ("true", "false"),
    "TIMESTAMP": ("timestamp '2026-01-01'", "timestamp '2026-01-02'"),
}
# where things are, how errors read and how files are written: no row depends on these
NO_READING_CODE = {"cdi.paths", "cdi.errors", "cdi.files", "cdi.remote", "cdi.sealed_files"}


def natural_id(dataset: str) -> str:
    """The SQL of dbt's macro of that name."""
    environment = jinja2.Environment(autoescape=False)  # noqa: S701
    environment.globals["return"] = lambda text: text
    macros = (paths.DBT_PROJECT / "macros" / "newest_rows.sql").read_text(encoding="utf-8")
    return str(environment.from_string(macros).module.natural_id(dataset))


@pytest.mark.parametrize("expression", [natural_id, identity_expression])
@pytest.mark.parametrize("dataset", DATASETS)
def test_landing_and_dbt_have_the_same_notion_of_what_a_row_is_about(
    dataset: str, expression: object
) -> None:
    """Two rows that differ in one column are about two things if that column is an identity's."""
    assert callable(expression)
    about = expression(dataset)
    types = output_columns(dataset)
    # the canonical form of a reference counts; the reference as typed does so where there is none
    identity = {
        column.key_name if column.kind == "reference" else column.name
        for column in DATASETS[dataset]
        if column.is_identity
    }

    def value_of(changed: str | None, absent: str | None = None) -> object:
        values = {
            name: "null" if name == absent else VALUES[kind][name == changed]
            for name, kind in types.items()
        }
        row = ", ".join(f"{sql}::{types[name]} as {ident(name)}" for name, sql in values.items())
        return scalar(con, f"select cast({about} as varchar) from (select {row})")

    with connect() as con:
        assert {name for name in types if value_of(name) != value_of(None)} == identity
        for column in DATASETS[dataset]:
            if column.is_identity and column.kind == "reference":
                key = column.key_name
                assert value_of(column.name, absent=key) != value_of(None, absent=key)


def imported_modules(file: Path) -> set[str]:
    """The modules of the product that a file imports."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "cdi":
            modules |= {f"cdi.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cdi."):
            modules.add(str(node.module))
    return modules


def file_of(module: str) -> Path:
    return paths.REPO / "src" / f"{module.replace('.', '/')}.py"


def test_all_code_that_turns_bytes_into_rows_is_part_of_a_batchs_fingerprint() -> None:
    """Or else a change of that code would not extract anew what the old code had read."""
    reading: set[str] = set()
    waiting = {"cdi.landing.rows", "cdi.sources.files"}
    while waiting:
        module = waiting.pop()
        reading.add(module)
        waiting |= imported_modules(file_of(module)) - reading - NO_READING_CODE
    assert {"cdi.landing.read", "cdi.landing.masks", "cdi.agency.key_rules"} < reading
    queries = (paths.REPO / "src" / "cdi" / "landing" / "sql").glob("*.sql")
    assert {*map(file_of, reading), *queries} <= set(list_reading_code())
