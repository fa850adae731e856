"""The attacker against planted figures: what he must find, and what nobody can."""

from pathlib import Path

import pytest

from cdi.errors import CdiError
from cdi.variant import Variant
from cdi_proofs.attack import ALL, Cell, Extract, attack_extracts, count_differences
from cdi_proofs.open_rehearsal import rehearse_attack
from cdi_proofs.ranges import write_never_audited

QUARTER = "2017-Q1"


def cell(
    month: str = ALL, district: str = ALL, group: str = ALL, part: str = ALL, measure: str = "due"
) -> Cell:
    return Cell(QUARTER, month, district, group, part, measure)


def grid(rows: list[list[int | None]]) -> Extract:
    """Districts A, B, ... by groups 1, 2, ...; the last of each is `all`."""
    districts = [*"ABCDEF"[: len(rows) - 1], ALL]
    groups = [*"123456"[: len(rows[0]) - 1], ALL]
    return Extract(
        {
            cell(district=district, group=group): value
            for district, row in zip(districts, rows, strict=True)
            for group, value in zip(groups, row, strict=True)
        }
    )


def test_a_single_gap_in_a_row_is_filled() -> None:
    found = attack_extracts([grid([[None, 20, 23], [30, 40, 70], [33, 60, 93]])])
    assert found.recovered == {cell(district="A", group="1"): 3}
    assert found.told_small == [cell(district="A", group="1")]


def test_four_gaps_in_a_rectangle_stay_open() -> None:
    """By hand: any a from 0 to 23 with 23 - a, 33 - a, 37 + a fits."""
    found = attack_extracts([grid([[None, None, 23], [None, None, 70], [33, 60, 93]])])
    assert len(found.withheld) == 4
    assert found.recovered == {}
    assert found.told_small == []


def test_gaps_that_are_no_rectangle_are_solved_together() -> None:
    """Two in each of three rows, none alone in a line, and yet: A1 + A2 = 2, so both are small."""
    found = attack_extracts([grid([[None, None, 2], [None, None, 70], [33, 39, 72]])])
    assert found.recovered == {}
    assert found.told_small == []  # A1 may be 0, and so may A2: but not both
    nothing = attack_extracts([grid([[None, None, 0], [None, None, 72], [33, 39, 72]])])
    assert nothing.recovered[cell(district="A", group="1")] == 0
    assert nothing.recovered[cell(district="B", group="1")] == 33


def test_a_count_between_narrow_limits_is_known_to_be_small() -> None:
    """By hand: A1 is at most 4, as its row has 4; at least 1, as B1 is at most 32 of 33."""
    found = attack_extracts([grid([[None, None, 4], [None, None, 32], [33, 3, 36]])])
    assert cell(district="A", group="1") in found.told_small
    assert found.recovered == {}


def test_measures_are_subtracted() -> None:
    shown: dict[Cell, int | None] = {
        cell(): 50,
        cell(measure="recorded"): 47,
        cell(measure="missed"): None,
    }
    assert attack_extracts([Extract(shown)]).recovered == {cell(measure="missed"): 3}


def test_a_rate_gives_back_the_count_that_it_is_made_of() -> None:
    """19 of 20 is 95%; 18 would be 90% and 20 is 100%."""
    shown: dict[Cell, int | None] = {
        cell(): 20,
        cell(measure="recorded"): None,
        cell(measure="missed"): None,
    }
    assert attack_extracts([Extract(shown)]).recovered == {}
    found = attack_extracts([Extract(shown, {cell(): 0.95})])
    assert found.recovered == {cell(measure="recorded"): 19, cell(measure="missed"): 1}


def test_bands_add_up_to_what_was_recorded() -> None:
    shown: dict[Cell, int | None] = {
        cell(measure="recorded"): 47,
        cell(part="within_24_hours", measure="recorded"): 40,
        cell(part="later", measure="recorded"): None,
    }
    assert attack_extracts([Extract(shown)]).recovered == {
        cell(part="later", measure="recorded"): 7
    }


def test_a_class_is_no_more_than_its_group_and_need_not_be_all_of_it() -> None:
    shown: dict[Cell, int | None] = {
        cell(group="sexual_offences"): 4,
        cell(group="sexual_offences", part="rape"): None,
    }
    assert attack_extracts([Extract(shown)]).recovered == {}
    shown[cell(group="sexual_offences")] = 0
    assert list(attack_extracts([Extract(shown)]).recovered.values()) == [0]


def test_a_count_alone_is_small_and_only_if_0_is_withheld_too_may_it_be_nothing() -> None:
    found = attack_extracts([Extract({cell(part="n100", measure="reports"): None})])
    assert (len(found.withheld), found.recovered, found.told_small) == (1, {}, [])
    assert attack_extracts([Extract({cell(): None})]).told_small == [cell()]
    assert attack_extracts([Extract({cell(): None}, smallest=2)]).recovered == {cell(): 1}


SHARES: dict[str, dict[Cell, int | None]] = {
    "rape": {
        cell(group="sexual_offences", measure="recorded"): 63,
        cell(group="sexual_offences", measure="missed"): 32,
        cell(group="sexual_offences", part="rape"): 5,
        cell(group="sexual_offences", part="rape", measure="recorded"): None,
        cell(group="sexual_offences", part="rape", measure="missed"): None,
    },
    "missed": {
        cell(measure="missed"): 5,
        cell(measure="unrecorded"): None,
        cell(measure="wrongly_cancelled"): None,
    },
    "bands": {
        cell(measure="recorded"): 45,
        cell(part="within_24_hours", measure="recorded"): 40,
        cell(part="later", measure="recorded"): None,
        cell(part="unknown", measure="recorded"): None,
    },
}


@pytest.mark.parametrize("name", SHARES)
def test_where_0_is_shown_two_parts_of_5_are_known_to_be_small(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 and 0 would both be shown, so it is 1 and 4 or 2 and 3; not so if 0 is withheld too."""
    extract = Extract(SHARES[name])
    assert attack_extracts([extract]).told_small == []
    monkeypatch.setattr(Cell, "hides_zero", False)
    assert len(attack_extracts([extract]).told_small) == 2


def test_of_counts_that_hang_together_any_may_be_the_small_one() -> None:
    """By hand: 1 to 4 of A and 30 to 33 of B, or the other way round."""
    found = attack_extracts([grid([[None, 20, None], [None, 40, None], [34, 60, 94]])])
    assert (len(found.withheld), found.told_small) == (4, [])


def test_figures_that_no_rule_explains_are_solved_all_the_same() -> None:
    """A lone count of 7 was not withheld for a small one."""
    found = attack_extracts([grid([[None, 20, 27], [30, 40, 70], [37, 60, 97]])])
    assert found.recovered == {cell(district="A", group="1"): 7}


def test_where_all_is_shown_there_is_nothing_to_find() -> None:
    assert attack_extracts([grid([[7, 20, 27], [30, 40, 70], [37, 60, 97]])]).withheld == []


def test_two_releases_are_laid_beside_each_other() -> None:
    older = grid([[None, None, 23], [None, None, 70], [33, 60, 93]])
    newer = grid([[3, None, 23], [None, None, 70], [33, 60, 93]])
    assert attack_extracts([older]).recovered == {}
    found = attack_extracts([older, newer])
    assert found.recovered[cell(district="A", group="1")] == 3
    assert found.recovered[cell(district="B", group="2")] == 40
    assert count_differences(older, newer)["shown_in_one"] == 1
    assert count_differences(older, older) == {
        "counts_in_both": 9,
        "shown_in_one": 0,
        "changed": 0,
        "changed_by_a_small_count": 0,
    }


def test_a_later_release_that_moves_a_total_by_one_is_noticed() -> None:
    older, newer = (grid([[None, None, 23 + by], [9, 9, 18], [33, 60, 93]]) for by in (0, 1))
    assert count_differences(older, newer)["changed_by_a_small_count"] == 1


def test_figures_that_contradict_each_other_are_no_extract() -> None:
    with pytest.raises(CdiError, match="ATTACK-CONTRADICTION"):
        attack_extracts([grid([[None, None, 23], [None, None, 70], [33, 60, 200]])])
    with pytest.raises(CdiError, match="ATTACK-CONTRADICTION"):
        attack_extracts([grid([[None, None, 23], [None, None, 80], [33, 60, 93]])])


def test_the_figures_count_places_not_measures() -> None:
    shown: dict[Cell, int | None] = {
        cell("2017-01", "A", "theft", measure=measure): 9 for measure in ("due", "recorded")
    }
    figures = attack_extracts([Extract(shown | {cell(): None})]).figures()
    assert (figures["cells"], figures["counts"], figures["suppressed"]) == (1, 3, 1)


def test_a_force_that_was_never_audited_releases_nothing_to_attack(state: Path) -> None:
    scenario = write_never_audited(state, "calibrated_2017")
    refused = pytest.raises(CdiError, match=r"ATTACK-NEVER-AUDITED.*no quarter")
    with Variant(str(scenario), 15, 1).selected(), refused:
        rehearse_attack(lambda _: None, lambda *_: None)
    assert not (state / "attack").exists()
