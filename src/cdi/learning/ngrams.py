"""How an agency's own people put things: weights of words, pairs and triples of neighbours.

Learnt from codes, over all logs, read or not: which words stand in logs that were opened under a
crime type, or closed in a certain way. A thing is told in one breath, often among much else, so a
text is read by the run of words that speaks most strongly for it. Learning goes to and fro between
the two: which run of each text is the strongest, and which words tell those of one kind of log
from those of another (multiple-instance learning).

Weights are whole numbers, so a sum is the same in whatever company a text is read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

WORD = re.compile(r"[a-z&']+|[0-9]+")
ORDERS = (1, 2, 3)  # words, pairs, triples
MIN_LOGS = 10  # that say a word, pair or triple, before it counts
ROUNDS = 4
PENALTY = 3.0  # inverse strength of the regularisation
SCALE = 1024  # weights per unit of log odds
SILENT = -9.0  # log odds of a text without words


class Texts:
    """Texts cut into entries (" / "), entries into words, each run known by what it says.

    Attributes:
        count: Number of texts.
        vocabulary: What the words, pairs and triples are, by number.
    """

    def __init__(self, texts: Sequence[str], vocabulary: Sequence[str] | None = None) -> None:
        """Cut the texts.

        Args:
            texts: In lower case.
            vocabulary: To read by; default: what enough of these texts say.
        """
        self.count = len(texts)
        places: dict[str, int] = {}
        said = [
            [places.setdefault(entry, len(places)) for entry in text.split(" / ")] if text else []
            for text in texts
        ]
        # each distinct entry is read once
        self._ends = np.cumsum([len(entries) for entries in said], dtype=np.int64)
        self._entry = np.array([entry for entries in said for entry in entries], np.int64)
        self._text = np.repeat(np.arange(self.count), [len(entries) for entries in said])
        words = [WORD.findall(entry) for entry in places]
        lengths = np.array([len(some) for some in words], np.int64)
        self._last = np.cumsum(lengths)  # of each entry, the place after its last word
        self._first = self._last - lengths
        self._of = np.repeat(np.arange(len(words)), lengths)  # the entry of each word
        flat = [word for some in words for word in some]
        if vocabulary is None:
            vocabulary = list(self._said_often(flat))
        self.vocabulary = list(vocabulary)
        self._grams = self._numbers(flat)

    def _said_often(self, flat: list[str]) -> Iterator[str]:
        """Words, pairs and triples that stand in enough logs, each order in turn."""
        logs = np.bincount(self._entry, minlength=len(self._first))
        for order in ORDERS:
            counts: dict[str, int] = {}
            for place in range(len(flat) - order + 1):
                if self._of[place] == self._of[place + order - 1]:
                    gram = " ".join(flat[place : place + order])
                    counts[gram] = counts.get(gram, 0) + int(logs[self._of[place]])
            yield from sorted(gram for gram, count in counts.items() if count >= MIN_LOGS)

    def _numbers(self, flat: list[str]) -> list[Ints]:
        """For each order the number of the word, pair or triple that starts at each place."""
        number = {gram: place for place, gram in enumerate(self.vocabulary)}
        found = []
        for order in ORDERS:
            grams = np.full(len(flat), -1, np.int64)
            for place in range(len(flat) - order + 1):
                if self._of[place] == self._of[place + order - 1]:
                    grams[place] = number.get(" ".join(flat[place : place + order]), -1)
            found.append(grams)
        return found

    def words(self) -> Ints:
        """Number of words of each text."""
        lengths = (self._last - self._first)[self._entry]
        return np.bincount(self._text, lengths, minlength=self.count).astype(np.int64)

    def entries(self) -> Ints:
        """Number of entries of each text."""
        return np.bincount(self._text, minlength=self.count)

    def per_gram(self, values: Floats) -> Floats:
        """Sum, over all that the texts say, of a value of each text."""
        of_entry = np.bincount(self._entry, values[self._text], minlength=len(self._first))
        total = np.zeros(len(self.vocabulary))
        for grams in self._grams:
            known = grams >= 0
            total += np.bincount(
                grams[known], of_entry[self._of[known]], minlength=len(self.vocabulary)
            )
        return total

    def runs(self, weights: Ints, length: int) -> "Runs":
        """Read every run of so many words by these weights."""
        places = np.arange(len(self._of))
        stop = np.minimum(places + length, self._last[self._of])
        total = np.zeros(len(places), np.int64)
        for order, grams in zip(ORDERS, self._grams, strict=True):
            known = np.append(weights, 0)[grams]  # -1, unknown, weighs nothing
            sums = np.r_[0, np.cumsum(known)]
            total += sums[np.maximum(stop - order + 1, places)] - sums[places]
        # a run is whole, or an entry shorter than that
        is_run = (stop - places == length) | (places == self._first[self._of])
        nothing = np.iinfo(np.int64).min
        total = np.where(is_run, total, nothing)
        best = np.full(len(self._first), nothing)
        np.maximum.at(best, self._of, total)
        at = self._first_where(total == best[self._of], self._of, len(best))
        apart = is_run & (np.abs(places - at[self._of]) >= length)
        next_best = np.full(len(best), nothing)
        np.maximum.at(next_best, self._of, np.where(apart, total, nothing))
        next_at = self._first_where(apart & (total == next_best[self._of]), self._of, len(best))
        return self._of_texts(best, next_best, at, next_at, nothing)

    def _of_texts(
        self, best: Ints, next_best: Ints, at: Ints, next_at: Ints, nothing: int
    ) -> "Runs":
        told = best[self._entry]
        strongest = np.full(self.count, nothing)
        np.maximum.at(strongest, self._text, told)
        chosen = self._first_where(told == strongest[self._text], self._text, self.count)
        own = chosen[chosen >= 0]
        others, starts = told.copy(), at[self._entry]
        others[own], starts[own] = next_best[self._entry[own]], next_at[self._entry[own]]
        second = np.full(self.count, nothing)
        np.maximum.at(second, self._text, others)
        is_second = (others == second[self._text]) & (others > nothing)
        follows = self._first_where(is_second, self._text, self.count)
        second_place = np.where(follows >= 0, np.append(starts, -1)[follows], -1)
        spoken = strongest > nothing
        entry = self._entry[chosen[spoken]]
        beside, width = np.full(self.count, nothing), np.zeros(self.count, np.int64)
        beside[spoken] = next_best[entry]
        width[spoken] = (self._last - self._first)[entry]
        opening = np.full(self.count, nothing)
        has_entry = np.diff(np.r_[0, self._ends]) > 0
        opening[has_entry] = told[np.r_[0, self._ends[:-1]][has_entry]]

        def odds(value: Ints) -> Floats:
            return np.where(value == nothing, np.nan, value / SCALE)

        place = np.full(self.count, -1, np.int64)
        place[spoken] = at[entry]
        return Runs(
            odds(strongest), odds(second), odds(beside), odds(opening), width, place, second_place
        )

    @staticmethod
    def _first_where(is_hit: NDArray[np.bool_], group: Ints, groups: int) -> Ints:
        """The first place of each group that is hit; -1 if none."""
        found = np.full(groups, -1, np.int64)
        hits = np.flatnonzero(is_hit)[::-1]
        found[group[hits]] = hits
        return found

    def said_in(self, place: Ints, length: int) -> tuple[Ints, Ints]:
        """What stands in the runs that start at some places.

        Returns:
            Row (of `place`) and number in the vocabulary, each pair once.
        """
        stop = np.minimum(place + length, self._last[self._of[place]])
        rows, columns = [], []
        for order, grams in zip(ORDERS, self._grams, strict=True):
            for step in range(length - order + 1):
                row = np.flatnonzero(place + step + order <= stop)
                gram = grams[place[row] + step]
                rows.append(row[gram >= 0])
                columns.append(gram[gram >= 0])
        size = max(1, len(self.vocabulary))
        pairs = np.unique(np.concatenate(rows) * size + np.concatenate(columns))
        return pairs // size, pairs % size


@dataclass(frozen=True)
class Runs:
    """The strongest run of each text; log odds but for a constant, nan for a text without words.

    Attributes:
        best: Of all runs.
        second: Of the runs apart from that one.
        beside: Of these, in the same entry: a second crime is often told in one breath.
        opening: Of the first entry's runs.
        width: Words of the best one's entry.
        place: Where the best one starts; -1 without words.
        second_place: Where the second one starts; -1 without one.
    """

    best: Floats
    second: Floats
    beside: Floats
    opening: Floats
    width: Ints
    place: Ints
    second_place: Ints


def learn_ngram_weights(texts: Texts, is_case: NDArray[np.bool_], length: int) -> Ints:
    """Weights by which the runs of one kind of log stand out.

    Args:
        texts: Of many logs.
        is_case: Which logs are of that kind.
        length: Words of a run.

    Returns:
        One weight per member of the vocabulary; zeros if all logs are of one kind.
    """
    from scipy.sparse import csr_matrix, vstack
    from sklearn.linear_model import LogisticRegression

    size = len(texts.vocabulary)
    cases = texts.per_gram(is_case.astype(float))
    rest = texts.per_gram((~is_case).astype(float))
    if not is_case.any() or is_case.all() or not size:
        return np.zeros(size, np.int64)
    ratio = np.log((cases + 1) / (is_case.sum() + 2)) - np.log((rest + 1) / ((~is_case).sum() + 2))
    weights = _whole(ratio.clip(-4, 4) / len(ORDERS))
    for _ in range(ROUNDS):
        place = texts.runs(weights, length).place
        # the same run of many logs is one example, weighed by their number
        spoken = place >= 0
        runs, which = np.unique(place[spoken], return_inverse=True)
        rows, columns = texts.said_in(runs, length)
        said = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(runs), size))
        yes = np.bincount(which, is_case[spoken], minlength=len(runs))
        no = np.bincount(which, ~is_case[spoken], minlength=len(runs))
        model = LogisticRegression(C=PENALTY, max_iter=60, tol=1e-3)
        model.fit(
            vstack([said[yes > 0], said[no > 0]]),
            np.repeat([True, False], [(yes > 0).sum(), (no > 0).sum()]),
            sample_weight=np.r_[yes[yes > 0], no[no > 0]],
        )
        weights = _whole(model.coef_[0])
    return weights


def _whole(weights: Floats) -> Ints:
    return np.rint(weights * SCALE).astype(np.int64)
