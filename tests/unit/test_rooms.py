"""The rooms of the house: who may use whom (README: the map of the house).

A room uses the ground and the rooms above it in the flow; nothing runs back up, so there is no
circle between rooms, and none between the modules of one room.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cdi import paths

# in the order of the flow, as the README lists them
ROOMS = (
    "agency",
    "sources",
    "landing",
    "learning",
    "audit",
    "monitoring",
    "build",
    "quality",
    "people",
    "report",
    "open_extract",
    "publish",
    "erasure",
    "steps",
    "docs",
    "local",
    "cli",
)
SOURCE = paths.REPO / "src"


def module_name(file: Path) -> str:
    """`cdi.landing.rows` for src/cdi/landing/rows.py; a package has the name of its folder."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted((SOURCE / "cdi").rglob("*.py"))}


def imports_of(text: str, modules: set[str]) -> set[str]:
    """The modules that a file imports, anywhere in it: also in a function, also for types only."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
    return found


def room_of(module: str) -> int:
    """Place in the flow; the ground, on which every room stands, is before all of them."""
    parts = module.split(".")
    return ROOMS.index(parts[1]) if len(parts) > 1 and parts[1] in ROOMS else -1


def problems_of(imports: dict[str, set[str]]) -> list[str]:
    """What breaks the order of the rooms."""
    problems = [
        f"{module} imports {used}"
        for module, all_used in imports.items()
        for used in sorted(all_used)
        if used.split(".")[0] in ("airflow", "cdi_airflow", "cdi_force", "cdi_proofs")
        or (used in imports and room_of(used) > room_of(module))
    ]
    own = {module: {used for used in all_used if used in imports and used != module}
           for module, all_used in imports.items()}  # fmt: skip
    try:
        TopologicalSorter(own).prepare()
    except CycleError as error:
        problems.append("a circle: " + " -> ".join(error.args[1]))
    return problems


def imports_of_product() -> dict[str, set[str]]:
    """What each module of the product imports."""
    modules = set(FILES)
    return {
        module: imports_of(file.read_text(encoding="utf-8"), modules)
        for module, file in FILES.items()
    }


def test_each_folder_of_the_product_is_a_room_of_the_flow() -> None:
    folders = {file.parent.name for file in (SOURCE / "cdi").glob("*/__init__.py")}
    assert folders == set(ROOMS)


def test_no_import_runs_back_up_and_none_leaves_the_product() -> None:
    imports = imports_of_product()
    assert sum(map(len, imports.values())) > 500
    assert problems_of(imports) == []


@pytest.mark.parametrize(
    ("module", "planted", "told"),
    [
        ("cdi.landing.rows", "from cdi.quality import checks", "cdi.landing.rows imports cdi.quality.checks"),
        ("cdi.files", "import cdi.agency.model", "cdi.files imports cdi.agency.model"),
        ("cdi.steps.build", "from airflow.sdk import DAG", "cdi.steps.build imports airflow.sdk"),
        ("cdi.variant", "def f():\n    from cdi_force import scenario", "cdi.variant imports cdi_force"),
        ("cdi.cli", "from cdi_proofs.attack import Cell", "cdi.cli imports cdi_proofs.attack"),
        ("cdi.landing.batches", "from cdi.landing.extract import extract_dataset", "a circle"),
    ],
)  # fmt: skip
def test_a_planted_import_is_noticed(module: str, planted: str, told: str) -> None:
    imports = imports_of_product()
    imports[module] |= imports_of(planted, set(FILES))
    assert any(problem.startswith(told) for problem in problems_of(imports))
