"""The steps of the build DAG: build, check, report, publish; and approval of a failed check."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from cdi.agency.load import load_agency
from cdi.build.make import build_file, summarise_build
from cdi.build.version import is_current, plan_version, resume_version
from cdi.errors import GateError
from cdi.publish.publish import publish_folder
from cdi.report.dictionary import write_dictionary
from cdi.report.figures import read_summary, summary_as_list
from cdi.report.report import write_pages
from cdi.steps.step import Step

if TYPE_CHECKING:
    from cdi.quality.releases import Held


def make_build(agency: str, as_of: datetime | None = None) -> Step:
    """Build the private file, unless the published version is already that; see `cdi.build`."""
    built = plan_version(load_agency(agency), as_of)
    if is_current(built):
        return Step(False, f"nothing changed: version {built.name} is published")
    build_file(built)
    return Step(True, summarise_build(built), built.name)


def check_marts(agency: str, version: str, asks: str | None = None) -> Step:
    """Check the private file; see `cdi.quality.checks.check_marts`.

    Args:
        agency: Whose.
        version: The version that was built.
        asks: If not blank, a failure that people may release is no error here: the step after this
            one asks them, and checks again.
    """
    from cdi.quality import checks
    from cdi.quality.checks import summarise_results
    from cdi.quality.releases import find_stopped_of_version

    built = resume_version(load_agency(agency), version)
    try:
        results = checks.check_marts(built)
    except GateError as error:
        if not asks or not all(held.is_releasable for held in find_stopped_of_version(built)):
            raise
        return Step(True, f"held until two people release it\n{error}", version)
    return Step(True, summarise_results(r for r in results if r["border"] == "marts"), version)


def read_held(agency: str, version: str) -> "list[Held]":
    """The failures that stopped the private version; see `cdi.quality.releases`."""
    from cdi.quality.releases import find_stopped_of_version

    return find_stopped_of_version(resume_version(load_agency(agency), version))


def release_and_check(agency: str, version: str, reason: str, by: str, second_person: str) -> Step:
    """Write down that two people release what stopped the version, and check it again."""
    from cdi.people.decisions import waive_check

    for stopped in read_held(agency, version):
        rule_id, what = stopped.rule_id, stopped.what
        waive_check(load_agency(agency), rule_id, reason, by, second_person, what)
    return check_marts(agency, version)


def write_report(agency: str, version: str) -> Step:
    """Write the pages and the open extract; see `report`, `dictionary` and `open_extract`."""
    from cdi.open_extract.write import write_open_extract  # its solver takes a second to import

    built = resume_version(load_agency(agency), version)
    with ThreadPoolExecutor(1) as pool:  # its solver has a core to itself
        extract = pool.submit(write_open_extract, built)
        write_pages(built)
        write_dictionary(built)
        extract.result()
    return Step(True, summary_as_list(read_summary(built.file)), version)


def publish_version(agency: str, version: str) -> Step:
    """Make the private folder the current version; see `cdi.publish`."""
    built = resume_version(load_agency(agency), version)
    folder = publish_folder(built)
    told = summary_as_list(read_summary(folder / built.file.name))
    return Step(True, f"published {built.name}\n{told}\n- {folder}", built.name)
