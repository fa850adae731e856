"""Which words are read as another one: by edit distance, worked out anew."""

import random
import string

import numpy as np

from cdi.learning.ngrams import Texts
from cdi.learning.spelling import correct_words
from tests.unit.landing.test_variants import typing_errors

KNOWN = {"kicked", "shaken", "thumped", "neighbour", "bike", "attd", "pub"}


def test_a_word_a_typing_error_away_from_a_known_one_is_read_as_that_one() -> None:
    mistyped = ["kciked", "kiked", "kickked", "kixked", "shaen", "neighbuor", "bikke"]
    meant = ["kicked", "kicked", "kicked", "kicked", "shaken", "neighbour", "bike"]
    assert correct_words(mistyped, KNOWN) == meant


def test_a_known_a_short_and_a_strange_word_stay_and_so_does_a_number() -> None:
    words = ["attd", "pubs", "pob", "kkcdk", "thumpedd8", "12345", "kick'd", "fence"]
    assert correct_words(words, KNOWN | {"12344"}) == ["attd", "pubs", *words[2:]]


def test_a_word_is_read_as_another_one_exactly_if_they_are_a_typing_error_apart() -> None:
    """A letter that moved further is one error here and two by Damerau, so two are allowed."""
    rng = random.Random(7)  # noqa: S311 - no secret
    long_words = sorted(word for word in KNOWN if len(word) >= 4)
    changed = 0
    for _ in range(3_000):
        letters = list(rng.choice(long_words))
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(letters))
            letters[place : place + rng.randint(0, 1)] = rng.choice(string.ascii_lowercase)
        word = "".join(letters)
        (read,) = correct_words([word], KNOWN)
        if read != word:
            changed += 1
            assert typing_errors(word, read) <= 2
        elif len(word) >= 4 and word not in KNOWN:
            assert min(typing_errors(word, known) for known in long_words) > 1
    assert 500 < changed < 3_000


def test_a_mistyped_word_counts_as_the_word_in_what_is_learnt_and_in_what_is_read() -> None:
    texts = Texts(["he kicked her"] * 10 + ["he kciked her"])
    assert "kicked her" in texts.vocabulary
    assert not any("kciked" in ngram for ngram in texts.vocabulary)
    read = Texts(["he kicked her", "he kixked her"], texts.vocabulary)
    counts = read.sum_by_ngram(np.ones(2))
    assert counts[texts.vocabulary.index("he kicked her")] == 2
