"""The validation page: what each data-quality rule found, and what it said in the last runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from cdi.agency.model import Agency
from cdi.files import write_text
from cdi.quality.history import CheckRun, list_verdicts, read_runs
from cdi.quality.results import ERROR, HOLDS, RELEASED, verdict_of
from cdi.quality.rules import Rule, all_rules
from cdi.quality.wording import (
    describe_extent,
    describe_rule,
    name_batch,
    name_row,
    shorten_decimals,
)
from cdi.render import render

# By verdict: what stands in the strip of a rule's last runs, and its colour there and beside.
MARKS = {
    HOLDS: ("■", "good"),
    "info": ("i", "info"),
    "warn": ("!", "warn"),
    RELEASED: ("r", "warn"),
    "fail": ("✕", "bad"),
    ERROR: ("?", "bad"),
}


def write_validation_page(
    file: Path,
    agency: Agency,
    results: Sequence[dict[str, Any]],
    heading: str,
    row_counts: Sequence[dict[str, Any]],
    docs_root: str | None = None,
) -> None:
    """Write the validation page.

    Args:
        file: The page to write.
        agency: The agency whose data was checked.
        results: As `cdi.quality.checks` makes them.
        heading: What was checked, e.g. ``Version 20221123T0600-0123456789``.
        row_counts: For each dataset, what became of the rows of its files.
        docs_root: The way from the page to the folder of its version, if it is in one.
    """
    rules = {rule.rule_id: rule for rule in all_rules()}
    owners = sorted({result["owner"] for result in results})
    rows = [_make_row(agency, result, owners) for result in results]
    broken = _fold_notices([row for row in rows if not row["is_success"]])
    broken.sort(key=lambda row: list(MARKS).index(row["verdict"]), reverse=True)
    checked = dict.fromkeys(row["rule_id"] for row in [*broken, *rows])
    runs = read_runs(agency.agency)
    page = render(
        "validation.html.j2",
        agency=agency,
        is_simulated=agency.is_simulated,
        heading=heading,
        results=rows,
        row_counts=row_counts,
        docs_root=docs_root,
        broken=broken,
        stopping=[row for row in broken if row["verdict"] in ("fail", ERROR)],
        owners=owners,
        rules=[_make_rule(rules[rule_id], runs, owners) for rule_id in checked if rule_id in rules],
        marks=MARKS,
    )
    write_text(file, page)


def _make_row(agency: Agency, result: Mapping[str, Any], owners: list[str]) -> dict[str, Any]:
    """Make a row of the page from a result."""
    batch_id = result.get("batch_id")
    verdict = verdict_of(result)
    return {
        "released_by": None,
        **result,
        "verdict": verdict,
        "colour": MARKS[verdict][1],
        "observed_value": shorten_decimals(result["observed_value"]),
        "owner_number": owners.index(result["owner"]),
        # results of older releases have no sentence
        "finding": result.get("finding") or describe_extent(result),
        "sample_rows": [name_row(row_id) for row_id in result.get("sample_rows", [])],
        "other_batches": 0,
        "batch_label": name_batch(agency, result["dataset"], batch_id) if batch_id else "",
    }


def _fold_notices(broken: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Show a rule that only counts once, with its newest batch and how many others there are.

    The table of each batch has them all.
    """
    folded: list[dict[str, Any]] = []
    notices: dict[str, list[dict[str, Any]]] = {}
    for row in broken:
        if row["verdict"] == "info" and row["batch_label"]:
            notices.setdefault(row["rule_id"], []).append(row)
        else:
            folded.append(row)
    for same in notices.values():
        newest = max(same, key=lambda row: row["batch_id"])
        folded.append({**newest, "other_batches": len(same) - 1})
    return folded


def _make_rule(rule: Rule, runs: Sequence[CheckRun], owners: list[str]) -> dict[str, Any]:
    """Make a row of the list of rules: what a rule expects, and what it said in its last runs."""
    verdicts = list_verdicts(runs, rule.rule_id)
    counts = Counter(verdicts)
    others = [f"{verdict} {count}" for verdict, count in counts.items() if verdict != HOLDS]
    return {
        "rule": rule,
        "expected": describe_rule(rule),
        "owner_number": owners.index(rule.owner) if rule.owner in owners else None,
        "verdicts": [(verdict, len(list(same))) for verdict, same in groupby(verdicts)],
        "verdicts_in_words": ", ".join([f"holds {counts[HOLDS]}", *others]),
    }
