"""The page docs/rules.md: every data-quality rule, and every other error by its id."""

from pathlib import Path

from cdi.files import parse_yaml
from cdi.quality.rules import all_rules, reader_rules
from cdi.quality.wording import describe_rule
from cdi.render import render


def render_rules_page() -> str:
    """Render the page: every rule of the project, with its severity, owner and reason."""
    rules = all_rules()
    errors = Path(__file__).with_name("errors.yaml").read_text(encoding="utf-8")
    return render(
        "rules.md.j2",
        reader=reader_rules(),
        describe_rule=describe_rule,
        borders=[
            ("Border 1: landed batches", [r for r in rules if r.border == "landing"]),
            ("Border 2: marts, before publishing", [r for r in rules if r.border == "marts"]),
        ],
        errors=parse_yaml(errors),
    )
