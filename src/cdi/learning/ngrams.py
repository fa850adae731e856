"""How an agency's own staff write: weights of single words, word pairs and word triples.

The weights are learnt from codes, over all logs, whether audited or not: which words occur in logs
that were opened under a crime type, or closed in a certain way. A crime is told in one short
stretch of a long log, so each text is scored by its best run of N consecutive words. Learning
alternates between two questions: which run of each text is the strongest, and which words
distinguish the strongest runs of one kind of log from those of another. This is multiple-instance
learning: a label is known for each log, and not for each run in it.

Weights are whole numbers, so that the score of a text does not depend on which other texts are
scored with it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdi.learning.spelling import correct_words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

WORD = re.compile(r"[a-z&']+|[0-9]+")
ORDERS = (1, 2, 3)  # single words, pairs, triples
MIN_LOGS = 10  # logs that must contain an n-gram before it enters the vocabulary
ROUNDS = 4
PENALTY = 3.0  # inverse strength of the regularisation
SCALE = 1024  # weights per unit of log odds
SILENT = -9.0  # log odds that stand for a text without words
NO_SCORE = np.iinfo(np.int64).min  # score of a run that does not exist; less than any sum


class Texts:
    """Texts cut into entries (at " / ") and entries into words, with the n-grams at each word.

    All words of all distinct entries stand behind each other in one long sequence. A "place" is a
    position in that sequence; a run is named by the place of its first word.

    Attributes:
        count: Number of texts.
        vocabulary: The n-grams that have a number, in the order of their numbers.
    """

    def __init__(self, texts: Sequence[str], vocabulary: Sequence[str] | None = None) -> None:
        """Cut the texts and number their n-grams.

        Args:
            texts: In lower case.
            vocabulary: The n-grams to look for; by default those that enough of these texts
                contain.
        """
        self.count = len(texts)
        # Many logs share an entry, such as "resume with crew". Each distinct entry is cut and
        # scored once, and the texts refer to it by number.
        entry_numbers: dict[str, int] = {}
        entries_by_text = [
            [entry_numbers.setdefault(entry, len(entry_numbers)) for entry in text.split(" / ")]
            if text
            else []
            for text in texts
        ]
        entry_counts = [len(entries) for entries in entries_by_text]
        # One element per entry of a text: its entry, its text; and where each text's entries end.
        self._entry = np.array(
            [entry for entries in entries_by_text for entry in entries], np.int64
        )
        self._text = np.repeat(np.arange(self.count), entry_counts)
        self._ends = np.cumsum(entry_counts, dtype=np.int64)
        words_by_entry = [WORD.findall(entry) for entry in entry_numbers]
        lengths = np.array([len(words) for words in words_by_entry], np.int64)
        # One element per distinct entry: the places of its first word and after its last word.
        self._stop = np.cumsum(lengths)
        self._start = self._stop - lengths
        # One element per place: the distinct entry that the word belongs to.
        self._entry_of_word = np.repeat(np.arange(len(words_by_entry)), lengths)
        words = [word for entry_words in words_by_entry for word in entry_words]
        known = self._frequent_ngrams(words, ORDERS[:1]) if vocabulary is None else vocabulary
        words = correct_words(words, {ngram for ngram in known if " " not in ngram})
        if vocabulary is None:
            vocabulary = list(self._frequent_ngrams(words, ORDERS))
        self.vocabulary = list(vocabulary)
        self._ngrams = self._number_ngrams(words)

    def _frequent_ngrams(self, words: list[str], orders: Sequence[int]) -> Iterator[str]:
        """List the n-grams of some orders that enough logs contain, each order in turn.

        A log counts once, however often it says an n-gram: what only a few people are called must
        not become part of what is learnt.
        """
        logs = self._list_logs_by_entry()
        bounds = list(zip(self._start.tolist(), self._stop.tolist(), strict=True))
        for order in orders:
            # Logs that say it in several entries are counted for each of them, which is at least
            # the true number; where it matters, they are counted exactly below.
            most_logs: dict[str, int] = {}
            for entry, (start, stop) in enumerate(bounds):
                for ngram in _list_ngrams(words, start, stop, order):
                    most_logs[ngram] = most_logs.get(ngram, 0) + len(logs[entry])
            logs_of_candidate: dict[str, set[int]] = {
                ngram: set() for ngram, count in most_logs.items() if count >= MIN_LOGS
            }
            for entry, (start, stop) in enumerate(bounds):
                for ngram in _list_ngrams(words, start, stop, order):
                    found = logs_of_candidate.get(ngram)
                    if found is not None and len(found) < MIN_LOGS:
                        found.update(logs[entry][:MIN_LOGS])
            yield from sorted(
                ngram for ngram, found in logs_of_candidate.items() if len(found) >= MIN_LOGS
            )

    def _list_logs_by_entry(self) -> list[list[int]]:
        """List the texts that have each distinct entry, each once."""
        pairs = np.unique(self._entry * self.count + self._text)
        ends = np.cumsum(np.bincount(pairs // self.count, minlength=len(self._start)))
        return [part.tolist() for part in np.split(pairs % self.count, ends[:-1])]

    def _number_ngrams(self, words: list[str]) -> list[Ints]:
        """Tell, for each order, the number of the n-gram that starts at each place; -1 if none."""
        numbers = {ngram: number for number, ngram in enumerate(self.vocabulary)}
        ngrams_by_order = []
        for order in ORDERS:
            ngrams = np.full(len(words), -1, np.int64)
            for place in range(len(words) - order + 1):
                # an n-gram does not reach from one entry into the next
                if self._entry_of_word[place] == self._entry_of_word[place + order - 1]:
                    ngrams[place] = numbers.get(" ".join(words[place : place + order]), -1)
            ngrams_by_order.append(ngrams)
        return ngrams_by_order

    def count_words(self) -> Ints:
        """Count the words of each text."""
        lengths = (self._stop - self._start)[self._entry]
        return np.bincount(self._text, lengths, minlength=self.count).astype(np.int64)

    def count_pairs(self) -> tuple[Ints, Ints]:
        """Count the word pairs of each text, and those of them that the vocabulary has."""
        lengths = self._stop - self._start
        is_known = self._ngrams[ORDERS.index(2)] >= 0
        known = np.bincount(self._entry_of_word, is_known, minlength=len(lengths))
        counts = (np.maximum(lengths - 1, 0), known)
        all_pairs, known_pairs = (
            np.bincount(self._text, count[self._entry], minlength=self.count).astype(np.int64)
            for count in counts
        )
        return all_pairs, known_pairs

    def count_entries(self) -> Ints:
        """Count the entries of each text."""
        return np.bincount(self._text, minlength=self.count)

    def sum_by_ngram(self, values: Floats) -> Floats:
        """Sum a value of each text over all occurrences of each n-gram of the vocabulary."""
        entry_values = np.bincount(self._entry, values[self._text], minlength=len(self._start))
        total = np.zeros(len(self.vocabulary))
        for ngrams in self._ngrams:
            is_known = ngrams >= 0
            total += np.bincount(
                ngrams[is_known],
                entry_values[self._entry_of_word[is_known]],
                minlength=len(self.vocabulary),
            )
        return total

    def find_runs(self, weights: Ints, length: int) -> "Runs":
        """Find the strongest runs of each text.

        Args:
            weights: One per n-gram of the vocabulary.
            length: Words of a run; an entry with fewer words is one run as a whole.
        """
        places = np.arange(len(self._entry_of_word))
        # A run ends after `length` words, or earlier where its entry ends.
        stop = np.minimum(places + length, self._stop[self._entry_of_word])
        score = np.zeros(len(places), np.int64)
        for order, ngrams in zip(ORDERS, self._ngrams, strict=True):
            # The appended 0 is the weight of the number -1: an unknown n-gram weighs nothing.
            weight = np.append(weights, 0)[ngrams]
            # With running sums the score of any run is one difference, however long the run is.
            # An n-gram counts where all its words lie in the run: its first word stands at least
            # `order` words before the end of the run.
            running = np.r_[0, np.cumsum(weight)]
            score += running[np.maximum(stop - order + 1, places)] - running[places]
        # Places near the end of an entry begin a run that is too short, unless it is the whole
        # entry: such a run would compete with the full runs that contain it.
        is_run = (stop - places == length) | (places == self._start[self._entry_of_word])
        score = np.where(is_run, score, NO_SCORE)
        best, best_place = self._best_by_entry(score)
        # The second account must not share a word with the best one of the same entry.
        is_apart = is_run & (np.abs(places - best_place[self._entry_of_word]) >= length)
        next_best, next_place = self._best_by_entry(np.where(is_apart, score, NO_SCORE))
        return self._choose_runs(best, next_best, best_place, next_place)

    def _best_by_entry(self, score: Ints) -> tuple[Ints, Ints]:
        """Find the best score of each entry and the first place that has it; -1 if none has."""
        best = np.full(len(self._start), NO_SCORE)
        np.maximum.at(best, self._entry_of_word, score)
        is_best = (score == best[self._entry_of_word]) & (score > NO_SCORE)
        return best, _first_hit_by_group(is_best, self._entry_of_word, len(best))

    def _choose_runs(
        self, best: Ints, next_best: Ints, best_place: Ints, next_place: Ints
    ) -> "Runs":
        """Choose the runs of each text from the best and next best run of each distinct entry."""
        entry_best = best[self._entry]
        strongest = np.full(self.count, NO_SCORE)
        np.maximum.at(strongest, self._text, entry_best)
        # the element of `_entry` that holds the best run of each text
        chosen = _first_hit_by_group(entry_best == strongest[self._text], self._text, self.count)
        # The second run may stand in another entry, where the best run competes, or in the same
        # entry, where only the run apart from the chosen one does.
        used = chosen[chosen >= 0]
        rest, rest_place = entry_best.copy(), best_place[self._entry]
        rest[used], rest_place[used] = next_best[self._entry[used]], next_place[self._entry[used]]
        second = np.full(self.count, NO_SCORE)
        np.maximum.at(second, self._text, rest)
        is_second = (rest == second[self._text]) & (rest > NO_SCORE)
        second_chosen = _first_hit_by_group(is_second, self._text, self.count)
        second_place = np.where(second_chosen >= 0, np.append(rest_place, -1)[second_chosen], -1)
        has_words = strongest > NO_SCORE
        entry = self._entry[chosen[has_words]]
        beside, width = np.full(self.count, NO_SCORE), np.zeros(self.count, np.int64)
        beside[has_words] = next_best[entry]
        width[has_words] = (self._stop - self._start)[entry]
        opening = np.full(self.count, NO_SCORE)
        has_entry = np.diff(np.r_[0, self._ends]) > 0
        opening[has_entry] = entry_best[np.r_[0, self._ends[:-1]][has_entry]]
        place = np.full(self.count, -1, np.int64)
        place[has_words] = best_place[entry]
        return Runs(
            best=_log_odds(strongest),
            second=_log_odds(second),
            beside=_log_odds(beside),
            opening=_log_odds(opening),
            width=width,
            place=place,
            second_place=second_place,
        )

    def ngrams_of_runs(self, starts: Ints, length: int) -> tuple[Ints, Ints]:
        """List the n-grams in the runs that start at some places.

        Args:
            starts: Places.
            length: Words of a run.

        Returns:
            Row (position in `starts`) and number in the vocabulary, each pair once.
        """
        stop = np.minimum(starts + length, self._stop[self._entry_of_word[starts]])
        rows, columns = [], []
        for order, ngrams in zip(ORDERS, self._ngrams, strict=True):
            for step in range(length - order + 1):
                row = np.flatnonzero(starts + step + order <= stop)
                ngram = ngrams[starts[row] + step]
                rows.append(row[ngram >= 0])
                columns.append(ngram[ngram >= 0])
        # One number stands for the pair, as numpy finds unique numbers far faster than unique rows.
        size = max(1, len(self.vocabulary))
        pairs = np.unique(np.concatenate(rows) * size + np.concatenate(columns))
        return pairs // size, pairs % size


def _list_ngrams(words: list[str], start: int, stop: int, order: int) -> set[str]:
    """List the distinct n-grams of an order in the words of one entry."""
    return {" ".join(words[place : place + order]) for place in range(start, stop - order + 1)}


def _first_hit_by_group(is_hit: NDArray[np.bool_], group: Ints, groups: int) -> Ints:
    """Find the first position of each group that is a hit; -1 if none is."""
    first = np.full(groups, -1, np.int64)
    # Of several assignments to one element numpy keeps the last: hence backwards.
    hits = np.flatnonzero(is_hit)[::-1]
    first[group[hits]] = hits
    return first


def _log_odds(score: Ints) -> Floats:
    """Turn whole-numbered scores into log odds; nan where there was no run."""
    return np.where(score == NO_SCORE, np.nan, score / SCALE)


@dataclass(frozen=True)
class Runs:
    """The strongest runs of each text.

    Scores are log odds up to a constant; they are nan where the text has no such run.

    Attributes:
        best: Score of the best run.
        second: Score of the best run that shares no word with it.
        beside: Score of the best such run in the same entry: a second crime is often told right
            after the first.
        opening: Score of the best run of the first entry.
        width: Number of words of the entry that holds the best run.
        place: Where the best run starts; -1 for a text without words.
        second_place: Where the second run starts; -1 if there is none.
    """

    best: Floats
    second: Floats
    beside: Floats
    opening: Floats
    width: Ints
    place: Ints
    second_place: Ints


def learn_ngram_weights(texts: Texts, is_case: NDArray[np.bool_], length: int) -> Ints:
    """Learn the weights by which the best runs of one kind of log differ from those of the others.

    Args:
        texts: Texts of many logs.
        is_case: Which logs are of that kind.
        length: Words of a run.

    Returns:
        One weight per n-gram of the vocabulary; zeros if all logs are of one kind.
    """
    # importing these takes seconds, and most commands learn nothing
    from scipy.sparse import csr_matrix, vstack
    from sklearn.linear_model import LogisticRegression

    size = len(texts.vocabulary)
    cases = texts.sum_by_ngram(is_case.astype(float))
    others = texts.sum_by_ngram((~is_case).astype(float))
    if not is_case.any() or is_case.all() or not size:
        return np.zeros(size, np.int64)
    # Start from how much more often each n-gram occurs in cases, as naive Bayes would; a word of a
    # run also counts in its pair and its triple, hence the division.
    ratio = np.log((cases + 1) / (is_case.sum() + 2)) - np.log(
        (others + 1) / ((~is_case).sum() + 2)
    )
    weights = _to_whole_numbers(ratio.clip(-4, 4) / len(ORDERS))
    for _ in range(ROUNDS):
        place = texts.find_runs(weights, length).place
        has_words = place >= 0
        # Many logs share their best run. It is one example, weighted by the number of logs: the
        # same solution from a far smaller matrix.
        runs, run_of_log = np.unique(place[has_words], return_inverse=True)
        rows, columns = texts.ngrams_of_runs(runs, length)
        features = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(runs), size))
        yes = np.bincount(run_of_log, is_case[has_words], minlength=len(runs))
        no = np.bincount(run_of_log, ~is_case[has_words], minlength=len(runs))
        model = LogisticRegression(C=PENALTY, max_iter=60, tol=1e-3)
        model.fit(
            vstack([features[yes > 0], features[no > 0]]),
            np.repeat([True, False], [(yes > 0).sum(), (no > 0).sum()]),
            sample_weight=np.r_[yes[yes > 0], no[no > 0]],
        )
        weights = _to_whole_numbers(model.coef_[0])
    return weights


def _to_whole_numbers(weights: Floats) -> Ints:
    return np.rint(weights * SCALE).astype(np.int64)
