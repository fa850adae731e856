"""The open folder of a published version: whole, found by the pages, and what others receive."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdi import paths
from cdi.national.exchange import collect_open_extracts, send_open_extract
from cdi.publish.access import find_file
from cdi.publish.overview import describe_freshness
from cdi.publish.parts import find_part
from cdi.render import render
from cdi_proofs.attack import read_open_folder
from cdi_proofs.open_formats import FORMATS, find_unreleased_numbers
from tests.conftest import SmallAgency

NOW = datetime(2017, 10, 2, tzinfo=UTC)


@pytest.fixture
def published(ran: SmallAgency) -> Path:
    """The folder of the current version."""
    return (paths.published("testville") / "current").resolve()


def test_every_file_of_the_open_folder_is_offered_by_the_pages(published: Path) -> None:
    names = sorted(file.name for file in (published / "open").iterdir())
    assert "index.html" in names
    assert len(names) == 4 + 2 * 10  # ten tables, each in two formats
    for name in names:
        part = find_part(f"open/{name}")
        assert part is not None
        assert not part.is_restricted
        file = find_file(published.resolve(), f"open/{name}")
        assert file is not None
        assert file.read_bytes() == (published / "open" / name).read_bytes()


def test_before_the_first_release_the_open_folder_shows_no_count(published: Path) -> None:
    counts = [read_open_folder(published / "open", form).counts for form in FORMATS]
    assert counts == [{}] * len(FORMATS)
    assert find_unreleased_numbers(published / "open") == {}


def test_the_nation_receives_each_file_as_it_is(
    ran: SmallAgency, published: Path, tmp_path: Path
) -> None:
    place = str(tmp_path / "place")
    send_open_extract("testville", place, NOW)
    (received,) = collect_open_extracts(place, ["testville"], tmp_path / "kept", NOW)
    assert received.folder is not None
    sent = {file.name: file.read_bytes() for file in (published / "open").iterdir()}
    assert {file.name: file.read_bytes() for file in received.folder.iterdir()} == sent


def test_the_next_version_repeats_what_changed_before(ran: SmallAgency, published: Path) -> None:
    before = json.loads((published / "open" / "datapackage.json").read_text())["changes"]
    assert [entry["change"] for entry in before] == ["This is the first release."]
    ran.settings["contact"] = {"name": "Open data desk", "email": "open@example.org"}
    ran.settings["open_extract"] = {"smallest_count": 12}
    _reach(ran, "2026-08-01")
    assert ran.run()
    now = (paths.published("testville") / "current").resolve()
    assert now != published
    package = json.loads((now / "open" / "datapackage.json").read_text())
    assert package["changes"] == before
    page = (now / "open" / "index.html").read_text()
    assert "open@example.org" in page
    assert "Counts from 1 to 11 are withheld." in page
    # April to June are settled, but nobody has audited this agency
    assert "Settled, and waiting for this: 2026-Q2." in page
    assert not paths.released("testville").exists()
    fresh = describe_freshness("testville", NOW)
    assert fresh.held_back == ("2026-Q2",)
    page = render("operations.html.j2", agencies=[fresh], now="now", is_simulated=False)
    assert "Release of 2026-Q2: the software has learnt from no audit yet" in page


def _reach(small: SmallAgency, day: str) -> None:
    """Let the agency deliver the same files again on a later day."""
    small.settings["coverage"]["end"] = day
    for source in small.settings["sources"].values():
        source["files"][0]["as_of"] = day
    small.write_settings()
