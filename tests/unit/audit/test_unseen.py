"""A domain whose predicted crimes were all drawn is not known for that: there may be others."""

import numpy as np
import pytest

from cdi.audit.design import Options, draw_sample, stratify_frame
from cdi.audit.estimators import fit_coefficients
from cdi.audit.intervals import domain_limits
from cdi.audit.rates import (
    Assistance,
    Domain,
    bound_unseen,
    estimate_domain_rate,
    limit_domain,
    list_domains,
)
from tests.audit import Force


@pytest.fixture(scope="module")
def force() -> Force:
    return Force(4000, 3)


def theft_of(force: Force) -> Domain:
    (domain,) = (domain for domain in list_domains(force.frame) if domain.name == "theft")
    return domain


def test_the_bound_is_three_crimes_over_the_share_that_was_drawn(force: Force) -> None:
    """Counted by hand: each log outside weighs as its chance of a missed crime does."""
    strata = stratify_frame(force.frame, Options(400))
    by, theft = Assistance.of(force.frame, strata), theft_of(force)
    drawn = draw_sample(strata, 1)
    nothing = np.zeros(400)
    inside = set(force.frame.crimes["position"].to_pylist())
    thefts = {
        row["position"] for row in force.frame.crimes.to_pylist()
        if row["offence_group"] == "theft"
    }  # fmt: skip
    assert thefts < inside
    of_all = of_drawn = 0.0
    for log in range(4000):
        if log not in thefts:
            chance = max(0.01, by.force[log, 2])
            stratum = strata.of_log[log]
            of_all += chance
            of_drawn += chance * strata.audited[stratum] / strata.population[stratum]
    expected = 3 / (of_drawn / of_all)
    assert bound_unseen(theft, drawn, nothing, nothing, by) == pytest.approx(expected)
    assert 3 < expected < 100


def test_a_missed_crime_that_was_seen_outside_is_in_the_variance(force: Force) -> None:
    strata = stratify_frame(force.frame, Options(400))
    by, theft = Assistance.of(force.frame, strata), theft_of(force)
    drawn = draw_sample(strata, 1)
    place = np.flatnonzero(theft.known[drawn, 1] == 0)[0]
    y, m = np.zeros(400), np.zeros(400)
    m[place] = 1
    assert bound_unseen(theft, drawn, y, m, by) == 0
    y[place] = 1  # a recorded one is no missed one
    assert bound_unseen(theft, drawn, y, m, by) > 0
    both = bound_unseen(theft, np.stack([drawn, drawn]), np.stack([y, 0 * y]), np.stack([m, m]), by)
    assert both[0] > 0
    assert both[1] == 0


def test_outside_a_districts_predicted_crimes_are_its_own_other_logs_alone(force: Force) -> None:
    """Counted by hand as above."""
    strata = stratify_frame(force.frame, Options(400))
    by = Assistance.of(force.frame, strata)
    drawn = draw_sample(strata, 1)
    nothing = np.zeros(400)
    districts = [domain for domain in list_domains(force.frame) if domain.logs is not None]
    assert districts
    for district in districts:
        of_all = of_drawn = 0.0
        for log, name in enumerate(force.frame.logs["district"].to_pylist()):
            if f"district {name}" == district.name and by.force[log, 1] == 0:
                stratum = strata.of_log[log]
                chance = max(0.01, by.force[log, 2])
                of_all += chance
                of_drawn += chance * strata.audited[stratum] / strata.population[stratum]
        assert 0 < of_drawn < of_all
        bound = bound_unseen(district, drawn, nothing, nothing, by)
        assert bound == pytest.approx(3 / (of_drawn / of_all))


def test_the_lower_limit_leaves_room_for_what_was_not_seen_and_may_withhold(force: Force) -> None:
    strata = stratify_frame(force.frame, Options(400))
    by, theft = Assistance.of(force.frame, strata), theft_of(force)
    drawn = draw_sample(strata, 1)
    is_theft = force.group[drawn] == "theft"
    y, m = force.recorded[drawn] * is_theft * 1.0, force.due[drawn] * is_theft * 1.0
    whole = fit_coefficients(
        by.design, force.recorded[drawn] * 1.0, force.due[drawn] * 1.0, by.whole(drawn)
    )
    estimate = estimate_domain_rate(theft, drawn, y, m, by, whole)
    plain = domain_limits(estimate)
    (low, high), reliability = limit_domain(estimate, theft, np.float64(0))
    assert (low, high) == pytest.approx(plain)
    assert not reliability.is_withheld
    recorded, rate = theft.known[:, 0].sum(), float(estimate.rate)
    (low, high), _ = limit_domain(estimate, theft, np.float64(200))
    assert low == pytest.approx(recorded / (recorded / rate + 200))
    assert high == pytest.approx(plain[1])
    _, reliability = limit_domain(estimate, theft, np.float64(recorded))
    assert reliability.is_withheld  # half of the crimes may be unseen
