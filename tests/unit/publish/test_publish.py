"""A version is published whole or not at all, and old ones go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdi import paths
from cdi.agency.model import Agency
from cdi.build.version import Version
from cdi.errors import BuildError
from cdi.publish.publish import publish_folder

FIRST = datetime(2017, 4, 3, tzinfo=UTC)
WHOLE = (
    "recording.duckdb",
    "report.html",
    "explore.html",
    "figures.json",
    "matching.html",
    "validation.html",
    "dictionary.html",
    "dbt_docs.html",
    "worklist/index.html",
    "worklist/worklist.csv",
    "worklist/worklist.xlsx",
    "open/open.duckdb",
    "open/README.md",
    "open/index.html",
    "open/datapackage.json",
    "version.json",
)


def built(agency: Agency, day: int = 0) -> Version:
    """A version with each of its files in the private folder."""
    version = Version(agency, FIRST + timedelta(days=day), {}, f"{day:064x}")
    for name in WHOLE:
        file = version.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(version.name, encoding="utf-8")
    return version


def current(agency: Agency) -> Path:
    return paths.published(agency.agency) / "current"


def test_a_whole_version_becomes_the_current_one_and_read_only(sample: Agency) -> None:
    version = built(sample)
    folder = publish_folder(version)
    assert current(sample).resolve() == folder
    assert not version.folder.exists()
    assert {file.stat().st_mode & 0o777 for file in folder.rglob("*.*") if file.is_file()} == {
        0o400
    }


@pytest.mark.parametrize("name", WHOLE)
def test_a_version_that_lacks_a_file_is_not_published(sample: Agency, name: str) -> None:
    before = publish_folder(built(sample))
    version = built(sample, 1)
    (version.folder / name).unlink()
    with pytest.raises(BuildError, match=f"{name} is missing") as refused:
        publish_folder(version)
    assert refused.value.rule_id == "PUBLISH-INCOMPLETE"
    assert current(sample).resolve() == before


def test_a_file_that_was_not_closed_is_not_published(sample: Agency) -> None:
    version = built(sample)
    (version.folder / "recording.duckdb.wal").touch()
    with pytest.raises(BuildError, match=r"recording\.duckdb\.wal shows"):
        publish_folder(version)
    assert not current(sample).exists()


def test_the_newest_versions_stay(sample: Agency) -> None:
    for day in range(7):
        folder = publish_folder(built(sample, day))
    kept = sorted(version.name for version in folder.parent.iterdir())
    # five of the seven: the last of them was made six days after the first
    assert kept == [f"201704{day:02}T0000-0000000000" for day in range(5, 10)]


def test_the_same_version_can_be_published_again(sample: Agency) -> None:
    publish_folder(built(sample))
    current(sample).unlink()
    again = publish_folder(built(sample))
    assert current(sample).resolve() == again
    assert [version.name for version in again.parent.iterdir()] == [again.name]
