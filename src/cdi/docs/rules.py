"""The page docs/rules.md: every data-quality rule."""

from cdi.quality.rules import all_rules, reader_rules
from cdi.quality.wording import describe_rule
from cdi.render import render


def render_rules_page() -> str:
    """Render the page: every rule of the project, with its severity, owner and reason."""
    rules = all_rules()
    return render(
        "rules.md.j2",
        reader=reader_rules(),
        describe_rule=describe_rule,
        borders=[
            ("Border 1: landed batches", [r for r in rules if r.border == "landing"]),
            ("Border 2: marts, before publishing", [r for r in rules if r.border == "marts"]),
        ],
    )
