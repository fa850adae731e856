"""Which domain has a rate, and by which estimate: limits that were fixed before the draw."""

import numpy as np
import pytest

from cdi.audit.design import Options, Strata, draw_sample, stratify_frame
from cdi.audit.estimators import fit_coefficients
from cdi.audit.rates import (
    FORCE,
    UNPLANNED,
    Assistance,
    Domain,
    audit_figures,
    estimate_domain_rate,
    list_domains,
)
from tests.audit import Force


def planned(recorded: int, missed: float) -> bool:
    """Whether a domain is planned, of which one of two strata has some crimes recorded.

    Of the first stratum half of the 100 logs are drawn, of the second a quarter, in each of which
    some crimes are expected to be missed.
    """
    strata = Strata(np.repeat([0, 1], 100), np.array([100, 100]), np.array([50, 25]))
    known = np.zeros((200, 3))
    known[:recorded, 0] = 1
    known[:, 1] = 9  # what the version counts as due is no forecast of what auditors will find
    known[100:, 2] = missed
    nothing = np.zeros(200)
    by = Assistance(strata.design, known, nothing, strata, nothing == 0)
    return by.is_planned(Domain("theft", known, nothing))


def test_a_domain_is_planned_from_forty_crimes_on_that_the_audit_is_expected_to_find() -> None:
    """By hand: half of 55 recorded ones are 27.5, a quarter of 100 times 0.5 missed ones 12.5."""
    assert planned(55, 0.5)
    assert not planned(54, 0.5)
    assert not planned(55, 0.49)
    assert planned(80, 0)
    assert not planned(79, 0)


def test_a_domain_that_the_plan_left_too_small_has_no_rate_however_many_were_found() -> None:
    force = Force(4000, 3)
    strata = stratify_frame(force.frame, Options(700))
    by, drawn = Assistance.of(force.frame, strata), draw_sample(strata, 1)
    (theft,) = (domain for domain in list_domains(force.frame) if domain.name == "theft")
    small = Domain("small", theft.known / 20, theft.share)
    y, m = force.recorded[drawn] * 1.0, force.due[drawn] * 1.0
    is_theft = force.group[drawn] == "theft"
    found = {FORCE: (y, m), "theft": (y * is_theft, m * is_theft)}
    found["small"] = found["theft"]
    _, large_row, small_row = audit_figures(drawn, found, by, [theft, small], None)
    assert large_row["withheld_reason"] is None
    assert small_row["withheld_reason"] == UNPLANNED
    assert small_row["audited_crimes"] == large_row["audited_crimes"] > 100
    assert small_row["recording_rate"] is small_row["lower_limit"] is None


@pytest.mark.parametrize(("crimes", "is_assisted"), [(29, False), (30, True)])
def test_predictions_assist_a_domain_from_thirty_audited_crimes_on(
    crimes: int, *, is_assisted: bool
) -> None:
    """Below, they were measured to make intervals too short (docs/estimation.md)."""
    force = Force(4000, 3)
    strata = stratify_frame(force.frame, Options(700))
    by, drawn = Assistance.of(force.frame, strata), draw_sample(strata, 1)
    (theft,) = (domain for domain in list_domains(force.frame) if domain.name == "theft")
    y, m = force.recorded[drawn] * 1.0, force.due[drawn] * 1.0
    whole = fit_coefficients(by.design, y, m, by.whole(drawn))
    # a few thefts, spread over the strata
    chosen = np.random.default_rng(1).permutation(
        np.flatnonzero((force.group[drawn] == "theft") & (m > 0))
    )
    is_chosen = np.isin(np.arange(len(drawn)), chosen[:crimes])
    estimate = estimate_domain_rate(theft, drawn, y * is_chosen, m * is_chosen, by, whole)
    assert estimate.crimes == crimes
    assert bool(estimate.is_assisted) is is_assisted
