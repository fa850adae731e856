"""Two builds of one agency at once: each step is a process of its own, and they meet anywhere.

All that decides who may touch what is real. What reads and computes is played: each file of a
version holds the version's name alone.
"""

import contextlib
import itertools
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from cdi import paths
from cdi.agency.model import Agency
from cdi.build import make
from cdi.build.version import Version
from cdi.errors import BuildError, BusyError
from cdi.publish import publish
from cdi.publish.parts import list_files_of_whole_version
from cdi.report.headline import Headline
from cdi.steps import build as steps
from cdi.steps import retain

FIRST = datetime(2017, 4, 3, tzinfo=UTC)
STEPS = ("make_build", "check_marts", "write_report", "publish_version")


def version_of(agency: Agency, number: int) -> Version:
    return Version(agency, FIRST + timedelta(days=number), {}, f"{number:064x}")


class Stage:
    """The steps of the build DAG, without what makes them long.

    Attributes:
        agency: The agency.
        planned: The version that the next build would make.
        within: Is called in the middle of each step.
    """

    def __init__(self, agency: Agency, patch: pytest.MonkeyPatch, folder: Path) -> None:
        """Replace what reads and computes."""
        self.agency = agency
        self.planned = version_of(agency, 1)
        self.within: Callable[[str], None] = lambda step: None
        (folder / make.FILE_NAME).touch()
        for name in (
            *("open_landing", "keep_readings", "hash_reading_code", "_close_landing"),
            *("_keep_run_results", "_keep_lineage", "_keep_audits", "_describe_codes"),
            "_open_views",
        ):
            patch.setattr(make, name, Mock())
        patch.setattr(make, "prepare_project", lambda: folder)
        patch.setattr(make, "connect", contextlib.nullcontext)
        patch.setattr(make, "write_database", lambda *_: contextlib.nullcontext(Mock()))
        patch.setattr(make, "run_dbt", self.write("make_build", "recording.duckdb"))
        patch.setattr(make, "_describe_version", self.describe)
        patch.setattr(steps, "load_agency", lambda name: agency)
        patch.setattr(steps, "plan_version", lambda *_: self.planned)
        patch.setattr(steps, "learn_missing", Mock(return_value=[]))
        patch.setattr(steps, "summarise_build", Mock(return_value=""))
        patch.setattr(steps, "connect", lambda *_, **__: contextlib.nullcontext(Mock()))
        patch.setattr(steps, "read_summary", Mock())
        headline = Headline(None, None, None, is_audited=False, in_time=0, overdue=0, as_of="")
        patch.setattr(steps, "read_version_headline", lambda file: headline)
        patch.setattr(steps, "summary_as_list", Mock(return_value=""))
        patch.setattr(steps, "compare_with_published", Mock())
        patch.setattr(steps.checks, "check_marts", self.write("check_marts", "validation.html"))
        patch.setattr(steps.checks, "summarise_results", Mock(return_value=""))
        patch.setattr(steps, "write_report_page", Mock())
        patch.setattr(steps, "write_explore_page", Mock())
        patch.setattr(steps, "write_docs_site", Mock())
        others = [f for f in list_files_of_whole_version() if f not in WRITTEN]
        patch.setattr(steps, "write_dictionary", self.write("write_report", *others))
        for module, writer in (
            ("cdi.open_extract.write", "write_open_extract"),
            ("cdi.report.matching", "write_matching_page"),
            ("cdi.report.worklist", "write_worklist"),
        ):
            patch.setitem(sys.modules, module, SimpleNamespace(**{writer: Mock()}))
        check_complete = publish._check_complete

        def check_then_meet(version: Version) -> None:
            check_complete(version)
            self.within("publish_version")

        patch.setattr(publish, "_check_complete", check_then_meet)

    def write(self, step: str, *names: str) -> Callable[..., list[dict[str, str]]]:
        """What a step writes; others meet it after its first half."""

        def write_files(version: Version, *_: object) -> list[dict[str, str]]:
            for number, name in enumerate(names):
                if number == len(names) // 2:
                    self.within(step)
                file = version.folder / name
                file.parent.mkdir(exist_ok=True)
                file.write_text(version.name, encoding="utf-8")
            return []

        return write_files

    def describe(self, version: Version) -> dict[str, object]:
        """What stands in version.json."""
        return {
            "agency": self.agency.agency,
            "version": version.name,
            "fingerprint": version.fingerprint,
            "as_of": version.as_of.isoformat(),
            "batches": {},
            "weights": {},
        }

    def take_step(self, number: int, step: str) -> bool:
        """Take one step of the build of a version; returns whether the next may follow."""
        version = version_of(self.agency, number)
        if step == "make_build":
            self.planned = version
            return steps.make_build(self.agency.agency).is_new
        return bool(getattr(steps, step)(self.agency.agency, version.name).is_new)

    def find_published(self) -> str | None:
        """The name of the current version, whose files must all be its own."""
        current = paths.published(self.agency.agency) / "current"
        if not current.is_symlink():
            return None
        name = current.resolve().name
        for file in list_files_of_whole_version():
            text = (current / file).read_text(encoding="utf-8")
            assert name in text if file == "version.json" else text == name
        return name


WRITTEN = ("recording.duckdb", "validation.html", "version.json")


@pytest.fixture
def stage(sample: Agency, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    folder = tmp_path / "prepared"
    folder.mkdir()
    return Stage(sample, monkeypatch, folder)


@pytest.mark.parametrize("second", [2, 1], ids=["of another version", "of the same version"])
def test_however_the_steps_of_two_builds_follow_each_other_a_whole_version_is_published(
    stage: Stage, second: int
) -> None:
    orders = [
        tuple("A" if place in places else "B" for place in range(8))
        for places in itertools.combinations(range(8), 4)
    ]
    assert len(orders) == 70
    for run, order in enumerate(orders):
        numbers = {"A": 10 * run + 1, "B": 10 * run + second}
        left = {"A": list(STEPS), "B": list(STEPS)}
        last_built = ""
        for builder in order:
            if not left[builder]:
                continue
            step = left[builder].pop(0)
            try:
                goes_on = stage.take_step(numbers[builder], step)
            except BuildError as error:
                assert error.rule_id in ("BUILD-GONE", "PUBLISH-INCOMPLETE")
                goes_on = False
            if not goes_on:
                left[builder] = []
            elif step == "make_build":
                last_built = version_of(stage.agency, numbers[builder]).name
            stage.find_published()  # readers see a whole version after each step
        assert stage.find_published() == last_built


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("second", [2, 1], ids=["of another version", "of the same version"])
def test_in_the_middle_of_a_step_every_other_step_is_told_to_come_later(
    stage: Stage, step: str, second: int
) -> None:
    refused = []

    def meet(current: str) -> None:
        if current == step:
            stage.within = lambda _: None
            for other in STEPS:
                with pytest.raises(BusyError, match="BUILD-BUSY"):
                    stage.take_step(second, other)
                refused.append(other)

    stage.within = meet
    for own in STEPS:
        assert stage.take_step(1, own)
    assert refused == list(STEPS)
    assert stage.find_published() == version_of(stage.agency, 1).name


def test_an_erasure_removes_no_folder_that_a_step_works_in(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retain, "read_current", lambda name: None)
    for own in STEPS[:2]:
        stage.take_step(1, own)

    def meet(_: str) -> None:
        stage.within = lambda _: None
        with pytest.raises(BusyError, match="BUILD-BUSY"):
            retain._publish_remaining(stage.agency, Mock())

    stage.within = meet
    for own in STEPS[2:]:
        stage.take_step(1, own)
    assert stage.find_published() == version_of(stage.agency, 1).name


def test_a_version_that_was_published_before_its_task_was_killed_is_no_error(
    stage: Stage,
) -> None:
    for own in STEPS:
        stage.take_step(1, own)
    again = steps.publish_version(stage.agency.agency, version_of(stage.agency, 1).name)
    assert again.is_new
    assert "was published before" in again.note
    with pytest.raises(BuildError, match="BUILD-GONE"):
        stage.take_step(2, "publish_version")
