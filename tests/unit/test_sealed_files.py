"""Seals of single files: each change is noticed, and a kill is not taken for one."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cdi import paths, sealed_files
from cdi.errors import StateError
from cdi.sealed_files import (
    append_sealed,
    find_damaged_files,
    is_as_sealed,
    rewrite_as_sealed,
    seal_of,
    verify_file,
    write_sealed,
    write_sums,
)


@pytest.fixture
def lines(state: Path) -> Path:
    """A sealed file of three lines."""
    file = state / "lines.jsonl"
    for line in ("one", "two", "three"):
        with append_sealed("a", file) as text:
            text.write(f"{line}\n")
    assert file.read_text() == "one\ntwo\nthree\n"
    return file


@pytest.mark.parametrize(
    "content", ["two\nthree\n", "one\ntwo\n", "one\nthree\ntwo\n", "one\ntwo\nthreE\n", ""]
)
def test_a_line_that_is_changed_deleted_or_moved_is_noticed(lines: Path, content: str) -> None:
    lines.write_text(content)
    with pytest.raises(StateError, match=r"STATE-DAMAGED.*not as it was written"):
        verify_file("a", lines, may_grow=True)
    with pytest.raises(StateError, match="STATE-DAMAGED"), append_sealed("a", lines) as text:
        text.write("four\n")
    assert lines.read_text() == content  # and it is not sealed anew


def test_a_file_that_is_gone_is_noticed(lines: Path) -> None:
    lines.unlink()
    with pytest.raises(StateError, match=r"STATE-DAMAGED.*is missing"):
        verify_file("a", lines, may_grow=True)


def test_a_line_that_was_not_sealed_any_more_is_sealed_with_the_next(lines: Path) -> None:
    lines.write_text("one\ntwo\nthree\nfour\n")  # its process was killed before the seal
    assert is_as_sealed("a", lines, may_grow=True)
    assert not is_as_sealed("a", lines)
    with append_sealed("a", lines) as text:
        text.write("five\n")
    assert is_as_sealed("a", lines)


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_line_that_cannot_be_sealed_is_not_there(
    lines: Path, is_renamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may take no new file, or fail when the new seal has its name already."""
    write_seal: Callable[..., None] = sealed_files._write_seal

    def fail_once(file: Path, sealed: list[tuple[int, str]]) -> None:
        monkeypatch.setattr(sealed_files, "_write_seal", write_seal)
        if is_renamed:
            write_seal(file, sealed)
        raise PermissionError(errno.EACCES, "Permission denied", str(seal_of(file)))

    monkeypatch.setattr(sealed_files, "_write_seal", fail_once)
    with pytest.raises(PermissionError), append_sealed("a", lines) as text:
        text.write("four\n")
    assert lines.read_text() == "one\ntwo\nthree\n"
    assert is_as_sealed("a", lines)
    with append_sealed("a", lines) as text:
        text.write("five\n")
    assert lines.read_text() == "one\ntwo\nthree\nfive\n"


def test_a_damaged_seal_holds_for_nothing(lines: Path) -> None:
    for content in ("", "{}", '{"sealed": 1}', seal_of(lines).read_text().replace("[", "{", 1)):
        seal_of(lines).write_text(content)
        assert not is_as_sealed("a", lines, may_grow=True)


def test_a_file_from_before_there_were_seals_is_taken_as_it_is(state: Path) -> None:
    state.mkdir()
    (state / "old.csv").write_text("one\n")
    assert is_as_sealed("a", state / "old.csv")
    with rewrite_as_sealed("a", state / "old.csv") as written:
        written.write_text("two\n")
    assert not seal_of(state / "old.csv").exists()


def test_another_key_and_another_name_make_another_seal(lines: Path) -> None:
    assert not is_as_sealed("b", lines)
    other = lines.with_name("other.csv")
    shutil.copy(lines, other)
    shutil.copy(seal_of(lines), seal_of(other))
    assert not is_as_sealed("a", other)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_kill_at_any_step_of_a_rewriting_leaves_a_file_that_its_seal_holds_for(
    lines: Path, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_there:
        lines.unlink()
        seal_of(lines).unlink()
    write_seal: Callable[..., None] = sealed_files._write_seal
    steps: list[bool] = []

    def look(file: Path, sealed: list[tuple[int, str]]) -> None:
        write_seal(file, sealed)
        steps.append(is_as_sealed("a", lines))

    monkeypatch.setattr(sealed_files, "_write_seal", look)
    with write_sealed("a", lines) as written:
        written.write_text("new\n")
    assert steps == [True, True]  # before the rename and after it
    assert lines.read_text() == "new\n"
    lines.write_text("old\n")
    assert not is_as_sealed("a", lines)


def test_each_file_below_a_folder_is_compared_with_its_checksum(state: Path) -> None:
    folder = state / "version"
    (folder / "inner").mkdir(parents=True)
    for name in ("a", "inner/b"):
        (folder / name).write_text(name, encoding="utf-8")
    write_sums("x", folder)
    assert find_damaged_files("x", folder) == []
    (folder / "a").write_text("A", encoding="utf-8")
    (folder / "inner" / "b").unlink()
    (folder / "new").touch()
    assert find_damaged_files("x", folder) == ["a", "inner/b", "new"]


@pytest.mark.parametrize("name", ["SHA256SUMS", "SHA256SUMS.seal"])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_checksums_that_are_changed_with_their_files_are_noticed(
    state: Path, name: str, is_deleted: bool
) -> None:
    folder = state / "version"
    folder.mkdir(parents=True)
    (folder / "a").write_text("a", encoding="utf-8")
    write_sums("x", folder)
    if is_deleted:
        (folder / name).unlink()
    else:
        (folder / name).write_text("", encoding="utf-8")
    assert find_damaged_files("x", folder) == ["SHA256SUMS"]
    assert paths.secrets().is_dir()
