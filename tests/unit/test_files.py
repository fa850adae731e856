"""The ground: files that are written in one step, and times without a zone."""

import errno
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from cdi.files import append_whole, parse_yaml, remove_folder, write_text, write_whole
from cdi.sql import naive_utc


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    write_text(file, "old")
    with pytest.raises(RuntimeError), write_whole(file) as temporary:
        temporary.write_text("half of the new", encoding="utf-8")
        raise RuntimeError
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_names_the_file_that_did_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    with pytest.raises(OSError, match=f"No space left on device: '{file}'"), write_whole(file):
        raise OSError(errno.ENOSPC, "No space left on device")  # as a write tells it


def test_what_a_killed_process_left_is_removed_before_the_next_write(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    with write_whole(file) as temporary:
        temporary.write_text("left by a killed process", encoding="utf-8")
        with write_whole(file) as again:
            assert again == temporary
            assert not again.exists()
            again.write_text("new", encoding="utf-8")
        temporary.write_text("newer", encoding="utf-8")
    assert file.read_text(encoding="utf-8") == "newer"


def test_lines_whose_finish_fails_are_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text("one\n", encoding="utf-8")
    seen: list[str] = []

    def fail() -> None:
        seen.append(file.read_text(encoding="utf-8"))
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"), append_whole(file, finish=fail) as text:
        text.write("two\n")
    assert file.read_text(encoding="utf-8") == "one\n"
    assert seen == ["one\ntwo\n", "one\n"]  # it is asked once more, for what is left


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/London")),
        datetime(2026, 7, 1, 11, tzinfo=UTC),
    ],
)
def test_a_time_becomes_utc_without_a_zone(moment: datetime) -> None:
    assert naive_utc(moment) == datetime(2026, 7, 1, 11)


def test_a_folder_is_gone_under_its_name_before_its_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "version"
    folder.mkdir()
    (folder / "file").touch()

    def killed(removed: Path, **_: bool) -> None:
        assert not folder.exists()
        assert (removed / "file").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_folder(folder)
    assert len(list(tmp_path.iterdir())) == 1
    remove_folder(folder)  # it is not there any more, and what was left goes
    assert list(tmp_path.iterdir()) == []


def test_yaml_holds_plain_values_and_never_runs_anything(tmp_path: Path) -> None:
    assert parse_yaml("from: 2026-01-05\nmonths: [1, 2]") == {
        "from": date(2026, 1, 5),
        "months": [1, 2],
    }
    file = tmp_path / "made"
    with pytest.raises(yaml.YAMLError):
        parse_yaml(f"!!python/object/apply:os.mkdir ['{file}']")
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3"),
        ("sources:\n  - {ignored: [x]}\n  - {ignored: [y], ignored: [z]}\n", "line 3"),
        ("a: {b: 1}\n'a': {c: 2}\n", "line 2"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(text: str, place: str) -> None:
    with pytest.raises(yaml.YAMLError, match="is there twice") as refused:
        parse_yaml(text)
    assert place in str(refused.value)


def test_a_key_may_replace_one_that_is_merged() -> None:
    text = """
        base: &base {a: 1, b: 2}
        merged: &merged {<<: *base, b: 3}
        twice: {<<: *base, <<: {c: 5}}
        again: *merged
        """
    assert parse_yaml(text) == {
        "base": {"a": 1, "b": 2},
        "merged": {"a": 1, "b": 3},
        "twice": {"a": 1, "b": 2, "c": 5},
        "again": {"a": 1, "b": 3},
    }
    assert parse_yaml("# nothing") is None
