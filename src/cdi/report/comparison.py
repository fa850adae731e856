"""What changed between two published versions of an agency, and what changed it.

`.venv/bin/cdi compare` tells it.

Rates, listed crimes and links are read from the versions' own files, causes from their
version.json: new data, decisions, weights, or another state of the rules and the code.
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
from cdi.build.version import read_description
from cdi.errors import BuildError
from cdi.sql import connect, fetch_dicts

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
LISTED_ROWS = 20


def published_versions(agency: str) -> list[Path]:
    """Folders of the published versions, oldest first."""
    found = (paths.published(agency) / "versions").glob("[!.]*/version.json")
    return sorted((file.parent for file in found), key=lambda folder: folder.stat().st_mtime_ns)


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
    known = ", ".join(by_name) or "none"
    missing = [name for name in names if name not in by_name]
    if missing:
        raise BuildError(
            "COMPARE-VERSION", f"{agency} has no published version {missing[0]}",
            f"choose of those that are kept: {known}",
        )  # fmt: skip
    chosen = [by_name[name] for name in names]
    rest = [folder for folder in kept if folder not in chosen]
    chosen += rest[-1:] if len(chosen) == 1 else rest[-2:] if not chosen else []
    if len(chosen) < 2:
        raise BuildError(
            "COMPARE-VERSION", f"{agency} has fewer than two published versions: {known}",
            "run again after something has changed",
        )  # fmt: skip
    return chosen[0], chosen[1]


def compare_versions(older: Path, newer: Path) -> dict[str, Any]:
    """Compare two versions.

    Args:
        older: Folder of a version.
        newer: Folder of another; it may be a private one that is about to be published.

    Returns:
        `causes` (why), `rates` (that changed), `listed` and `links` (what came, went and changed).

    Raises:
        BuildError: COMPARE-SHAPE if the versions have not the columns that are compared;
            COMPARE-ERASED if something was erased between them, which this would tell.
    """
    erasures = [read_description(folder).get("erasures", 0) for folder in (older, newer)]
    if erasures[0] != erasures[1]:
        raise BuildError(
            "COMPARE-ERASED",
            f"something was erased between {older.resolve().name} and {newer.name}",
            f"compare two versions since then; `{paths.CDI} erase` removes those from before",
        )
    with connect() as con:
        for name, folder in (("older", older), ("newer", newer)):
            file = str(folder / "recording.duckdb").replace("'", "''")
            con.execute(f"attach '{file}' as {name} (read_only)")
        try:
            rates = fetch_dicts(con, RATES)
            listed = fetch_dicts(con, LISTED)
            links = fetch_dicts(con, LINKS)
        except duckdb.BinderException as error:
            raise BuildError(
                "COMPARE-SHAPE", f"{older} and {newer} have other columns: {error}",
                "compare versions that the same state of the models made",
            ) from None  # fmt: skip
    return {
        "older": older.resolve().name,
        "newer": read_description(newer)["version"],
        "causes": _causes(read_description(older), read_description(newer)),
        "rates": rates,
        "listed": dict(sorted(Counter(row["change"] for row in listed).items())),
        "listed_rows": listed[:LISTED_ROWS],
        "links": {row["change"]: row["number"] for row in links},
    }


RATES = """
    select
        universe, ruleset, breakdown, offence_group,
        o.recording_rate as older_rate, n.recording_rate as newer_rate,
        o.rate_base_count as older_base_count, n.rate_base_count as newer_base_count
    from older.main.recording_rate as o
    full join newer.main.recording_rate as n
        using (universe, ruleset, breakdown, offence_group, district, reported_month,
            disposition_code, route)
    where breakdown in ('total', 'offence_group', 'theme')
        and (older_rate, older_base_count) is distinct from (newer_rate, newer_base_count)
    order by breakdown desc, universe, ruleset, offence_group
"""
LISTED = """
    select
        coalesce(o.reported_crime_id, n.reported_crime_id) as reported_crime_id,
        o.status as older_status,
        n.status as newer_status,
        case
            when o.reported_crime_id is null then 'came'
            when n.reported_crime_id is null then 'went'
            when o.status <> n.status then 'decided'
            else 'moved between likely and possible'
        end as change
    from older.main.unrecorded_crimes as o
    full join newer.main.unrecorded_crimes as n on o.reported_crime_id = n.reported_crime_id
    where (o.status, o.is_likely) is distinct from (n.status, n.is_likely)
    order by n.list_place, o.list_place
"""
LINKS = """
    select
        case
            when o.call_id is null then 'came'
            when n.call_id is null then 'went'
            else 'to another call'
        end as change,
        count(*) as number
    from older.main.links as o
    full join newer.main.links as n on o.crime_record_id = n.crime_record_id
    where o.call_id is distinct from n.call_id
    group by all
    order by all
"""


def _causes(older: dict[str, Any], newer: dict[str, Any]) -> list[str]:
    """What differs between what two versions were made from, in words."""
    batches = [
        name
        for name in sorted({*older["batches"], *newer["batches"]})
        if older["batches"].get(name) != newer["batches"].get(name)
    ]
    data = [name for name in batches if name not in BY_PEOPLE]
    changed = {
        "as_of": older["as_of"] != newer["as_of"],
        "data": bool(data),
        "decisions": DECISIONS in batches,
        "findings": READINGS in batches,
        "weights": older.get("weights") != newer.get("weights"),
        **{
            part: older.get("code", {}).get(part) != newer["code"].get(part)
            for part in ("rules", "agency", "models", "checks", "library")
        },
    }
    told = {**CAUSES, "data": f"{CAUSES['data']} {', '.join(data)}"}
    return [told[cause] for cause in CAUSES if changed[cause]]


def write_comparison(older: Path, newer: Path) -> dict[str, Any]:
    """Compare, and keep the result as ``comparison.json`` in the newer version's folder."""
    compared = compare_versions(older, newer)
    text = json.dumps(compared, indent=2, default=str)
    (newer / "comparison.json").write_text(text + "\n", encoding="utf-8")
    return compared


def print_comparison(compared: dict[str, Any], console: Console) -> None:
    """Print a comparison."""
    console.print(f"[bold]{compared['older']}[/bold] to [bold]{compared['newer']}[/bold]")
    console.print("changed by: " + ("; ".join(compared["causes"]) or "nothing"), highlight=False)
    for what in ("listed", "links"):
        counts = ", ".join(f"{number:,} {change}" for change, number in compared[what].items())
        console.print(f"{what}: {counts or 'unchanged'}", highlight=False)
    table = Table("rate", "ruleset", "group", "before", "after", "base before", "after", box=None)
    for row in compared["rates"]:
        table.add_row(
            row["universe"], row["ruleset"], row["offence_group"],
            *(("–" if row[k] is None else f"{row[k]:.1%}") for k in ("older_rate", "newer_rate")),
            *(f"{row[k] or 0:,}" for k in ("older_base_count", "newer_base_count")),
        )  # fmt: skip
    console.print(table if compared["rates"] else "rates: unchanged")
