"""What changed between two published versions of an agency, and what changed it.

Printed by `.venv/bin/cdi compare`, and shown in the report of the newer version. Rates, listed
crimes and links are read from the versions' own files, causes from their version.json: new data,
decisions, weights, or another state of the rules and the code.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from cdi import paths
from cdi.agency.datasets import BY_PEOPLE, DECISIONS, READINGS
from cdi.build.version import (
    Version,
    log_damage,
    read_current,
    read_description,
    verify_current,
)
from cdi.errors import BuildError, StateError
from cdi.files import write_text
from cdi.render import NOTHING
from cdi.scratch import open_scratch_database
from cdi.shares import write_percent
from cdi.sql import fetch_dicts, literal, read_query

SQL = Path(__file__).parent / "sql"
CAUSES = {
    "as_of": "the state of knowledge (as of)",
    "data": "data: new batches of",
    "decisions": "decisions of people",
    "findings": "findings of auditors",
    "weights": "weights learnt from the data",
    "rules": "rules (dbt_project/seeds)",
    "agency": "the agency's folder",
    "models": "models (dbt_project)",
    "checks": "data-quality rules (expectations)",
    "library": "code (src/cdi)",
}
CODE_PARTS = ("rules", "agency", "models", "checks", "library")  # hashed in version.json
LISTED_ROWS = 20


def published_versions(agency: str) -> list[Path]:
    """Folders of the published versions, oldest first."""
    files = (paths.published(agency) / "versions").glob("[!.]*/version.json")
    return sorted((file.parent for file in files), key=lambda folder: folder.stat().st_mtime_ns)


def choose_pair(agency: str, *names: str) -> tuple[Path, Path]:
    """The two versions to compare: as named, or the newest and the one before.

    Args:
        agency: Name of the agency.
        names: None, the older one, or both.

    Raises:
        BuildError: COMPARE-VERSION if a named one, or a second one, is not kept.
    """
    kept = published_versions(agency)
    by_name = {folder.name: folder for folder in kept}
    kept_names = ", ".join(by_name) or "none"
    missing = [name for name in names if name not in by_name]
    if missing:
        raise BuildError(
            "COMPARE-VERSION",
            f"{agency} has no published version {missing[0]}",
            f"choose one of those that are kept: {kept_names}",
        )
    chosen = [by_name[name] for name in names]
    others = [folder for folder in kept if folder not in chosen]
    if len(chosen) == 1:
        chosen += others[-1:]
    elif not chosen:
        chosen = others[-2:]
    if len(chosen) < 2:
        raise BuildError(
            "COMPARE-VERSION",
            f"{agency} has fewer than two published versions: {kept_names}",
            "run again after something has changed",
        )
    return chosen[0], chosen[1]


def compare_versions(older: Path, newer: Path) -> dict[str, Any]:
    """Compare two versions.

    Args:
        older: Folder of a version.
        newer: Folder of another; it may be a private one that is about to be published.

    Returns:
        `causes` (why), `rates` (that changed), `audited` (the audited rates that the two reports
        lead with), `listed` and `links` (what came, went and changed).

    Raises:
        BuildError: COMPARE-SHAPE if the versions have not the columns that are compared;
            COMPARE-ERASED if something was erased between them: a comparison would show what.
    """
    older_description, newer_description = read_description(older), read_description(newer)
    if older_description.get("erasures", 0) != newer_description.get("erasures", 0):
        raise BuildError(
            "COMPARE-ERASED",
            f"something was erased between {older.resolve().name} and {newer.name}",
            f"compare two versions made since then; `{paths.CDI} erase` removes those from before",
        )
    with open_scratch_database() as con:
        for name, folder in (("older", older), ("newer", newer)):
            file = literal(str(folder / "recording.duckdb"))
            con.execute(f"attach {file} as {name} (read_only)")
        try:
            rates = fetch_dicts(con, read_query(SQL / "compared_rates.sql"))
            (audited,) = fetch_dicts(con, read_query(SQL / "compared_audits.sql"))
            listed = fetch_dicts(con, read_query(SQL / "compared_worklists.sql"))
            links = fetch_dicts(con, read_query(SQL / "compared_links.sql"))
        except duckdb.BinderException as error:
            raise BuildError(
                "COMPARE-SHAPE",
                f"{older} and {newer} have different columns: {error}",
                "compare versions that were built with the same models",
            ) from None
    return {
        "older": older.resolve().name,
        "newer": newer_description["version"],
        "causes": _list_causes(older_description, newer_description),
        "rates": rates,
        "audited": audited,
        "listed": dict(sorted(Counter(row["change"] for row in listed).items())),
        "listed_rows": listed[:LISTED_ROWS],
        "links": {row["change"]: row["number"] for row in links},
    }


def _list_causes(older: dict[str, Any], newer: dict[str, Any]) -> list[str]:
    """What differs between what two versions were made from, in words."""
    changed_datasets = [
        name
        for name in sorted({*older["batches"], *newer["batches"]})
        if older["batches"].get(name) != newer["batches"].get(name)
    ]
    # What people write is a dataset as well, but a cause of its own.
    delivered = [name for name in changed_datasets if name not in BY_PEOPLE]
    is_changed = {
        "as_of": older["as_of"] != newer["as_of"],
        "data": bool(delivered),
        "decisions": DECISIONS in changed_datasets,
        "findings": READINGS in changed_datasets,
        "weights": older.get("weights") != newer.get("weights"),
        **{part: older.get("code", {}).get(part) != newer["code"].get(part) for part in CODE_PARTS},
    }
    causes = {**CAUSES, "data": f"{CAUSES['data']} {', '.join(delivered)}"}
    return [text for cause, text in causes.items() if is_changed[cause]]


def compare_with_published(version: Version) -> dict[str, Any] | None:
    """Compare a private version with the published one; the result goes to ``comparison.json``.

    Args:
        version: What was built.

    Returns:
        As from `compare_versions`; None if no version is published, or none that can be compared.
    """
    if read_current(version.agency.agency) is None:
        return None
    older = paths.current(version.agency.agency)
    try:
        verify_current(version.agency.agency)
        compared = compare_versions(older, version.folder)
    except BuildError:  # other columns, or something was erased: the report does without
        return None
    except StateError as error:
        log_damage(error)
        return None
    text = json.dumps(compared, indent=2, default=str)
    write_text(version.folder / "comparison.json", text + "\n")
    return compared


def print_comparison(compared: dict[str, Any], console: Console) -> None:
    """Print a comparison.

    Args:
        compared: As from `compare_versions`.
        console: Where to print it.
    """
    console.print(f"[bold]{compared['older']}[/bold] to [bold]{compared['newer']}[/bold]")
    causes = "; ".join(compared["causes"]) or "nothing"
    console.print(f"changed by: {causes}", highlight=False, markup=False)
    for part in ("listed", "links"):
        counts = ", ".join(f"{number:,} {change}" for change, number in compared[part].items())
        console.print(f"{part}: {counts or 'unchanged'}", highlight=False)
    if said := describe_headline(compared["audited"]):
        console.print(said, highlight=False, markup=False)
    table = Table("rate", "ruleset", "group", "before", "after", "base before", "after", box=None)
    for row in compared["rates"]:
        table.add_row(
            row["universe"],
            row["ruleset"],
            row["offence_group"],
            *(
                NOTHING if row[column] is None else write_percent(row[column])
                for column in ("older_rate", "newer_rate")
            ),
            *(f"{row[column] or 0:,}" for column in ("older_base_count", "newer_base_count")),
        )
    console.print(table if compared["rates"] else "rates: unchanged")


def describe_headline(audited: dict[str, Any]) -> str:
    """Say which audited rate a report now leads with, if the one before led with another or none.

    Args:
        audited: `audited` of `compare_versions`.

    Returns:
        A sentence; empty if both reports lead with the same audit, or with none.
    """
    if audited["older_draw"] == audited["newer_draw"]:
        return ""
    before, after = (
        draw and f"{NOTHING if rate is None else write_percent(rate)} (audit {draw})"
        for draw, rate in (
            (audited["older_draw"], audited["older_rate"]),
            (audited["newer_draw"], audited["newer_rate"]),
        )
    )
    if after is None:
        return f"The report no longer leads with the audited rate of {before}."
    led = before or "none"
    return f"The report now leads with an audited rate, {after}; before it led with {led}."
