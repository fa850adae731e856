"""The generated page docs/recording-decisions.md: how the recording decision is made, in words.

Its text comes from the rules themselves (dbt seeds) and from the names of the dbt unit tests that
prove them. A test belongs to the rules whose ids begin its description (``D010: ...``).
"""

import re
from collections import defaultdict
from datetime import date
from typing import Any

import yaml

from cdi import paths
from cdi.agency.code_maps import read_seed
from cdi.render import render
from cdi.report.wording import EFFECTS, FACT, VERDICTS, fact_in_words, in_words

DECIDERS = {"DDM": "designated decision maker", "FCR": "force crime registrar"}
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9999, 12, 31)


def render_decisions_page() -> str:
    """Render the page: every row of the decision table in order, then the rules around it."""
    proofs = _proofs_by_rule()
    groups = {
        row["offence_group"]: row["offence_group_name"] for row in read_seed("offence_groups")
    }
    counting = [
        {
            "id": row["counting_rule_id"],
            "counted": in_words(row["counting_class"]),
            "effect": EFFECTS[row["effect"]],
            "rule": row["description"],
            "holds": _period_in_words(row),
            "page": row["source"],
            "proofs": proofs[row["counting_rule_id"]],
        }
        for row in read_seed("counting_rules")
    ]
    return render(
        "recording_decisions.md.j2",
        decisions=_list_decisions(proofs),
        counting=counting,
        principal=[
            {
                **row,
                "principal": groups[row["principal_group"]],
                "included": groups[row["included_group"]],
            }
            for row in read_seed("principal_crimes")
        ],
        counting_proofs=_proofs_without_rule("int_disclosure__counting"),
        limits=[{**row, "holds": _period_in_words(row)} for row in read_seed("time_limits")],
        cancellations=_list_cancellations(proofs),
        kinds=[
            {**row, "kind": in_words(row["evidence_kind"])} for row in read_seed("evidence_kinds")
        ],
        rulesets=read_seed("rulesets"),
    )


def sentence_of_test_name(name: str) -> str:
    """Turn the name of a test into a sentence."""
    return f"{name[0].upper()}{in_words(name[1:])}"


def _list_decisions(proofs: dict[str, list[str]]) -> list[dict[str, Any]]:
    reasons = {row["reason_code"]: row["reason_name"] for row in read_seed("reasons")}
    classes = {row["ho_code"]: row["name"] for row in read_seed("reported_incident_classes")}
    facts = _read_facts()
    return [
        {
            "id": row["decision_id"],
            "priority": row["priority"],
            "rule": row["description"],
            "example": row["example"],
            "verdict": VERDICTS[row["verdict"]],
            "reason": reasons.get(row["reason_code"]),
            "page": row["rule_page"],
            "holds": _period_in_words(row),
            "kept_as": row["reported_incident_code"],
            "kept_as_name": classes.get(row["reported_incident_code"]),
            "asks": [
                f"{question}: {_answer_in_words(row[fact], reasons)}"
                for fact, question in facts.items()
                if row[fact]
            ],
            "proofs": proofs[row["decision_id"]],
        }
        for row in sorted(
            read_seed("recording_decisions"), key=lambda r: (int(r["priority"]), r["decision_id"])
        )
    ]


def _answer_in_words(value: str, reasons: dict[str, str]) -> str:
    texts = {"true": "yes", "false": "no", **reasons}
    return texts.get(value, in_words(value))


def _list_cancellations(proofs: dict[str, list[str]]) -> list[dict[str, Any]]:
    needs = {
        "needs_other_force_reference": "the other force's reference",
        "needs_surviving_record": "a live record that stays",
        "needs_victim_told": "the victim told before, if there is one",
    }
    return [
        {
            **row,
            "needs": [text for column, text in needs.items() if row[column] == "true"],
            "deciders": _roles_in_words(row["deciders"]),
            "deciders_of_rape_and_homicide": _roles_in_words(row["deciders_of_rape_and_homicide"]),
            "classes": row["offence_classes"].split(),
            "proofs": proofs[row["cancellation_code"]],
        }
        for row in read_seed("cancellation_rules")
    ]


def _roles_in_words(codes: str) -> str:
    return " or ".join(DECIDERS[code] for code in codes.split()) or "anybody"


def _read_facts() -> dict[str, str]:
    """Read the facts of the decision table, and the question of each, from seeds.yml."""
    content = yaml.safe_load((paths.DBT_PROJECT / "seeds" / "seeds.yml").read_text("utf-8"))
    (table,) = (seed for seed in content["seeds"] if seed["name"] == "recording_decisions")
    return {
        column["name"]: fact_in_words(column["description"])
        for column in table["columns"]
        if column["description"].startswith(FACT)
    }


def _period_in_words(row: dict[str, str]) -> str:
    first, last = (date.fromisoformat(row[column]) for column in ("valid_from", "valid_to"))
    started, ended = (f"{day.day} {day:%B %Y}" for day in (first, last))
    if first == FIRST_DAY:
        return "at any date" if last == LAST_DAY else f"until {ended}"
    return f"from {started}" if last == LAST_DAY else f"from {started} to {ended}"


# --------------------------------------------------- the unit tests that prove the rules


def _read_unit_tests() -> list[dict[str, Any]]:
    unit_tests: list[dict[str, Any]] = []
    for file in sorted((paths.DBT_PROJECT / "models").rglob("unit_tests/*.yml")):
        unit_tests += yaml.safe_load(file.read_text(encoding="utf-8")).get("unit_tests", [])
    return unit_tests


def _rule_ids_of_test(test: dict[str, Any]) -> list[str]:
    """Find the rules that a test is about: their ids begin its description."""
    match = re.match(r"([A-Z]\d+(?:, ?[A-Z]\d+)*):", test.get("description", ""))
    return re.split(r", ?", match[1]) if match else []


def _proofs_by_rule() -> dict[str, list[str]]:
    """List the tests of each rule, as sentences."""
    proofs: dict[str, list[str]] = defaultdict(list)
    for test in _read_unit_tests():
        for rule_id in _rule_ids_of_test(test):
            proofs[rule_id].append(sentence_of_test_name(test["name"]))
    return proofs


def _proofs_without_rule(model: str) -> list[str]:
    """List the tests of a model that are about no rule with an id."""
    return [
        sentence_of_test_name(test["name"])
        for test in _read_unit_tests()
        if test["model"] == model and not _rule_ids_of_test(test)
    ]
