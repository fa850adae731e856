"""Ranges beside the truth, counted by hand; tests/pipeline/test_audit_loop.py looks for rates."""

from pathlib import Path

import duckdb

from cdi_force.scenario import load_scenario
from cdi_proofs.ranges import compare_ranges, write_never_audited
from tests.proofs.test_scorecard import write_force

# Of four crimes due in the frame two are recorded, of five in all logs two as well.
RANGES = """
create table recording_range as
select * from (values
    ('frame', 'total', 'all', 0.5, 0.6, null),
    ('all', 'total', 'all', 0.41, 0.6, null),
    ('frame', 'offence_group', 'theft', null, null, 'fewer than 30 crimes'),
    ('frame', 'offence_group', 'arson', 0.2, 0.9, null)
) as t (universe, breakdown, offence_group, low_rate, high_rate, withheld_reason)
"""


def test_a_range_holds_the_truth_of_the_scorecard_with_its_ends(tmp_path: Path) -> None:
    write_force(tmp_path)
    file = tmp_path / "recording.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(RANGES)
    rows = compare_ranges(file, tmp_path)
    found = {(row["universe"], row["group"]): (row["truth"], row["holds"]) for row in rows}
    assert found == {
        ("all", "all"): (0.4, False),
        ("frame", "all"): (0.5, True),
        ("frame", "theft"): (0.5, None),  # withheld
        ("frame", "arson"): (None, None),  # nobody reported any
    }
    assert [row["withheld_reason"] for row in rows if row["group"] == "theft"] == [
        "fewer than 30 crimes"
    ]


def test_the_force_is_as_another_one_but_that_nobody_audited_it(tmp_path: Path) -> None:
    folder = write_never_audited(tmp_path / "not" / "there", "hard_force")
    never, audited = load_scenario(str(folder)), load_scenario("hard_force")
    assert (never.settings.audit.frame, never.settings.audit.others) == (0, 0)
    assert audited.settings.audit.frame > 0
    assert never.phrases == audited.phrases
    assert never.settings.model_copy(update={"audit": audited.settings.audit}) == audited.settings
