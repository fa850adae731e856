"""The key rules of an agency, as SQL: the canonical form of a reference."""

from cdi.agency.model import Agency
from cdi.sql import Params


def key_expression(agency: Agency, thing: str, text: str, bound: Params) -> str:
    """SQL for the canonical form of a reference; null where no rule reads it."""
    forms = []
    for rule in agency.key_rules.get(thing, ()):
        whole = bound.bind(f"^(?:{rule.pattern})$")
        forms.append(
            f"when regexp_matches(upper({text}), {whole}) then "
            f"regexp_replace(upper({text}), {whole}, {bound.bind(rule.canonical)})"
        )
    return f"case {' '.join(forms)} end" if forms else f"upper({text})"
