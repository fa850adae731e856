"""How much memory a build takes by default: what docs/runbook.md says."""

import pytest

from cdi.build.dbt import choose_memory_limit


@pytest.mark.parametrize(
    ("landed_bytes", "limit"),
    [(0, "350MB"), (140_000_000, "350MB"), (200_000_000, "500MB"), (5_000_000_000, "3000MB")],
)
def test_a_build_takes_two_and_a_half_times_its_landed_files_within_bounds(
    landed_bytes: int, limit: str
) -> None:
    assert choose_memory_limit(landed_bytes) == limit
