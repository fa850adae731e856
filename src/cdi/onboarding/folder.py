"""Writes the proposed folder: agency.yaml with comments, and the three code maps."""

import csv
import glob
import io
import re
from pathlib import Path
from typing import Any

import yaml

from cdi import paths
from cdi.agency.code_maps import CODE_MAPS
from cdi.agency.datasets import DATASETS, REQUIRED
from cdi.agency.mapping import EXCEL_SERIAL
from cdi.errors import AgencyError, SourceError
from cdi.files import write_text
from cdi.onboarding.columns import ColumnProposal
from cdi.onboarding.objections import EXCEL_DATES
from cdi.onboarding.profile import ColumnProfile
from cdi.onboarding.proposal import AgencyProposal
from cdi.onboarding.reading import Sample
from cdi.render import render

# How many days of a live source a run reads: logs are edited and sealed within weeks, and crimes
# are classified anew and cancelled within a year.
_DAYS = {"calls": 35, "crime_records": 400}
# What a person chooses if one source is named twice; a comment of agency.yaml, and printed.
ONE_SOURCE = (
    "One source is named for calls and crime records. If calls bear the number of their record,",
    "write `crime_records: on_calls` in place of sources.crime_records, and the types of calls in",
    "offences.csv too. If there are no crime records, write `crime_records: none`, and keep of",
    "offences.csv the header alone.",
)


def new_folder(agency_id: str) -> Path:
    """The folder that will be made for an agency.

    Args:
        agency_id: Name of the folder.

    Raises:
        AgencyError: AGENCY-NAME if the name is no name of an agency, AGENCY-EXISTS if there is
            such a folder: what a person wrote is never replaced.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", agency_id):
        raise AgencyError(
            "AGENCY-NAME",
            "the name of an agency has small letters, digits and underscores, and begins with a "
            "letter; this one does not",
            "choose such a name, e.g. north_county",
        )
    folder = paths.agencies_folder() / agency_id
    if folder.exists():
        raise AgencyError(
            "AGENCY-EXISTS",
            f"{folder} is there already, and nothing in it was changed",
            "choose another name, or delete the folder first",
        )
    return folder


def write_folder(proposal: AgencyProposal) -> Path:
    """Write the folder of a proposal.

    Args:
        proposal: What is proposed.

    Returns:
        The folder.

    Raises:
        AgencyError: As `new_folder`.
        SourceError: As `render_agency`.
    """
    folder = new_folder(proposal.settings.agency)
    settings = render_agency(proposal)  # first, as it may be refused
    folder.mkdir(parents=True)
    for code_map in proposal.code_maps:
        text = io.StringIO()
        writer = csv.DictWriter(text, CODE_MAPS[code_map.name], lineterminator="\n")
        writer.writeheader()
        writer.writerows(code_map.records)
        write_text(folder / f"{code_map.name}.csv", text.getvalue())
    # last, as it makes the folder an agency
    write_text(folder / "agency.yaml", settings)
    return folder


def render_agency(proposal: AgencyProposal) -> str:
    """Render agency.yaml; what is not sure stands in it as a comment.

    Raises:
        SourceError: SRC-FORMAT if the folder of a file has braces in its name.
    """
    settings, period = proposal.settings, proposal.period
    lines = {
        "country": ("country", settings.country, "US", "the ISO code of the country"),
        "timezone": ("timezone", settings.timezone, "Europe/London", "no sample can tell it"),
        "start_date": ("start_date", period and period[0], "2026-01-01", "the first day of calls"),
    }
    return render(
        "agency.yaml.j2",
        rows={dataset: sample.row_count for dataset, sample in proposal.samples.items()},
        agency=_yaml(settings.agency),
        name=_yaml(settings.name),
        owner_name=_yaml(settings.owner_name),
        owner_email=_yaml(settings.owner_email),
        licence=_yaml(settings.licence),
        data_root=_describe_root(proposal),
        schedule=_describe_schedule(proposal),
        coverage=_describe_coverage(proposal),
        **{key: _yaml_setting(*values) for key, values in lines.items()},
        key_comment=_describe_key_rules(proposal),
        rules={
            thing: [_yaml({"pattern": rule.pattern, "canonical": rule.canonical}) for rule in rules]
            for thing, rules in proposal.rules.items()
            if rules
        },
        cancelled=_yaml(proposal.cancelled_statuses) if proposal.cancelled_statuses else "",
        sources=[_describe_source(proposal, dataset) for dataset in REQUIRED],
    )


def _yaml(value: Any) -> str:
    """Write a value in one line of YAML, with quotation marks where it needs them."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("...\n").strip()


def _yaml_setting(key: str, value: Any, example: str, comment: str) -> str:
    return f"{key}: {_yaml(value)}" if value else f"# {key}: {example}  # unsure: {comment}"


def _find_root(proposal: AgencyProposal) -> Path | None:
    """The folder in which all files are, or the nearest one above them; None if all are live."""
    folders = [sample.folder for sample in proposal.samples.values() if sample.folder]
    if not folders:
        return None
    first, last = folders[0], folders[-1]
    return next(f for f in (first, *first.parents) if f in (last, *last.parents))


def _describe_root(proposal: AgencyProposal) -> str:
    root = _find_root(proposal)
    return f"data_root: {_yaml(str(root))}" if root else ""


def _describe_schedule(proposal: AgencyProposal) -> str:
    """When it is extracted without the key (`Agency.cron`): live sources are read by windows."""
    is_live = all(sample.is_live for sample in proposal.samples.values())
    cron = "@hourly" if is_live else "@daily"
    return f"# schedule: '{cron}'  # so it is without this key; cron, in the time zone above"


def _describe_coverage(proposal: AgencyProposal) -> str:
    """The key with the days that `make run` extracts; a live source has no last day."""
    if any(sample.is_live for sample in proposal.samples.values()):
        return ""
    if period := proposal.period:
        return f"coverage: {{start: {period[0]}, end: {period[1]}}}"
    return "# coverage: {start: ..., end: ...}  # the days that `make run` extracts"


def _describe_key_rules(proposal: AgencyProposal) -> str:
    if proposal.is_of_one_source:
        return "\n".join(f"# {line}" for line in ONE_SOURCE)
    if match := proposal.match:
        return (
            f"# {match.described}: {match.record_share:.1%} of the records' numbers are those of "
            f"calls,\n# {match.call_share:.1%} of the calls' those of records."
        )
    if not proposal.matches:
        return "# unsure: no number of the records is that of a call in any form that was tried"
    best = proposal.matches[0]
    names = (best.call_name, best.record_name)
    return f"# unsure: {' = '.join(names)}, {best.described}: {best.problem}"


def _describe_source(proposal: AgencyProposal, dataset: str) -> dict[str, Any]:
    sample, mapping = proposal.samples[dataset], proposal.mappings[dataset]
    # A column that stands for one thing may be proposed for another in a comment as well.
    written = {p.profile.name for p in mapping.proposals.values() if p.is_sure}
    commented = {p.profile.name for p in mapping.proposals.values() if not p.is_sure}
    settings = _describe_place(proposal, sample)
    if dataset == "crime_records" and proposal.repeated_share[dataset]:
        share = f"{proposal.repeated_share[dataset]:.1%}"
        settings.append(f"rows_per_key: many  # {share} of the rows repeat a number")
    proposals = [
        mapping.proposals[column.name]
        for column in DATASETS[dataset]
        if column.name in mapping.proposals
    ]
    return {
        "dataset": dataset,
        "settings": settings,
        "columns": [_describe_column(proposal, sample, column) for column in proposals]
        + [
            f"# {name}: ...  # required, and no column looks like it"
            for name in mapping.missing
            if name not in mapping.proposals
        ],
        "ignored": [
            _describe_ignored(profile)
            for profile in proposal.profiles[dataset]
            if profile.name not in written | commented
        ],
    }


def _describe_place(proposal: AgencyProposal, sample: Sample) -> list[str]:
    """The lines that say where the rows are, and how they are delivered."""
    root = _find_root(proposal)
    if sample.folder is None or root is None:
        days = _DAYS[sample.dataset]
        lines = [f"{key}: {_yaml(value)}" for key, value in sample.place.items()]
        return [*lines, "delivery: days", f"days: {days}  # that each run reads whole"]
    folder = str(sample.folder.relative_to(root))
    if "{" in folder or "}" in folder:
        raise SourceError(
            "SRC-FORMAT",
            f"the folder name {folder} has braces, which stand for a day in agency.yaml",
            "rename the folder, or put both files into one folder",
        )
    path = Path(glob.escape(folder)) / sample.place["path"]
    return [
        "files:",
        f"  - {_yaml({'path': str(path)})}",
        *(
            f"{key}: {_yaml(value)}{'  # a guess: it is not UTF-8' if key == 'encoding' else ''}"
            for key, value in sample.place.items()
            if key != "path"
        ),
        "delivery: snapshot  # or `changes`, if a file holds only what is new",
    ]


def _describe_column(proposal: AgencyProposal, sample: Sample, column: ColumnProposal) -> str:
    """Describe a mapping as a line of YAML; a comment, if it is not sure."""
    profile = column.profile
    value: dict[str, Any] = {"from": profile.header}
    if profile.time and profile.time.formats and column.column.kind in ("timestamp", "birth_date"):
        formats = list(profile.time.formats)
        value["format"] = formats[0] if len(formats) == 1 else formats
    if column.problem == EXCEL_DATES:
        value["format"] = EXCEL_SERIAL
    if column.extract:
        value["extract"] = column.extract
    if column.column.kind == "boolean":
        value["true_values"] = proposal.true_values[sample.dataset].get(profile.name, [])
    text = f"{column.column.name}: {_yaml(value if len(value) > 1 else profile.header)}"
    notes = [f"{profile.filled_share:.1%}"]
    if profile.time and profile.time.share < 1:
        notes.append(f"reads {profile.time.share:.1%}")
    if profile.time and profile.time.sentinel_share:
        notes.append(f"{profile.time.sentinel_share:.1%} before 1971 stand for none")
    if profile.time and profile.time.midnight_share == 1:
        notes.append("no time of day")
    if column.problem:
        notes.append(f"unsure: {column.problem}")
    if column.runner_up:
        notes.append(f"or: {column.runner_up.header}")
    return f"{'' if column.is_sure else '# '}{text}  # {'; '.join(notes)}"


def _describe_ignored(profile: ColumnProfile) -> str:
    why = f"  # personal: {profile.personal}" if profile.personal else ""
    return f"- {_yaml(profile.header)}{why}"
