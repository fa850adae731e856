"""Which agencies of the registry have data here, and which are folders that nobody uses yet.

A checkout comes with agencies of several cities. Where nothing of them is landed and no source is
at hand, their DAGs would only be in the way of those that run.
"""

import os
import re
from pathlib import Path

from cdi import paths
from cdi.agency.asked import list_delivered
from cdi.agency.load import BrokenAgency, load_each_agency
from cdi.agency.model import Agency


def list_agencies_with_data() -> list[str]:
    """List the agencies that have data (`has_data`), and those whose folder has a mistake."""
    return [
        each.agency_id if isinstance(each, BrokenAgency) else each.agency
        for each in load_each_agency()
        if isinstance(each, BrokenAgency) or has_data(each)
    ]


def has_data(agency: Agency) -> bool:
    """Whether anything of an agency is landed, or a source is at hand without asking anybody.

    A file that agency.yaml names is at hand, and a source whose connection is in the environment.
    A portal without a connection is not: whether it answers is known only if it is asked.
    """
    return any(
        _is_landed(agency, dataset) or _is_at_hand(agency, dataset)
        for dataset in list_delivered(agency)
    )


def _is_landed(agency: Agency, dataset: str) -> bool:
    return any((paths.landing(agency.agency, dataset) / "batches").glob("[!.]*/"))


def _is_at_hand(agency: Agency, dataset: str) -> bool:
    source, root = agency.sources[dataset], agency.root_of(dataset)
    if source.is_live:
        return f"AIRFLOW_CONN_{(source.connection or '').upper()}" in os.environ
    # what is in a bucket is not looked for
    return "://" in root or any(
        any(Path(root).glob(re.sub(r"\{[^}]*\}", "*", file.path))) for file in source.files or ()
    )
