"""The rooms of the house, and which room may import which (README: Where the code is).

A room uses the ground and the rooms above it in the flow; nothing runs back up, so there is no
circle between rooms, and none between the modules of one room.
"""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cdi import paths

# In the order of the flow, as the README lists them.
ROOMS = (
    "agency",
    "sources",
    "landing",
    "onboarding",
    "learning",
    "audit",
    "monitoring",
    "build",
    "quality",
    "people",
    "report",
    "open_extract",
    "publish",
    "desk",
    "national",
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
    """List the modules that a file imports, also within functions, and also for types alone."""
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                imported.add(full if full in modules else node.module)
    return imported


def room_of(module: str) -> int:
    """Tell the place of a module's room in the flow; the ground comes before all rooms."""
    parts = module.split(".")
    return ROOMS.index(parts[1]) if len(parts) > 1 and parts[1] in ROOMS else -1


def problems_of(imports: dict[str, set[str]]) -> list[str]:
    """Name what breaks the order of the rooms."""
    problems = [
        f"{module} imports {used}"
        for module, all_used in imports.items()
        for used in sorted(all_used)
        if used.split(".")[0] in ("airflow", "cdi_airflow", "cdi_force", "cdi_proofs")
        or (used in imports and room_of(used) > room_of(module))
    ]
    within_product = {
        module: {used for used in all_used if used in imports and used != module}
        for module, all_used in imports.items()
    }
    try:
        TopologicalSorter(within_product).prepare()
    except CycleError as error:
        problems.append("a circle: " + " -> ".join(error.args[1]))
    return problems


def imports_of_product() -> dict[str, set[str]]:
    """List what each module of the product imports."""
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


def test_the_readme_lists_the_rooms_in_the_order_of_the_flow() -> None:
    text = (paths.REPO / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"^```text\n(src/cdi/.*?)^```$", text, re.M | re.S)
    assert tree is not None
    product, *_ = re.split(r"^(?=\S)", tree[1], flags=re.M)[1:]
    assert tuple(re.findall(r"^  (\w+)/", product, re.M)) == ROOMS


@pytest.mark.parametrize(
    ("module", "planted", "problem"),
    [
        pytest.param(
            "cdi.landing.rows",
            "from cdi.quality import checks",
            "cdi.landing.rows imports cdi.quality.checks",
            id="a room further down",
        ),
        pytest.param(
            "cdi.files",
            "import cdi.agency.model",
            "cdi.files imports cdi.agency.model",
            id="a room in the ground",
        ),
        pytest.param(
            "cdi.steps.build",
            "from airflow.sdk import DAG",
            "cdi.steps.build imports airflow.sdk",
            id="Airflow",
        ),
        pytest.param(
            "cdi.variant",
            "def f():\n    from cdi_force import scenario",
            "cdi.variant imports cdi_force",
            id="the simulated force",
        ),
        pytest.param(
            "cdi.cli",
            "from cdi_proofs.attack import Cell",
            "cdi.cli imports cdi_proofs.attack",
            id="the proofs",
        ),
        pytest.param(
            "cdi.landing.batches",
            "from cdi.landing.extract import extract_dataset",
            "a circle",
            id="a circle",
        ),
    ],
)
def test_a_planted_import_is_noticed(module: str, planted: str, problem: str) -> None:
    imports = imports_of_product()
    imports[module] |= imports_of(planted, set(FILES))
    assert any(noticed.startswith(problem) for noticed in problems_of(imports))
