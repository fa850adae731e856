"""N-grams: which run of a text is the strongest, and which words tell kinds of logs apart."""

import numpy as np
import pytest

from cdi.learning import ngrams
from cdi.learning.ngrams import SCALE, Texts, learn_ngram_weights

NOISE = ("male on scene", "resume with crew", "caller rang off", "area searched twice today")


def weigh(texts: Texts, **weights: int) -> np.ndarray:
    return np.array([weights.get(gram.replace(" ", "_"), 0) for gram in texts.vocabulary], np.int64)


def test_a_text_scores_by_its_best_run_not_by_all_its_words() -> None:
    texts = Texts(["he took it now they took all / took", "", "then nothing"], ["took", "took it"])
    runs = texts.find_runs(weigh(texts, took=SCALE, took_it=SCALE // 2), 3)
    # "he took it" 1.5; apart from it "they took all" 1; a text without words has no score
    assert runs.best[0] == 1.5
    assert runs.second[0] == 1.0
    assert np.isnan(runs.best[1])
    assert runs.best[2] == 0.0
    assert np.isnan(runs.second[2])
    assert runs.second_place.tolist() == [3, -1, -1]  # "now they took", the first as strong


def test_what_is_told_beside_the_best_run_is_told_in_the_same_entry() -> None:
    texts = Texts(
        ["they took all / he took it now they took", "they took all / he took it"],
        ["took", "took it"],
    )
    runs = texts.find_runs(weigh(texts, took=SCALE, took_it=SCALE // 2), 3)
    assert runs.second.tolist() == [1.0, 1.0]
    assert runs.beside[0] == 1.0
    assert np.isnan(runs.beside[1])  # its second run stands in another entry
    assert runs.width.tolist() == [6, 3]
    assert runs.second_place.tolist() == [0, 0]  # "they took all", by which both texts begin


def test_a_run_does_not_go_from_one_entry_into_the_next() -> None:
    texts = Texts(["he took / it now"], ["took", "it", "took it"])
    assert texts.find_runs(weigh(texts, took=SCALE, it=SCALE, took_it=SCALE), 4).best[0] == 1.0


def test_the_first_entry_is_read_by_itself_too() -> None:
    texts = Texts(["nothing said / he took it"], ["took"])
    runs = texts.find_runs(weigh(texts, took=SCALE), 4)
    assert (runs.opening[0], runs.best[0]) == (0.0, 1.0)


def test_words_and_entries_are_counted() -> None:
    texts = Texts(["he took it / gone", ""])
    assert texts.count_words().tolist() == [4, 0]
    assert texts.count_entries().tolist() == [2, 0]


def test_only_what_enough_logs_say_is_known() -> None:
    texts = Texts(["he took it"] * ngrams.MIN_LOGS + ["she kept it"] * (ngrams.MIN_LOGS - 1))
    assert set(texts.vocabulary) == {"he", "took", "it", "he took", "took it", "he took it"}


def test_a_log_counts_once_however_often_it_says_a_word() -> None:
    """Else what one caller is called, said ten times, would become part of what is learnt."""
    one = " / ".join(f"marwick {word} marwick" for word in ("he", "took", "it", "and", "ran"))
    nine = ["she saw marwick / marwick left"] * (ngrams.MIN_LOGS - 2)
    assert "marwick" not in Texts([one, *nine]).vocabulary
    assert "marwick" in Texts([one, *nine, "marwick"]).vocabulary


@pytest.fixture(scope="module")
def thefts_and_others() -> tuple[list[str], np.ndarray]:
    """Thefts told among much else; a tenth of them in logs of the other kind, as if hidden."""
    rng = np.random.default_rng(7)
    texts, is_case = [], []
    for number in range(600):
        has_theft = number % 3 == 0
        entries = [str(noise) for noise in rng.choice(NOISE, 3)]
        entries.insert(
            int(rng.integers(3)), "bike taken from yard" if has_theft else "dog ran over road"
        )
        texts.append(" / ".join(entries))
        is_case.append(has_theft and number % 30 != 0)
    return texts, np.array(is_case)


def test_what_tells_one_kind_of_log_is_found_among_what_all_logs_say(
    thefts_and_others: tuple[list[str], np.ndarray],
) -> None:
    texts, is_case = thefts_and_others
    cut_texts = Texts(texts)
    weights = learn_ngram_weights(cut_texts, is_case, 4)
    best = cut_texts.find_runs(weights, 4).best
    says_theft = np.array(["bike" in text for text in texts])
    assert (says_theft & ~is_case).sum() > 0  # the hidden ones are read alike
    assert best[says_theft].min() > best[~says_theft].max()


def test_a_text_scores_the_same_in_whatever_company(
    thefts_and_others: tuple[list[str], np.ndarray],
) -> None:
    texts, is_case = thefts_and_others
    cut_texts = Texts(texts)
    weights = learn_ngram_weights(cut_texts, is_case, 4)
    together = cut_texts.find_runs(weights, 4)
    for place in range(0, len(texts), 97):
        alone = Texts([texts[place]], cut_texts.vocabulary).find_runs(weights, 4)
        assert alone.best[0] == together.best[place]
        np.testing.assert_equal(alone.second[0], together.second[place])


def test_logs_of_one_kind_only_teach_nothing() -> None:
    cut_texts = Texts(["he took it"] * 20)
    assert not learn_ngram_weights(cut_texts, np.ones(20, bool), 4).any()


def test_word_pairs_are_counted_within_entries_and_those_of_the_vocabulary_apart() -> None:
    texts = Texts(["he took it / took it", "one", "", "he took / it he took"], ["took it", "he"])
    pairs, known = texts.count_pairs()
    assert pairs.tolist() == [3, 0, 0, 3]
    assert known.tolist() == [2, 0, 0, 0]
