"""The walk-through: what it knows of the models' own rules."""

import re

from cdi import paths
from cdi_proofs import walkthrough


def test_the_levels_of_a_pattern_are_told_in_the_order_that_the_macro_puts_them() -> None:
    macro = (paths.DBT_PROJECT / "macros" / "link_levels.sql").read_text(encoding="utf-8")
    (listed,) = re.findall(r"macro link_comparisons.*?return\(\[(.*?)\]\)", macro, re.S)
    assert tuple(re.findall(r"'(\w+)'", listed)) == walkthrough.COMPARISONS


def test_models_stand_after_those_that_they_read() -> None:
    depth = walkthrough._depth_of_models()
    for before, after in (
        ("stg_calls", "int_linkage__calls"),
        ("int_linkage__calls", "int_linkage__scored"),
        ("int_linkage__scored", "int_linkage__links"),
        ("int_linkage__links", "int_outcomes__outcomes"),
        ("int_outcomes__outcomes", "recording_rate"),
    ):
        assert depth[before] < depth[after]
