"""CONTRIBUTING: the functions, files and rooms that it names exist."""

import re
from importlib import import_module

from cdi import paths

TEXT = (paths.REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALK = TEXT[TEXT.index("## A walk") : TEXT.index("## Before you ask")]
# Rooms that the walk leaves out: what calls the others, and what lies beside the flow.
BESIDE = {"onboarding", "erasure", "steps", "docs", "local", "cli"}


def test_the_walk_passes_each_room_once_in_the_order_of_the_readme() -> None:
    readme = (paths.REPO / "README.md").read_text(encoding="utf-8")
    tree = readme[readme.index("src/cdi/  ") : readme.index("src/cdi_force/")]
    rooms = [room for room in re.findall(r"^  (\w+)/", tree, re.M) if room not in BESIDE]
    assert re.findall(r"^\d+\. \*\*(\w+)\*\*", WALK, re.M) == rooms


def test_each_function_of_the_walk_exists() -> None:
    calls = 0
    for room, text in re.findall(r"^\d+\. \*\*(\w+)\*\*(.*?)(?=^\d+\.|\Z)", WALK, re.M | re.S):
        steps = {
            name
            for bracket in re.findall(r"\[([^\]]*)\]", text)
            for name in function_names(bracket)
        }
        for name in function_names(text):
            module, function = name.split(".")
            package = "steps" if name in steps else room
            assert callable(getattr(import_module(f"cdi.{package}.{module}"), function)), name
            calls += 1
    assert calls > 20


def function_names(text: str) -> list[str]:
    """Names of the form `module.function`, in backticks."""
    return re.findall(r"`([a-z_]+\.(?!yaml|csv|py\b)[a-z_]+)`", text)


def test_each_file_that_it_names_exists() -> None:
    named = re.findall(
        r"`((?:\.github|src|tests|docs|dags|bench|dbt_project|agencies)/[^` <>*]+)`", TEXT
    )
    assert len(named) > 20
    missing = [name for name in named if not (paths.REPO / name).exists()]
    assert missing == []
