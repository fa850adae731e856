"""The exposures name what each page reads, so that nobody changes a model without its readers."""

import re
from pathlib import Path

import pytest
import yaml

from cdi import paths

# Which room's code makes what people open.
ROOMS = {
    "report": {"report", "explore_page", "match_report", "worklist", "log_pages"},
    "desk": {"desk"},
    "open_extract": {"open_extract"},
    "quality": {"validation_page"},
}
READ = re.compile(r"\b(?:from|join)\s+(?:\w+\.)?(\w+)")


def published_models() -> set[str]:
    """What people can read in the schema `main`."""
    folders = (paths.DBT_PROJECT / "models" / name for name in ("marts", "measures", "bi"))
    return {file.stem for folder in folders for file in folder.glob("*.[sp][qy]*")}


def models_read_in(files: list[Path]) -> set[str]:
    assert files
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return set(READ.findall(text)) & published_models()


def exposures() -> dict[str, set[str]]:
    file = paths.DBT_PROJECT / "models" / "exposures.yml"
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))["exposures"]
    return {
        exposure["name"]: {re.sub(r"ref\('(\w+)'\)", r"\1", ref) for ref in exposure["depends_on"]}
        for exposure in declared
    }


@pytest.mark.parametrize("room", ROOMS)
def test_the_exposures_of_a_room_name_what_its_code_reads(room: str) -> None:
    folder = paths.REPO / "src" / "cdi" / room
    files = [*folder.rglob("*.py"), *folder.rglob("*.sql")]
    declared = set().union(*(exposures()[name] for name in ROOMS[room]))
    assert declared == models_read_in(files)


def test_the_notebook_reads_the_views_that_its_exposure_names() -> None:
    read = models_read_in([paths.REPO / "analysts" / "notebook.py"])
    assert exposures()["notebook"] == read


def test_each_exposure_belongs_to_a_room_or_is_the_notebook() -> None:
    assert set(exposures()) == {"notebook"}.union(*ROOMS.values())
