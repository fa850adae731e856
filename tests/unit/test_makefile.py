"""The Makefile: its help, what the installers are given, and when the environment is made anew."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from cdi import cli, paths

GROUPS = ["Daily", "Audit", "Operate", "Prove", "Develop"]


def make(folder: Path, *arguments: str) -> str:
    """Give what make prints there, with nothing in its environment but PATH and HOME."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    process = subprocess.run(
        ["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment was made, as far as make looks at it."""
    shutil.copy(paths.REPO / "Makefile", tmp_path)
    environment = (".venv/bin/uv", ".venv/run.stamp")
    for moment, name in enumerate(
        ("requirements/bootstrap.txt", "requirements/run.txt", "pyproject.toml", *environment)
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (1_000_000 + moment,) * 2)
    (tmp_path / ".venv" / "checkout.txt").write_text(f"{tmp_path.resolve()}\n", encoding="utf-8")
    return tmp_path


def test_the_help_lists_each_target_once_and_in_groups() -> None:
    text = (paths.REPO / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY: (help(?:.*\\\n)*.*)$", text, re.M)
    assert declared is not None
    targets = set(declared[1].replace("\\", "").split()) - {"help"}
    lines = make(paths.REPO).splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted(targets)
    assert [line.split()[0] for line in lines if line[:1].strip()] == GROUPS


def test_the_commands_stand_in_panels_of_the_same_names_and_order() -> None:
    commands = typer.main.get_command(cli.app).commands.values()
    panels = list(dict.fromkeys(command.rich_help_panel for command in commands))
    assert panels == [group for group in GROUPS if group != "Prove"]


def test_a_folder_with_a_blank_in_its_name_is_one_word() -> None:
    for target in ("run", "ui"):
        printed = make(paths.REPO, "--dry-run", target, "AGENCY=nopd", "DATA=/data/new orleans")
        (line,) = [line for line in printed.splitlines() if f"/cdi {target}" in line]
        words = shlex.split(line)
        assert words[words.index("--data") + 1] == "/data/new orleans"
    printed = make(paths.REPO, "--dry-run", "notebook", "CDI_HOME=/data/new orleans")
    copy, opened = (shlex.split(line) for line in printed.splitlines() if "/first_look.py" in line)
    folder = "/data/new orleans/notebooks"
    assert copy[:3] == ["mkdir", "-p", folder]
    assert copy.count(f"{folder}/first_look.py;") == copy.count(f"{folder}/first_look.py") == 1
    assert opened[-1] == f"{folder}/first_look.py"


def test_uv_trusts_the_certificates_of_the_system() -> None:
    show = "show: ; @echo $$UV_SYSTEM_CERTS"
    assert make(paths.REPO, f"--eval={show}", "show") == "1\n"


def test_a_finished_environment_is_left_as_it_is(checkout: Path) -> None:
    assert "is up to date" in make(checkout, "--dry-run", ".venv/run.stamp")


def test_a_checkout_that_was_moved_makes_its_environment_anew(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("moved"))
    printed = make(moved, "--dry-run", ".venv/run.stamp")
    assert "-m venv --clear .venv" in printed
    assert "--editable ." in printed


def test_a_changed_project_file_installs_the_project_anew(checkout: Path) -> None:
    os.utime(checkout / "pyproject.toml")
    printed = make(checkout, "--dry-run", ".venv/run.stamp")
    assert "--no-index --no-deps --no-build-isolation --editable ." in printed
    assert "-m venv" not in printed
