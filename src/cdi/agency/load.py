"""Loads and validates an agency's folder."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cdi import paths
from cdi.agency.code_maps import check_code_maps, read_actions, read_seed
from cdi.agency.datasets import AUDITED, BY_PEOPLE
from cdi.agency.model import MOST_SMALLEST_COUNT, SIMULATION, Agency, source_of_people
from cdi.agency.teams import read_teams
from cdi.errors import AgencyError, CdiError
from cdi.files import parse_yaml
from cdi.variant import Variant


@dataclass(frozen=True)
class BrokenAgency:
    """An agency that cannot be used, and why.

    Attributes:
        agency_id: Name of its folder.
        problem: What is wrong, and the next step.
    """

    agency_id: str
    problem: str


def load_agency(agency_id: str) -> Agency:
    """Load and validate one agency.

    Args:
        agency_id: Name of a folder in CDI_AGENCIES.

    Raises:
        AgencyError: AGENCY-UNKNOWN, AGENCY-SCHEMA, AGENCY-CODES, AGENCY-ACTIONS or AGENCY-TEAMS if
            the folder, its agency.yaml or a table in it does not follow the schema;
            AGENCY-UNREADABLE if one of them cannot be read. The message names file, key and fix.
    """
    folder = paths.agencies_folder() / agency_id
    try:
        return _load_folder(agency_id, folder)
    except OSError as error:
        raise AgencyError(
            "AGENCY-UNREADABLE",
            f"{error.filename or folder} cannot be read: {error.strerror or error}",
            "replace it by a file that the account of Airflow may read, e.g. by "
            f"chmod -R u=rwX,go=rX {folder}",
        ) from None


def _load_folder(agency_id: str, folder: Path) -> Agency:
    file = folder / "agency.yaml"
    if not _has_settings(folder):
        raise AgencyError(
            "AGENCY-UNKNOWN",
            f"there is no {file}",
            f"choose one of {', '.join(agency_names()) or '(none)'}, or write the folder; "
            "docs/onboarding.md",
        )
    if not file.is_file():  # reading a pipe would wait for ever
        raise AgencyError(
            "AGENCY-UNREADABLE",
            f"{file} is a folder, a pipe, or a link that leads nowhere",
            "replace it by a file",
        )
    agency = _parse_agency(file, folder)
    if agency.agency != agency_id:
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{file}: key `agency` is '{agency.agency}', the folder is '{agency_id}'",
            "give both the same name",
        )
    _check_smallest_count(agency, file)
    check_code_maps(folder, agency.loose_code_maps)
    read_actions(folder)
    read_teams(folder)
    return agency


def _check_smallest_count(agency: Agency, file: Path) -> None:
    """Refuse a setting that would show smaller counts than any agency may."""
    given = agency.open_extract.smallest_count
    (least,) = (
        int(row["limit_value"])
        for row in read_seed("disclosure_limits")
        if row["limit_name"] == "smallest_count"
    )
    if given is not None and given < least:
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{file}: key `open_extract.smallest_count` is {given}, but no agency may show counts "
            f"below {least}",
            f"give {least} to {MOST_SMALLEST_COUNT}, or leave the key out, which is {least}",
        )


def _parse_agency(file: Path, folder: Path) -> Agency:
    try:
        content = parse_yaml(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise AgencyError("AGENCY-SCHEMA", f"{file} is not UTF-8", "save it as UTF-8") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day such as 2026-02-30
        raise AgencyError(
            "AGENCY-SCHEMA", f"{file} is not YAML: {error}", "correct the file"
        ) from None
    except RecursionError:
        raise AgencyError(
            "AGENCY-SCHEMA", f"{file} is nested too deeply", "no key needs more than five levels"
        ) from None
    if not isinstance(content, dict):
        raise AgencyError(
            "AGENCY-SCHEMA", f"{file} is empty or not a mapping", "start from a sample"
        )
    if content.get("data_root") == SIMULATION:
        variant = Variant.chosen()
        start, end = variant.period
        content = {"start_date": start, "coverage": {"start": start, "end": end}, **content}
        if not variant.is_audited and isinstance(content.get("sources"), dict):
            sources = content["sources"].items()
            content["sources"] = {name: value for name, value in sources if name not in AUDITED}
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
    """List the names of all agency folders, sorted; one that cannot be looked into is one too."""
    return sorted(
        folder.name for folder in paths.agencies_folder().glob("*") if _has_settings(folder)
    )


def _has_settings(folder: Path) -> bool:
    try:
        (folder / "agency.yaml").lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # An agency whose folder became unreadable must be told, and not be forgotten. Other
        # folders that nobody may read, such as lost+found of a disk, are none of ours.
        return folder.name.isidentifier()
    return True


def load_each_agency(names: Iterable[str] | None = None) -> Iterator[Agency | BrokenAgency]:
    """Load agencies; whatever is wrong with one of them does not stop the others.

    Args:
        names: Their names; default: all.

    Yields:
        Each agency, or why it cannot be used, which is logged as well.
    """
    for name in agency_names() if names is None else names:
        try:
            yield load_agency(name)
        except Exception as error:  # an error that nobody foresaw is also of this agency alone
            broken = BrokenAgency(name, describe_error(error))
            logging.getLogger(__name__).error("%s is left out: %s", name, broken.problem)
            yield broken


def describe_error(error: Exception) -> str:
    """Say what is wrong: an expected error in its own words, any other by its type as well."""
    return str(error) if isinstance(error, CdiError) else f"{type(error).__name__}: {error}"


def load_valid_agencies() -> list[Agency]:
    """Load all agencies, without the broken ones; see `load_each_agency`."""
    return [agency for agency in load_each_agency() if isinstance(agency, Agency)]
