"""The key rules of an agency as SQL: they give a typed reference its canonical form."""

from collections.abc import Iterable, Sequence

from cdi.agency.model import Agency, KeyRule
from cdi.sql import Params, connect


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


def find_canonical(agency: Agency, thing: str, typed: Sequence[str]) -> dict[str, str]:
    """Find what stands for each reference wherever rows are joined.

    Args:
        agency: The agency, with its key rules.
        thing: What the references refer to, e.g. `call`.
        typed: The references as people typed them.

    Returns:
        By reference: its canonical form, or the text in capitals if no rule reads it.
    """
    return {text: key or capitals(text) for text, key in find_keys(agency, thing, typed)}


def find_keys(agency: Agency, thing: str, typed: Sequence[str]) -> list[tuple[str, str | None]]:
    """Find the canonical form of each reference; None where no rule reads it.

    Args:
        agency: The agency, with its key rules.
        thing: What the references refer to, e.g. `call`.
        typed: The references as people typed them.
    """
    if not typed:
        return []
    with connect() as con:
        bound = Params()
        key = key_expression(agency, thing, "t", bound)
        query = f"select t, {key} from (select unnest($typed::varchar[]) as t)"
        return con.execute(query, bound.used_in(query) | {"typed": list(typed)}).fetchall()


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
