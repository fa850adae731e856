"""Loads and validates an agency's folder."""

import logging
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cdi import paths
from cdi.agency.code_maps import check_code_maps, read_actions
from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.model import SIMULATION, Agency, source_of_people
from cdi.errors import AgencyError, CdiError
from cdi.variant import Variant


def load_agency(agency_id: str) -> Agency:
    """Load and validate one agency.

    Args:
        agency_id: Name of a folder in CDI_AGENCIES.

    Raises:
        AgencyError: If the folder, its agency.yaml or a table in it does not follow the schema; the
            message names file, key and fix.
    """
    folder = paths.agencies_folder() / agency_id
    file = folder / "agency.yaml"
    if not file.is_file():
        raise AgencyError(
            "AGENCY-UNKNOWN",
            f"there is no {file}",
            f"choose one of {', '.join(agency_names()) or '(none)'}, or write the folder; "
            "docs/onboarding.md",
        )
    agency = _parse_agency(file, folder)
    if agency.agency != agency_id:
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{file}: key `agency` is '{agency.agency}', the folder is '{agency_id}'",
            "give both the same name",
        )
    check_code_maps(folder, agency.loose_code_maps)
    read_actions(folder)
    return agency


def _parse_agency(file: Path, folder: Path) -> Agency:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise AgencyError("AGENCY-SCHEMA", f"{file} is not UTF-8", "save it as UTF-8") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day such as 2026-02-30
        raise AgencyError(
            "AGENCY-SCHEMA", f"{file} is not YAML: {error}", "correct the file"
        ) from None
    if not isinstance(content, dict):
        raise AgencyError(
            "AGENCY-SCHEMA", f"{file} is empty or not a mapping", "start from a sample"
        )
    if content.get("data_root") == SIMULATION:
        start, end = Variant.chosen().period
        content = {"start_date": start, "coverage": {"start": start, "end": end}, **content}
    try:
        agency = Agency.model_validate({**content, "folder": folder})
    except ValidationError as error:
        problems = [describe_problem(detail) for detail in error.errors()]
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{file}\n    " + "\n    ".join(problems),
            "correct the keys named above; docs/onboarding.md explains each",
        ) from None
    people = {dataset: source_of_people(dataset) for dataset in BY_PEOPLE}
    return agency.model_copy(update={"sources": agency.sources | people})


def describe_problem(detail: Any) -> str:
    """Describe a problem that pydantic found, as `key: what is wrong`."""
    key = ".".join(str(part) for part in detail["loc"]) or "(file)"
    hints = {
        "missing": "missing: add it",
        "extra_forbidden": "unknown key: remove it or correct its spelling",
    }
    return f"key `{key}`: {hints.get(detail['type'], detail['msg'].removeprefix('Value error, '))}"


def agency_names() -> list[str]:
    """List the names of all agency folders, sorted."""
    return sorted(file.parent.name for file in paths.agencies_folder().glob("*/agency.yaml"))


def load_valid_agencies() -> list[Agency]:
    """Load all agencies; a broken folder is logged and does not stop the others (design 5.1)."""
    agencies = []
    for name in agency_names():
        try:
            agencies.append(load_agency(name))
        except CdiError as error:
            logging.getLogger(__name__).error("agency left out: %s", error)
    return agencies
