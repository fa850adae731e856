"""The flow's steps, one function per Airflow task; the same steps run without Airflow.

Steps hand over names, not objects: a task may run in another process than the one before it.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.build.make import build_file, build_part, summarise_build
from cdi.build.version import is_current, plan_version, read_current, resume_version
from cdi.errors import GateError
from cdi.landing.batches import read_batch, remove_batch
from cdi.landing.extract import extract_dataset, is_source_unchanged
from cdi.learning import links, text
from cdi.learning.links import count_proven, summarise_links, write_links_weights
from cdi.learning.text import (
    count_audited,
    has_enough_lessons,
    summarise_text_model,
    write_text_model,
)
from cdi.learning.weights import save_weights
from cdi.publish.publish import publish_folder
from cdi.report.dictionary import write_dictionary
from cdi.report.figures import read_summary, summary_as_list
from cdi.report.report import write_pages

if TYPE_CHECKING:
    from cdi.quality.releases import Held


@dataclass(frozen=True)
class Step:
    """What a step did.

    Attributes:
        is_new: False if there was nothing to do.
        evidence: A few lines for people: shown as the task's note.
        result: Name of what it made (batch id, version), or None.
    """

    is_new: bool
    evidence: str
    result: str | None = None


def extract(
    agency: str,
    dataset: str,
    interval: Interval,
    storage_options: Mapping[str, Any] | None = None,
) -> Step:
    """Extract one dataset into a pending batch; see `cdi.landing.extract.extract_dataset`."""
    batch = extract_dataset(load_agency(agency), dataset, interval, storage_options)
    if batch is None:
        return Step(False, "nothing new: the sources equal the newest accepted batch")
    m = batch.manifest
    lines = [
        f"{m['read']:,} rows read from {len(m['files'])} files: {m['accepted']:,} accepted, "
        f"{m['quarantined']:,} quarantined, {m['duplicates']:,} exact duplicates, "
        f"{m['erased']:,} erased"
    ]
    lines += [f"- {f['name']}: {f['read']:,} rows, as of {f['as_of'][:16]} UTC"
              for f in m["files"][:20]]  # fmt: skip
    return Step(True, "\n".join(lines), m["batch_id"])


def check_landing(agency: str, dataset: str, batch_id: str) -> Step:
    """Check a pending batch and accept it; see `cdi.quality.checks.check_batch`.

    Raises:
        GateError: GATE-LANDING if a rule stops it, GATE-GONE if there is no such pending batch.
    """
    from cdi.quality.checks import check_batch, summarise_results

    home = paths.landing(agency, dataset)
    if (home / "batches" / batch_id).is_dir():
        remove_batch(home / "pending" / batch_id)  # a check was killed right after it accepted
        return Step(True, f"batch {batch_id} was accepted before", batch_id)
    if not (home / "pending" / batch_id / "manifest.json").is_file():
        raise GateError(
            "GATE-GONE",
            f"{home} has no pending batch {batch_id}: it was refused, or extracted anew",
            "clear the task `extract`, not the check alone",
        )
    batch = read_batch(home / "pending" / batch_id)
    accepted, results = check_batch(load_agency(agency), batch)
    if accepted is None:
        return Step(False, "nothing new: the same content was accepted meanwhile")
    told = f"accepted as batch {accepted.manifest['seq']}: {accepted.folder}"
    return Step(True, f"{told}\n{summarise_results(results)}", batch_id)


def learn_links(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the weights that links are scored by; see `cdi.learning.links`."""
    planned = plan_version(load_agency(agency), as_of)
    known = planned.weights.get("links")
    if known is not None and known.described["learnt_from"] == planned.learns_from:
        return Step(False, f"nothing changed since version {known.version} was learnt")
    proven = count_proven(planned.batches)
    if proven < links.MIN_PROVEN:
        return Step(False, f"{proven:,} records name a call; {links.MIN_PROVEN:,} are needed to "
                           "learn from, so the shipped weights are used")  # fmt: skip
    with build_part(planned, *links.MODELS) as file:
        learnt = save_weights(
            agency, "links", planned.as_of, planned.learns_from, partial(write_links_weights, file)
        )
    if known is not None and known.version == learnt.version:
        return Step(False, f"nothing new: the landing teaches version {learnt.version} again")
    return Step(True, summarise_links(learnt), learnt.version)


def learn_text(agency: str, as_of: datetime | None = None) -> Step:
    """Learn the model that reads logs, from the audits; see `cdi.learning.text`."""
    planned = plan_version(load_agency(agency), as_of)
    known = planned.weights.get("text")
    if known is not None and known.described["learnt_from"] == planned.learns_from:
        return Step(False, f"nothing changed since version {known.version} was learnt")
    too_few = (f"fewer than {text.MIN_LOGS} audited logs, or too few with and without a "
               "crime, to learn from: the lexicon reads alone")  # fmt: skip
    if count_audited(planned.batches) < text.MIN_LOGS:
        return Step(False, too_few)
    with build_part(planned, text.MODEL) as file:
        if not has_enough_lessons(file):
            return Step(False, too_few)
        learnt = save_weights(
            agency, "text", planned.as_of, planned.learns_from, partial(write_text_model, file)
        )
    if known is not None and known.version == learnt.version:
        return Step(False, f"nothing new: the landing teaches version {learnt.version} again")
    return Step(True, summarise_text_model(learnt), learnt.version)


def learn(agency: str, as_of: datetime | None = None) -> None:
    """Learn each kind of weights that the agency has no version of yet."""
    planned = plan_version(load_agency(agency), as_of)
    for kind, step in LEARN.items():
        if kind not in planned.weights:
            step(agency, as_of)


LEARN = {"links": learn_links, "text": learn_text}


def make_build(agency: str, as_of: datetime | None = None) -> Step:
    """Build the private file, unless the published version is already that; see `cdi.build`."""
    planned = plan_version(load_agency(agency), as_of)
    if is_current(planned):
        return Step(False, f"nothing changed: version {planned.version} is published")
    build_file(planned)
    return Step(True, summarise_build(planned), planned.version)


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

    planned = resume_version(load_agency(agency), version)
    try:
        results = checks.check_marts(planned)
    except GateError as error:
        if not asks or not all(held.is_releasable for held in find_stopped_of_version(planned)):
            raise
        return Step(True, f"held until two people release it\n{error}", version)
    return Step(True, summarise_results(r for r in results if r["border"] == "marts"), version)


def held(agency: str, version: str) -> "list[Held]":
    """The failures that stopped the private version; see `cdi.quality.releases`."""
    from cdi.quality.releases import find_stopped_of_version

    return find_stopped_of_version(resume_version(load_agency(agency), version))


def release_and_check(agency: str, version: str, reason: str, by: str, second_person: str) -> Step:
    """Write down that two people release what stopped the version, and check it again."""
    from cdi.people.decisions import waive_check

    for stopped in held(agency, version):
        rule_id, what = stopped.rule_id, stopped.what
        waive_check(load_agency(agency), rule_id, reason, by, second_person, what)
    return check_marts(agency, version)


def write_report(agency: str, version: str) -> Step:
    """Write the pages and the open extract; see `report`, `dictionary` and `open_extract`."""
    from cdi.open_extract.write import write_open_extract  # its solver takes a second to import

    planned = resume_version(load_agency(agency), version)
    with ThreadPoolExecutor(1) as pool:  # its solver has a core to itself
        extract = pool.submit(write_open_extract, planned)
        write_pages(planned)
        write_dictionary(planned)
        extract.result()
    return Step(True, summary_as_list(read_summary(planned.file)), version)


def publish_version(agency: str, version: str) -> Step:
    """Make the private folder the current version; see `cdi.publish`."""
    planned = resume_version(load_agency(agency), version)
    folder = publish_folder(planned)
    told = summary_as_list(read_summary(folder / planned.file.name))
    return Step(True, f"published {planned.version}\n{told}\n- {folder}", planned.version)


def draw_audit(
    agency: str,
    universe: str = "frame",
    logs: str | int | None = None,
    starts_on: str | None = None,
    ends_on: str | None = None,
    auditors: str | None = None,
    reason: str | None = None,
) -> Step:
    """Draw an audit from the published version; see `cdi.people.audit`.

    Args:
        agency: Whose audit.
        universe: frame or all.
        logs: To be audited; 1,500 by default.
        starts_on: First local day of the period, with `ends_on`, the first day after it; by default
            the newest whole mature quarter, of which nothing is drawn twice.
        ends_on: See `starts_on`.
        auditors: Staff numbers, separated by commas; by default those of agency.yaml.
        reason: Why days that were drawn before are drawn again.
    """
    from cdi.errors import AuditError
    from cdi.people import audit as people_audit
    from cdi.people.audit import choose_period, draw_period, summarise_draw

    loaded = load_agency(agency)
    days = [date.fromisoformat(day) if day else None for day in (starts_on, ends_on)]
    names = [name.strip() for name in (auditors or "").split(",") if name.strip()]
    # a month without a new quarter, or too early for the first: nothing to do, nothing wrong
    is_default = starts_on is None and reason is None
    if is_default and not (names or loaded.auditors):
        return Step(False, f"nothing to draw: `auditors` of {loaded.folder}/agency.yaml names none")
    try:
        period = choose_period(loaded, universe, *days)
        made = draw_period(
            loaded,
            period,
            names or loaded.auditors,
            logs=int(logs or people_audit.LOGS),
            reason=reason,
        )
    except AuditError as error:
        if is_default and error.rule_id in ("AUDIT-REDRAWN", "AUDIT-PERIOD", "AUDIT-UNPUBLISHED"):
            return Step(False, f"nothing to draw: {error.message}")
        raise
    return Step(True, summarise_draw(made), made.draw_id)


def write_worksheets(agency: str, draw_id: str) -> Step:
    """Write the auditors' worksheets of a draw; see `cdi.people.audit`."""
    from cdi.people.audit import find_draw, write_draw_worksheets

    loaded = load_agency(agency)
    files = write_draw_worksheets(loaded, find_draw(loaded, draw_id))
    lines = [f"{len(files)} worksheets; give each to its auditor", *(f"- {f}" for f in files)]
    return Step(True, "\n".join(lines), draw_id)


def retain(agency: str) -> Step:
    """Remove what is older than the agency's limits; see `cdi.erase.retain`."""
    from cdi import erase  # which publishes, by this module

    told: list[str] = []
    is_new = erase.retain(load_agency(agency), told.append)
    return Step(is_new, "\n".join(f"- {line.strip()}" for line in told))


def run_directly(agency: str, interval: Interval, as_of: datetime | None = None) -> bool:
    """All steps in one process, without Airflow: for tests and benchmarks.

    Returns:
        Whether a new version was published.
    """
    for dataset in load_agency(agency).sources:
        extracted = extract(agency, dataset, interval)
        if extracted.result:
            check_landing(agency, dataset, extracted.result)
    learn(agency, as_of)
    return publish_new(agency, as_of) is not None


# what only one step needs, and takes a second or two to import
SLOW_TO_IMPORT = ("great_expectations", "cdi.open_extract", "cdi.charts", "cdi.worklist")


def publish_new(agency: str, as_of: datetime | None = None) -> str | None:
    """Build, check, report and publish; None if the published version is already that."""
    planned = plan_version(load_agency(agency), as_of)
    if is_current(planned):
        return None
    with ThreadPoolExecutor(1) as pool:
        # dbt begins on one core: the other imports them meanwhile
        imported = pool.map(import_module, SLOW_TO_IMPORT)
        build_file(planned)
        list(imported)  # a name that is not there fails here
    check_marts(agency, planned.version)
    write_report(agency, planned.version)
    publish_version(agency, planned.version)
    return planned.version


def is_up_to_date(agency: str, interval: Interval) -> bool:
    """Whether a run for this interval would change nothing."""
    loaded = load_agency(agency)
    if read_current(agency) is None:
        return False
    if not all(is_source_unchanged(loaded, dataset, interval) for dataset in loaded.sources):
        return False
    return is_current(plan_version(loaded))
