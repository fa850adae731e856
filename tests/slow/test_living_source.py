"""A live source that changes at random, night by night around both changes of the clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest

from cdi_force.database import Server
from tests.conftest import SmallAgency
from tests.postgres import Systems, land, postgres_or_skip, read_by_sql, standing, truth


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_or_skip("timezone=America/New_York") as started:
        yield started


@pytest.mark.parametrize("moment", ["timestamp", "timestamptz"])
def test_a_life_of_random_changes_is_followed_night_by_night(
    server: Server, small: SmallAgency, moment: str
) -> None:
    """Inserts, late ones too, updates, deletions and moves around both changes of the clock."""
    read_by_sql(small, calls=8)
    systems = Systems.create(server, "testville", moment)
    draw = np.random.default_rng(20260329)
    numbers = 0
    checked = 0
    try:
        for start in ("2026-03-24", "2026-10-20"):
            first = datetime.fromisoformat(start)
            for night in range(1, 11):
                end = first + timedelta(days=night)
                for _ in range(int(draw.integers(10, 16))):
                    numbers += 1
                    minutes = draw.integers(120, 1440 * draw.choice([1, 1, 1, 4]))
                    back = timedelta(minutes=int(minutes))
                    # no time that the clock skips or has twice, as a local time cannot tell those
                    received = max(end - back, first).replace(minute=int(draw.integers(60)))
                    if received.hour == 1 and received.month in (3, 10):
                        received += timedelta(hours=5)
                    zone = "+00" if moment == "timestamptz" else ""
                    systems.add_call(f"T-{numbers:04}", f"{received}{zone}")
                change(systems, draw, end)
                systems.set_clock(f"{end:%Y-%m-%d} 00:00+00")
                day = f"{end - timedelta(days=1):%Y-%m-%d}"
                land(small, systems, day, f"{end:%Y-%m-%d}")
                if night in (3, 6, 10):
                    expected = truth(systems)
                    assert standing(small) == expected
                    checked += len(expected)
    finally:
        systems.close()
    assert checked > 200


def change(systems: Systems, draw: np.random.Generator, end: datetime) -> None:
    """Change, move and delete some calls of the last days, without a trace."""
    since = f"{end - timedelta(days=6):%Y-%m-%d}"
    recent = [
        number for (number,) in systems.run("select number from calls where received > %s", since)
    ]
    changed, moved, deleted = (
        list(map(str, draw.permutation(recent)[:count])) for count in (3, len(recent) // 60, 1)
    )
    for number in changed:
        systems.run("update calls set closure = 'DUP' where number = %s", number)
    for number in moved:
        systems.run(
            "update calls set received = received - interval '1 hour' where number = %s "
            "and extract(hour from received) > 6",
            number,
        )
    for number in deleted:
        systems.run("delete from calls where number = %s", number)
