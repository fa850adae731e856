"""All steps in one process without Airflow, for tests, proofs and benchmarks."""

from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.build.make import build_file
from cdi.build.version import is_current, plan_version, read_current
from cdi.landing.extract import is_source_unchanged
from cdi.sources.access import read_access
from cdi.steps.build import check_marts, publish_version, write_report
from cdi.steps.extract import check_landing, extract
from cdi.steps.train import learn_missing


def run_directly(agency: str, interval: Interval) -> bool:
    """Run all steps in one process, without Airflow.

    Args:
        agency: The agency.
        interval: Which days to extract.

    Returns:
        Whether a new version was published.
    """
    land_directly(agency, interval)
    learn_missing(agency)
    return publish_new(agency) is not None


def land_directly(agency: str, interval: Interval) -> None:
    """Extract and check each dataset of which there is something new."""
    for dataset, source in load_agency(agency).sources.items():
        extracted = extract(agency, dataset, interval, read_access(source.connection))
        if extracted.result:
            check_landing(agency, dataset, extracted.result)


def publish_new(agency: str) -> str | None:
    """Build, check, report and publish.

    Returns:
        The name of the new version; None if the published version has the same fingerprint.
    """
    version = plan_version(load_agency(agency))
    if is_current(version):
        return None
    build_file(version)
    check_marts(agency, version.name)
    write_report(agency, version.name)
    publish_version(agency, version.name)
    return version.name


def is_up_to_date(agency: str, interval: Interval) -> bool:
    """Whether a run for this interval would extract nothing new and publish the same version."""
    loaded = load_agency(agency)
    if read_current(agency) is None:
        return False
    if not all(is_source_unchanged(loaded, dataset, interval) for dataset in loaded.sources):
        return False
    return is_current(plan_version(loaded))
