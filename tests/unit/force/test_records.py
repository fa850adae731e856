"""Numbers of crime records."""

import time
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cdi_force.clock import DAY, Clock
from cdi_force.records import number_records
from cdi_force.year import Year

LONDON = ZoneInfo("Europe/London")


@pytest.fixture
def new_york() -> Iterator[None]:
    """A machine whose own clock is five hours behind the force's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_the_time_zone_of_the_machine_does_not_change_a_number(new_york: None) -> None:
    """The first year goes on at 41,208, as the force counts years, and the next begins at 208."""
    start, end = (datetime(year, 1, 1, tzinfo=LONDON) for year in (2017, 2018))
    clock = Clock.of(LONDON, start, end)
    recorded = np.array([clock.start + DAY, clock.start + 2 * DAY, clock.end + DAY])
    year = cast(
        Year,
        SimpleNamespace(
            clock=clock,
            records={"recorded": recorded, "crime": np.array([0, -1, 1])},
            crimes={"offence": np.zeros(2)},
        ),
    )
    number_records(year)
    assert year.records["number"].tolist() == [170_041_208, 170_041_209, 180_000_208]
    assert year.crimes["record"].tolist() == [0, 2]
