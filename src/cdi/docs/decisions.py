"""The generated page docs/recording-decisions.md: how the recording decision is made, in words.

All of it is read from the rules themselves (dbt seeds) and from the names of the dbt unit tests
that prove them; a test belongs to the rules whose ids begin its description (``D010: ...``).
"""

import csv
import re
from collections import defaultdict
from datetime import date
from typing import Any

import yaml

from cdi import paths
from cdi.render import render
from cdi.report.wording import EFFECTS, FACT, VERDICTS, fact_in_words, in_words

DECIDERS = {"DDM": "designated decision maker", "FCR": "force crime registrar"}
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9999, 12, 31)


def render_decisions_page() -> str:
    """The page: every row of the decision table in order, then the rules around it."""
    proofs = _proofs()
    groups = {row["offence_group"]: row["offence_group_name"] for row in _seed("offence_groups")}
    counting = [
        {
            "id": row["counting_rule_id"],
            "counted": in_words(row["counting_class"]),
            "effect": EFFECTS[row["effect"]],
            "rule": row["description"],
            "holds": _period(row),
            "page": row["source"],
            "proofs": proofs[row["counting_rule_id"]],
        }
        for row in _seed("counting_rules")
    ]
    return render(
        "recording_decisions.md.j2",
        decisions=_decisions(proofs),
        counting=counting,
        principal=[
            {
                **row,
                "principal": groups[row["principal_group"]],
                "included": groups[row["included_group"]],
            }
            for row in _seed("principal_crimes")
        ],
        counting_proofs=_other_proofs("int_disclosure__counting"),
        limits=[{**row, "holds": _period(row)} for row in _seed("time_limits")],
        cancellations=_cancellations(proofs),
        kinds=[{**row, "kind": in_words(row["evidence_kind"])} for row in _seed("evidence_kinds")],
        rulesets=_seed("rulesets"),
    )


def sentence(name: str) -> str:
    """The name of a test as a sentence."""
    return f"{name[0].upper()}{in_words(name[1:])}"


def _decisions(proofs: dict[str, list[str]]) -> list[dict[str, Any]]:
    reasons = {row["reason_code"]: row["reason_name"] for row in _seed("reasons")}
    classes = {row["ho_code"]: row["name"] for row in _seed("reported_incident_classes")}
    facts = _facts()
    return [
        {
            "id": row["decision_id"],
            "priority": row["priority"],
            "rule": row["description"],
            "example": row["example"],
            "verdict": VERDICTS[row["verdict"]],
            "reason": reasons.get(row["reason_code"]),
            "page": row["rule_page"],
            "holds": _period(row),
            "kept_as": row["reported_incident_code"],
            "kept_as_name": classes.get(row["reported_incident_code"]),
            "asks": [
                f"{question}: {_answer(row[fact], reasons)}"
                for fact, question in facts.items()
                if row[fact]
            ],
            "proofs": proofs[row["decision_id"]],
        }
        for row in sorted(
            _seed("recording_decisions"), key=lambda r: (int(r["priority"]), r["decision_id"])
        )
    ]


def _answer(value: str, reasons: dict[str, str]) -> str:
    known = {"true": "yes", "false": "no", **reasons}
    return known.get(value, in_words(value))


def _cancellations(proofs: dict[str, list[str]]) -> list[dict[str, Any]]:
    needs = {
        "needs_other_force_reference": "the other force's reference",
        "needs_surviving_record": "a live record that stays",
        "needs_victim_told": "the victim told before",
    }
    return [
        {
            **row,
            "needs": [text for column, text in needs.items() if row[column] == "true"],
            "deciders": _roles(row["deciders"]),
            "deciders_of_rape_and_homicide": _roles(row["deciders_of_rape_and_homicide"]),
            "classes": row["offence_classes"].split(),
            "proofs": proofs[row["cancellation_code"]],
        }
        for row in _seed("cancellation_rules")
    ]


def _roles(codes: str) -> str:
    return " or ".join(DECIDERS[code] for code in codes.split())


def _seed(name: str) -> list[dict[str, str]]:
    file = paths.DBT_PROJECT / "seeds" / f"{name}.csv"
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _facts() -> dict[str, str]:
    """The facts of the decision table and what each of them asks, as seeds.yml describes them."""
    content = yaml.safe_load((paths.DBT_PROJECT / "seeds" / "seeds.yml").read_text("utf-8"))
    (table,) = (seed for seed in content["seeds"] if seed["name"] == "recording_decisions")
    return {
        column["name"]: fact_in_words(column["description"])
        for column in table["columns"]
        if column["description"].startswith(FACT)
    }


def _period(row: dict[str, str]) -> str:
    first, last = (date.fromisoformat(row[column]) for column in ("valid_from", "valid_to"))
    started, ended = (f"{day.day} {day:%B %Y}" for day in (first, last))
    if first == FIRST_DAY:
        return "at any date" if last == LAST_DAY else f"until {ended}"
    return f"from {started}" if last == LAST_DAY else f"from {started} to {ended}"


# ---------------------------------------------------------------------- tests


def _unit_tests() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in sorted((paths.DBT_PROJECT / "models").rglob("unit_tests/*.yml")):
        found += yaml.safe_load(file.read_text(encoding="utf-8")).get("unit_tests", [])
    return found


def _ids(test: dict[str, Any]) -> list[str]:
    """The rules that a test is about: the ids that begin its description."""
    match = re.match(r"([A-Z]\d+(?:, ?[A-Z]\d+)*):", test.get("description", ""))
    return re.split(r", ?", match[1]) if match else []


def _proofs() -> dict[str, list[str]]:
    """The tests of each rule, as sentences."""
    found: dict[str, list[str]] = defaultdict(list)
    for test in _unit_tests():
        for rule_id in _ids(test):
            found[rule_id].append(sentence(test["name"]))
    return found


def _other_proofs(model: str) -> list[str]:
    """The tests of a model that are about no rule with an id."""
    return [
        sentence(test["name"])
        for test in _unit_tests()
        if test["model"] == model and not _ids(test)
    ]
