"""The sample is drawn again in plain Python as numpy drew it."""

import importlib.util
import random
from itertools import islice
from types import ModuleType

import numpy as np
import pytest

from cdi.publish.audit_pack_files import SHIPPED


@pytest.fixture(scope="module")
def redraw() -> ModuleType:
    """The module of the pack, which is in no package."""
    spec = importlib.util.spec_from_file_location("redraw", SHIPPED / "redraw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32, 2**40 + 7, 2**63 - 1])
def test_a_seed_gives_the_numbers_of_numpy(redraw: ModuleType, seed: int) -> None:
    halves = list(islice(redraw.random_numbers(seed), 20))
    wholes = [low | high << 32 for low, high in zip(halves[::2], halves[1::2], strict=True)]
    assert wholes == np.random.PCG64(seed).random_raw(10).tolist()


# numpy chooses in another way where many are drawn of more than 10,000
@pytest.mark.parametrize("sizes", [(1, 8, 50, 3_000), (12_000, 30_000)], ids=["few", "many"])
def test_a_sample_is_that_of_numpy(redraw: ModuleType, sizes: tuple[int, ...]) -> None:
    chance = random.Random(1)  # noqa: S311  it chooses cases
    for seed in range(6):
        strata = [stratum for stratum, size in enumerate(sizes) for _ in range(size)]
        chance.shuffle(strata)
        audited = [chance.randint(1, min(size, chance.choice([5, size]))) for size in sizes]
        numbers = np.random.default_rng(seed)
        wanted = [
            numbers.choice(np.flatnonzero(np.array(strata) == n), k, replace=False, shuffle=False)
            for n, k in enumerate(audited)
        ]
        assert redraw.draw_again(seed, strata, audited) == np.concatenate(wanted).tolist()
