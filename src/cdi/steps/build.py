"""The steps of the build DAG: build, check, report, publish; and waive a failed check."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.make import build_file, summarise_build
from cdi.build.version import (
    hold_version,
    is_current,
    plan_version,
    read_private_name,
    resume_version,
)
from cdi.errors import GateError
from cdi.files import sync_tree, take_lock
from cdi.national.exchange import send_open_extract
from cdi.people.decisions import waive_check
from cdi.publish.publish import find_published, publish_folder
from cdi.quality import checks
from cdi.quality.waivers import StoppingFailure, find_stopped_of_version
from cdi.report.comparison import compare_with_published
from cdi.report.dictionary import write_dictionary
from cdi.report.docs_site import write_docs_site
from cdi.report.explore import write_explore_page
from cdi.report.figures import read_summary, summary_as_list
from cdi.report.headline import read_version_headline
from cdi.report.report import write_report_page
from cdi.sql import connect
from cdi.steps.step import Step
from cdi.steps.train import LEARN, learn_missing


def make_build(agency: str, as_of: datetime | None = None) -> Step:
    """Build the private file, unless the same version is published already; see `cdi.build`.

    What has never been learnt from the agency's data is learnt first: an untaught version shows no
    rate, and releases no quarter. After that, the train DAG learns anew, each month.
    """
    loaded = load_agency(agency)
    planned = plan_version(loaded, as_of)
    if is_current(planned):
        return Step(False, f"nothing changed: version {planned.name} is published")
    is_taught = planned.weights.keys() >= LEARN.keys()
    notes = [] if is_taught else learn_missing(agency, as_of)
    if notes:
        planned = plan_version(loaded, as_of)
    build_file(planned)
    return Step(True, "\n\n".join([summarise_build(planned), *notes]), planned.name)


def check_marts(agency: str, version: str, wait_for_approval: str | None = None) -> Step:
    """Check the private file; see `cdi.quality.checks.check_marts`.

    Args:
        agency: The agency.
        version: The name of the version that was built.
        wait_for_approval: If not blank, failures that people may waive are no error here: the step
            after this one asks two people, and checks again.

    Raises:
        GateError: GATE-MARTS if a rule stops the version, and nobody waived it nor will be asked.
    """
    loaded = load_agency(agency)
    with hold_version(loaded, version) as built:
        try:
            results = checks.check_marts(built)
        except GateError as error:
            failures = find_stopped_of_version(loaded, built)
            if not wait_for_approval or not all(failure.is_releasable for failure in failures):
                raise
            held = {f"held: {failure.rule_id}": 1 for failure in failures}
            return Step(True, f"held until two people approve it\n{error}", version, held)
        sync_tree(built.folder)
    results_of_marts = [result for result in results if result["border"] == "marts"]
    counts = checks.count_results(results_of_marts)
    return Step(True, checks.summarise_results(results_of_marts), version, counts)


def read_held(agency: str, version: str) -> list[StoppingFailure]:
    """Read which failures stopped the private version; see `cdi.quality.waivers`."""
    loaded = load_agency(agency)
    with hold_version(loaded, version) as built:
        return find_stopped_of_version(loaded, built)


def release_and_check(agency: str, version: str, reason: str, by: str, second_person: str) -> Step:
    """Write down that two people waive what stopped the version, and check it again."""
    loaded = load_agency(agency)
    for failure in read_held(agency, version):
        waive_check(loaded, failure.rule_id, reason, by, second_person, failure.what)
    return check_marts(agency, version)


def write_report(agency: str, version: str) -> Step:
    """Write the pages and the open extract; see `cdi.report` and `cdi.open_extract`."""
    # Altair, openpyxl and the solver take seconds to import, and only this step needs them.
    from cdi.open_extract.write import write_open_extract
    from cdi.report.matching import write_matching_page
    from cdi.report.worklist import write_worklist

    # The solver of the open extract keeps one core busy; the pages are written on the other.
    with hold_version(load_agency(agency), version) as built, ThreadPoolExecutor(1) as pool:
        extract = pool.submit(write_open_extract, built)
        with connect(built.file, read_only=True) as con:
            # DuckDB keeps in memory what it has read, up to its limit; charts need some too.
            con.execute("set memory_limit = '2GB'")
            write_report_page(con, built, compare_with_published(built))
            write_explore_page(con, built)
            write_matching_page(con, built)
            write_worklist(con, built)
        write_dictionary(built)
        write_docs_site(built)
        extract.result()
        # If the power fails before it is published, the next step finds these files as they are.
        sync_tree(built.folder)
        return Step(True, summary_as_list(read_summary(built.file)), version)


def publish_version(agency: str, version: str) -> Step:
    """Make the private folder the current version, and send its open extract if CDI_OPEN is set.

    See `cdi.publish` and `cdi.national.exchange`.

    Raises:
        BuildError: BUILD-GONE if another build took the place, PUBLISH-INCOMPLETE.
        MachineError: OPEN-PLACE if it was published but could not be sent; the next try sends it.
    """
    loaded = load_agency(agency)
    event: dict[str, Any] = {"version": version}
    with take_lock(paths.published(agency), agency):
        if read_private_name(agency) != version and (before := find_published(agency, version)):
            # an earlier try of this step was killed after it had renamed the folder
            note = f"version {version} was published before\n- {before}"
        else:
            built = resume_version(loaded, version)
            folder = publish_folder(built)
            file = folder / built.file.name
            headline = read_version_headline(file)
            event |= {"rows": built.row_count, **headline.facts}
            note = (
                f"{headline.line}\n\npublished {built.name}\n"
                f"{summary_as_list(read_summary(file))}\n- {folder}"
            )
    if place := paths.open_place():
        is_sent = send_open_extract(agency, place, datetime.now(UTC)) is not None
        note += f"\n- open extract {'sent' if is_sent else 'not sent anew'} (CDI_OPEN)"
    return Step(True, note, version, event=event)
