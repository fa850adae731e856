"""Strata, allocation, the draw, and what a precision costs."""

import numpy as np
import pytest

from cdi.audit import design
from cdi.audit.design import Options, draw_sample, plan_logs, stratify_frame
from cdi.audit.rates import Assistance, estimate_force_rate
from cdi.errors import AuditError
from tests.audit import Force


@pytest.fixture(scope="module")
def force() -> Force:
    return Force()


def test_the_strata_hold_every_log_and_the_audit_adds_up(force: Force) -> None:
    strata = stratify_frame(force.frame, Options(400))
    assert strata.population.sum() == 3000
    assert strata.audited.sum() == 400
    assert (strata.audited <= strata.population).all()
    assert (strata.audited >= np.minimum(strata.population, design.LEAST_PER_STRATUM)).all()
    assert strata.probability.sum() == pytest.approx(400)


def test_uncertain_logs_are_drawn_more_often(force: Force) -> None:
    strata = stratify_frame(force.frame, Options(400, oversampled={}))
    order = np.argsort(force.frame.column("variance"))
    assert strata.probability[order[-300:]].mean() > 1.5 * strata.probability[order[:300]].mean()


def test_named_domains_are_oversampled(force: Force) -> None:
    plain = stratify_frame(force.frame, Options(400, oversampled={}))
    more = stratify_frame(force.frame, Options(400, oversampled={"is_rape": 3.0}))
    is_rape = force.frame.has("is_rape")
    assert 20 < is_rape.sum() < 300
    assert more.probability[is_rape].sum() > 1.7 * plain.probability[is_rape].sum()


def test_logs_that_nobody_suspects_have_their_share(force: Force) -> None:
    is_flagged = force.frame.is_flagged
    assert 100 < is_flagged.sum() < 1500
    # predictions that see no risk but where they suspect something
    sure = force.frame.logs.set_column(
        force.frame.logs.column_names.index("variance"),
        "variance",
        [np.where(is_flagged, 0.25, 1e-9)],
    )
    frame = type(force.frame)(sure, force.frame.crimes)
    for share in (0.3, 0.5):
        options = Options(400, unflagged=share, oversampled={})
        strata = stratify_frame(frame, options)
        assert strata.probability[~is_flagged].sum() == pytest.approx(400 * share, abs=3)


def test_the_same_seed_draws_the_same_logs_and_another_other_ones(force: Force) -> None:
    strata = stratify_frame(force.frame, Options(400))
    first, again, other = (draw_sample(strata, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert len(np.intersect1d(first, other)) < 200
    assert len(np.unique(first)) == 400
    drawn = np.bincount(strata.of_log[first])
    assert (drawn == strata.audited).all()
    assert (strata.of_log[first] == strata.design.stratum).all()


def test_each_log_is_drawn_with_its_inclusion_probability(force: Force) -> None:
    strata = stratify_frame(force.frame, Options(400))
    hits = np.zeros(3000)
    for seed in range(600):
        hits[draw_sample(strata, seed)] += 1
    error = np.sqrt(strata.probability * (1 - strata.probability) / 600)
    z = (hits / 600 - strata.probability) / np.where(error > 0, error, 1)
    assert np.abs(z).max() < 5
    assert z.std() == pytest.approx(1, abs=0.1)


def test_an_audit_too_small_for_its_strata_is_refused(force: Force) -> None:
    for logs in (20, 4000):
        with pytest.raises(AuditError, match="AUDIT-SIZE"):
            stratify_frame(force.frame, Options(logs))


def test_what_the_plan_promises_is_what_an_audit_gives(force: Force) -> None:
    """Planned for +/- 2 points: the estimates of 300 audits scatter by as much."""
    logs = plan_logs(force.frame, Options(0), points=2.0)
    assert 160 < logs < 1500
    strata = stratify_frame(force.frame, Options(logs))
    by = Assistance.of(force.frame, strata)
    drawn = np.stack([draw_sample(strata, seed) for seed in range(300)])
    y, m = force.recorded[drawn].astype(float), force.due[drawn].astype(float)
    estimate = estimate_force_rate(drawn, y, m, by)
    assert 1.8 < 196 * estimate.rate.std() < 2.3
    truth = force.recorded.sum() / force.due.sum()
    assert estimate.rate.mean() == pytest.approx(truth, abs=0.002)


def test_a_domain_and_a_finer_wish_cost_more_logs(force: Force) -> None:
    south = np.asarray(force.frame.logs["district"]) == "SOUTH"
    whole, half = (
        plan_logs(force.frame, Options(0), points=3.0, share=share) for share in (None, south)
    )
    finer = plan_logs(force.frame, Options(0), points=1.5)
    assert whole < half < finer < 3000
    assert plan_logs(force.frame, Options(0), points=0.0) == 3000  # certainty: all of them
