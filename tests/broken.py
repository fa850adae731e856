"""Ways in which the folder of an agency can be broken."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import SmallAgency


def _make_pipe(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def _make_folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


def _lead_to_itself(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.symlink_to(file.name)


def _lead_folder_to_itself(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)


def _replace_settings(folder: Path, text: bytes) -> None:
    (folder / "agency.yaml").write_bytes(text)


# Each breaks the folder of an agency; what it is named is the name of that agency too.
BREAKAGES: dict[str, Callable[[Path], None]] = {
    "settings_are_a_pipe": lambda folder: _make_pipe(folder / "agency.yaml"),
    "settings_are_a_folder": lambda folder: _make_folder(folder / "agency.yaml"),
    "settings_lead_to_themselves": lambda folder: _lead_to_itself(folder / "agency.yaml"),
    "settings_are_nested": lambda folder: _replace_settings(
        folder, b"name: " + b"[" * 2000 + b"]" * 2000
    ),
    "settings_are_not_utf8": lambda folder: _replace_settings(folder, b"name: \xff"),
    "schedule_in_words": lambda folder: change_settings(folder, schedule="every day at noon"),
    "schedule_that_never_comes": lambda folder: change_settings(folder, schedule="0 6 30 2 *"),
    "name_without_end": lambda folder: change_settings(folder, name="x" * 100_000),
    "map_is_a_pipe": lambda folder: _make_pipe(folder / "closures.csv"),
    "map_is_a_folder": lambda folder: _make_folder(folder / "offences.csv"),
    "optional_map_is_a_folder": lambda folder: _make_folder(folder / "routes.csv"),
    "register_leads_to_itself": lambda folder: _lead_to_itself(folder / "actions.csv"),
    "folder_leads_to_itself": _lead_folder_to_itself,
}


def change_settings(folder: Path, **changes: Any) -> None:
    """Change keys of an agency.yaml."""
    file = folder / "agency.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8")) | changes
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")


def copy_agency(small: SmallAgency, name: str) -> Path:
    """Copy an agency's folder under another name, beside it; returns the copy."""
    folder = small.folder.parent / name
    shutil.copytree(small.folder, folder)
    change_settings(folder, agency=name)
    return folder
