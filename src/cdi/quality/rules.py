"""The rules of both borders, read from the plain files in ``expectations/``.

A suite file has ``table`` (what it is about), ``owner``, ``noun`` (what people call its rows),
``derive`` (columns computed for the check) and ``expectations`` in Great Expectations' own form
(type, kwargs, meta). ``meta`` holds

- ``rule_id``: stable and unique;
- ``claim``: what the rows do that keep the rule ("name their call"), or for a rule about all rows
  at once a whole sentence; thresholds stand in it as ``{max_value}``;
- ``severity``: `fail` stops, `warn` reports, `info` counts;
- ``reason``: why the rule is there;
- ``quarantine`` (border 1): rows that break the rule are moved to the quarantine, and the rule
  itself fails only if the share of rows that keep it is below its ``mostly``;
- ``releasable: false`` (severity `fail`): nobody may waive it (`cdi.quality.waivers`);
- ``codes`` (border 1): the column whose codes are named if they break the rule.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.files import parse_yaml

# our word for each severity, and Great Expectations' word
SEVERITIES = {"fail": "critical", "warn": "warning", "info": "info"}
# Types of rules that each row keeps or breaks; other types look at all rows at once.
_ABOUT_ROWS = ("expect_column_values_", "expect_column_pair_values_", "expect_compound_columns_")


@dataclass(frozen=True)
class Rule:
    """One expectation with its consequence."""

    rule_id: str
    severity: str
    owner: str
    reason: str
    border: str
    suite: str
    type: str
    kwargs: dict[str, Any]
    is_quarantining: bool = False
    is_releasable: bool = True
    codes: str | None = None
    noun: str = "rows"
    claim: str = ""

    @property
    def is_about_rows(self) -> bool:
        """Whether each row keeps or breaks it."""
        return self.type.startswith(_ABOUT_ROWS)

    @property
    def mostly(self) -> float:
        """The share of rows that must keep it."""
        return float(self.kwargs.get("mostly", 1))

    @property
    def filled_claim(self) -> str:
        """The claim with the rule's thresholds."""
        return self.claim.format(**self.kwargs)

    @property
    def column(self) -> str:
        """The column or the pair of columns that it looks at, for people."""
        keys = ("column", "column_A", "column_B")
        return ", ".join(self.kwargs[key] for key in keys if key in self.kwargs)


@dataclass(frozen=True)
class Suite:
    """The rules about one table."""

    name: str
    table: str
    derive: dict[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


def load_suite(border: str, name: str) -> Suite:
    """Read one suite.

    Args:
        border: `landing` or `marts`.
        name: The name of the suite's file without its ending, e.g. ``calls``.

    Raises:
        KeyError: If a rule lacks a part that each rule must have.
    """
    file = paths.EXPECTATIONS / border / f"{name}.yaml"
    content = parse_yaml(file.read_text(encoding="utf-8"))
    rules = tuple(
        Rule(
            rule_id=entry["meta"]["rule_id"],
            severity=entry["meta"]["severity"],
            owner=entry["meta"].get("owner", content["owner"]),
            reason=entry["meta"]["reason"],
            border=border,
            suite=name,
            type=entry["type"],
            kwargs=entry["kwargs"],
            is_quarantining=entry["meta"].get("quarantine", False),
            is_releasable=entry["meta"].get("releasable", True),
            codes=entry["meta"].get("codes"),
            noun=content["noun"],
            claim=entry["meta"]["claim"],
        )
        for entry in content["expectations"]
    )
    return Suite(name, content["table"], content.get("derive", {}), rules)


def suite_names(border: str) -> list[str]:
    """Names of the suites of a border."""
    return sorted(file.stem for file in (paths.EXPECTATIONS / border).glob("*.yaml"))


def reader_rules() -> list[dict[str, Any]]:
    """The rules that the reader of source files applies itself, for the catalogue of rules."""
    file: Path = paths.EXPECTATIONS / "reader.yaml"
    content = parse_yaml(file.read_text(encoding="utf-8"))
    return [{"owner": content["owner"], **rule} for rule in content["rules"]]


def all_rules() -> list[Rule]:
    """All Great Expectations rules of both borders."""
    return [
        rule
        for border in ("landing", "marts")
        for name in suite_names(border)
        for rule in load_suite(border, name).rules
    ]
