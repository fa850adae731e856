"""Cancellations that break a rule, and by what."""

from types import SimpleNamespace
from typing import cast

import numpy as np

from cdi_force.clock import DAY
from cdi_force.details import _draw_cancellations
from cdi_force.year import RECORDED, WRONGLY_CANCELLED, Year


def test_a_wrong_transfer_never_fails_by_who_decided() -> None:
    """CRR p25-26: only C2 to C5 need somebody independent, so a transfer fails by what it lacks."""
    n = 4000
    offence = SimpleNamespace(offence_class="30C", is_rape=False)
    records = {"log": np.arange(n), "number": np.arange(n), "recorded": np.arange(n) * DAY}
    year = cast(
        Year,
        SimpleNamespace(
            records=records, scenario=SimpleNamespace(settings=SimpleNamespace(offences=[offence]))
        ),
    )
    fate = np.where(np.arange(n) % 2, WRONGLY_CANCELLED, RECORDED)
    crime_of_record = {"fate": fate, "offence": np.zeros(n, np.int64)}
    _draw_cancellations(year, np.random.default_rng(1), crime_of_record, np.ones(n, np.bool_))
    is_flawed = (records["cancel_code"] == 1) & (records["flaw"] > 0)
    assert is_flawed.sum() > 50
    is_told = records["told"] < records["cancelled"]
    has_reference = records["other_force"] >= 0
    assert not (is_flawed & is_told & has_reference).any()
