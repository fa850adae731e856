"""The ground: files that are written in one step, and times without a zone."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cdi.files import write_text, write_whole
from cdi.sql import naive_utc


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    write_text(file, "old")
    with pytest.raises(RuntimeError), write_whole(file) as temporary:
        temporary.write_text("half of the new", encoding="utf-8")
        raise RuntimeError
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


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


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/London")),
        datetime(2026, 7, 1, 11, tzinfo=UTC),
    ],
)
def test_a_time_becomes_utc_without_a_zone(moment: datetime) -> None:
    assert naive_utc(moment) == datetime(2026, 7, 1, 11)
