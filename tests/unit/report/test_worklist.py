"""Which side the words of a log are shown on: for a crime, against one, or about the people."""

import re

import pytest

from cdi.report import call, worklist
from cdi.report.call import hit_in_words
from cdi.report.worklist import mark_text
from tests.lexicon_by_hand import phrases, says

PHRASES = phrases()
MEANINGS = {meaning for _, meaning, _ in PHRASES}


def shown(text: str, part: str) -> dict[str, str]:
    """The marked words of a text, and their sides, with the lexicon's own phrases."""
    hits, found = [], {}
    for (of, meaning, lexicon_id), some in PHRASES.items():
        if of == part and meaning != "negates_clause" and says(text, some):
            hits.append({"lexicon_id": lexicon_id, "meaning": meaning})
            found[lexicon_id] = [match[0] for p in some for match in p.finditer(text)]
    html = mark_text(text, worklist._marks(hits, found))
    return {words: side for side, words in re.findall('<mark class="(.*?)">(.*?)</mark>', html)}


@pytest.mark.parametrize("meaning", sorted(MEANINGS))
def test_each_meaning_of_the_lexicon_is_on_exactly_one_side(meaning: str) -> None:
    assert len([side for side, meanings in worklist.SIDES.items() if meaning in meanings]) == 1


def test_no_side_has_a_meaning_that_the_lexicon_lacks() -> None:
    assert set().union(*worklist.SIDES.values()) == MEANINGS


@pytest.mark.parametrize("meaning", sorted(MEANINGS))
def test_each_meaning_of_the_lexicon_is_told_in_words(meaning: str) -> None:
    assert " " in call.MEANINGS[meaning]


def test_no_code_is_shown_for_anti_social_behaviour() -> None:
    hit = {"meaning": "relabel", "subject": "asb", "subject_name": None}
    assert hit_in_words(hit) == (
        "calls it something other than a crime", "anti-social behaviour"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("closing", "words", "side"),
    [
        ("inft seen, no crime", "no crime", "against"),
        ("asb only, dealt with", "asb", "against"),
        ("ip does not wish to make a complaint", "does not wish", "against"),
        ("crime recorded, number given to ip", "crime recorded", "for"),
        ("officer to submit crime report tomorrow", "crime report", "for"),
    ],
)
def test_the_side_of_what_a_closing_says(closing: str, words: str, side: str) -> None:
    marks = shown(closing, "closing")
    assert any(words in marked for marked in marks)
    assert set(marks.values()) == {side}


@pytest.mark.parametrize(
    ("account", "words", "side"),
    [
        ("inft argued with her ex boyfriend", "with her ex boyfriend", "people"),
        ("his brother had it done to him too", "brother", "people"),
        ("it was two males", "two males", "people"),
        ("turned out to be a mistake", "turned out to be", "against"),
        ("not sure if it was stolen or lost", "stolen or lost", "against"),
        ("punched in the face", "punched in the face", "for"),
    ],
)
def test_the_side_of_what_an_account_tells(account: str, words: str, side: str) -> None:
    marks = shown(account, "account")
    assert any(words in marked and of == side for marked, of in marks.items()), marks


def test_a_phrase_about_people_hides_no_crime() -> None:
    marks = {"husband has smashed": "people", "smashed the phone": "for"}
    assert mark_text("her husband has smashed the phone", marks) == (
        'her <mark class="people">husband has </mark><mark class="for">smashed the phone</mark>'
    )


def test_words_of_two_meanings_are_shown_on_the_side_that_says_more() -> None:
    hits = [{"lexicon_id": m, "meaning": m} for m in ("domestic_abuse", "crime", "excuse")]
    said = {"domestic_abuse": ["a", "b"], "crime": ["b", "c"], "excuse": ["a", "c"]}
    assert worklist._marks(hits, said) == {"a": "against", "b": "for", "c": "for"}
