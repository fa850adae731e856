"""The key rules of an agency as SQL: they give a typed reference its canonical form."""

from collections.abc import Iterable

from cdi.agency.model import Agency, KeyRule
from cdi.sql import Params


def key_expression(agency: Agency, thing: str, text: str, bound: Params) -> str:
    """SQL for the canonical form of a reference: null where no rule reads it.

    Args:
        agency: The agency, with its key rules. Without rules, the text in capitals is canonical.
        thing: What the reference refers to, e.g. `call`; a key of `agency.key_rules`.
        text: SQL expression of the trimmed text.
        bound: Collects the patterns, which are bound.
    """
    return rules_expression(agency.key_rules.get(thing, ()), text, bound)


def capitals(text: str) -> str:
    """The capitals of a text as DuckDB's `upper` writes them: each letter stays one letter."""
    return "".join("ẞ" if c == "ß" else c.upper() if len(c.upper()) == 1 else c for c in text)


def rules_expression(rules: Iterable[KeyRule], text: str, bound: Params) -> str:
    """SQL for the canonical form of a reference under some rules: null where none reads it.

    Args:
        rules: The rules in the order in which they are tried; without any, the text in capitals is
            canonical.
        text: SQL expression of the trimmed text.
        bound: Collects the patterns, which are bound.
    """
    cases = []
    for rule in rules:
        whole = bound.bind(f"^(?:{rule.pattern})$")
        cases.append(
            f"when regexp_matches(upper({text}), {whole}) then "
            f"regexp_replace(upper({text}), {whole}, {bound.bind(rule.canonical)})"
        )
    return f"case {' '.join(cases)} end" if cases else f"upper({text})"
