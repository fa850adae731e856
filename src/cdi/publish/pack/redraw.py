"""Draw a sample again from its seed, as numpy draws it: PCG64, and choice without replacement.

The sample was drawn by ``numpy.random.default_rng(seed).choice(...)``. This is the same in plain
Python, so that nobody needs numpy, or the same version of it, to draw the sample again.
"""

from collections.abc import Callable, Iterator


def draw_again(seed: int, strata: list[int], audited: list[int]) -> list[int]:
    """Draw a simple random sample of each stratum, one stratum after the other.

    Args:
        seed: Of the random numbers.
        strata: The stratum of each log of the frame.
        audited: How many logs are drawn of each stratum.
    """
    numbers = random_numbers(seed)
    drawn: list[int] = []
    for stratum, size in enumerate(audited):
        members = [position for position, of_log in enumerate(strata) if of_log == stratum]
        drawn += [members[place] for place in choose(numbers, len(members), size)]
    return drawn


def choose(numbers: Iterator[int], population: int, size: int) -> list[int]:
    """Choose places without replacement, as ``numpy.random.Generator.choice`` does unshuffled."""
    if population > 10_000 and size > population // 20:  # the end of a shuffled list
        places = list(range(population))
        for end in range(population - 1, max(population - size, 1) - 1, -1):
            other = below(numbers, end)
            places[end], places[other] = places[other], places[end]
        return places[population - size :]
    chosen: dict[int, None] = {}  # Floyd's algorithm
    for end in range(population - size, population):
        place = below(numbers, end)
        chosen[end if place in chosen else place] = None
    return list(chosen)


def below(numbers: Iterator[int], most: int) -> int:
    """Give a random whole number from 0 to a largest one, by Lemire's method."""
    if most == 0:
        return 0
    count = most + 1
    product = next(numbers) * count
    while product % 2**32 < 2**32 % count:
        product = next(numbers) * count
    return product >> 32


def random_numbers(seed: int) -> Iterator[int]:
    """Give the 32-bit random numbers of numpy's PCG64 for a seed (O'Neill 2014)."""
    state, increment = (high << 64 | low for high, low in seed_words(seed))
    multiplier, mask = 0x2360ED051FC65DA44385DF649FCCF645, 2**128 - 1
    increment = (increment << 1 | 1) & mask
    state = ((increment + state) * multiplier + increment) & mask
    while True:
        state = (state * multiplier + increment) & mask
        folded, turn = (state >> 64) ^ (state & 2**64 - 1), state >> 122
        output = (folded >> turn | folded << (64 - turn)) & 2**64 - 1
        yield output & 2**32 - 1
        yield output >> 32


def seed_words(seed: int) -> list[tuple[int, int]]:
    """Spread a seed over four 64-bit words, as ``numpy.random.SeedSequence`` does."""
    mask = 2**32 - 1
    words = [seed >> shift & mask for shift in range(0, max(seed.bit_length(), 1), 32)]

    def make_hash(start: int, multiplier: int) -> Callable[[int], int]:
        constant = start

        def hash_word(value: int) -> int:
            nonlocal constant
            value ^= constant
            constant = constant * multiplier & mask
            value = value * constant & mask
            return value ^ value >> 16

        return hash_word

    hash_in = make_hash(0x43B0D7E5, 0x931E8875)
    pool = [hash_in(word) for word in [*words, 0, 0, 0, 0][:4]]
    pairs = [(source, target) for source in range(4) for target in range(4) if source != target]
    for source, target in pairs:
        mixed = pool[target] * 0xCA01F9DD - hash_in(pool[source]) * 0x4973F715 & mask
        pool[target] = mixed ^ mixed >> 16
    hash_out = make_hash(0x8B51F9DD, 0x58F38DED)
    low_first = [hash_out(pool[place % 4]) for place in range(8)]
    longs = [low | high << 32 for low, high in zip(low_first[::2], low_first[1::2], strict=True)]
    return [(longs[0], longs[1]), (longs[2], longs[3])]
