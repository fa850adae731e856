"""Which side the words of a log are shown on: for a crime, against one, or about the people."""

import re

import pytest

from cdi.agency.model import Alerts
from cdi.report.call import Hit
from cdi.report.marks import SIDES, choose_sides, mark_text
from cdi.report.wording import MEANINGS, subject_in_words
from cdi.report.worklist import find_log_address, name_pages
from tests.conftest import SmallAgency
from tests.lexicon_by_hand import phrases, says

PHRASES = phrases()
MEANINGS_OF_LEXICON = {meaning for _, meaning, _ in PHRASES}


def hit(meaning: str, *words: str) -> Hit:
    """A hit of the lexicon on some words of a log."""
    return Hit("account", meaning, "", "", words, meaning)


def mark_log(text: str, part: str) -> dict[str, str]:
    """The marked words of a text, and their sides, with the lexicon's own phrases."""
    hits = []
    for (part_of_entry, meaning, _), patterns in PHRASES.items():
        if part_of_entry == part and meaning != "negates_clause" and says(text, patterns):
            hits.append(hit(meaning, *(m[0] for p in patterns for m in p.finditer(text))))
    html = mark_text(text, choose_sides(hits))
    return {words: side for side, words in re.findall('<mark class="(.*?)">(.*?)</mark>', html)}


@pytest.mark.parametrize("meaning", sorted(MEANINGS_OF_LEXICON))
def test_each_meaning_of_the_lexicon_is_on_exactly_one_side(meaning: str) -> None:
    assert len([side for side, meanings in SIDES.items() if meaning in meanings]) == 1


def test_no_side_has_a_meaning_that_the_lexicon_lacks() -> None:
    assert set().union(*SIDES.values()) == MEANINGS_OF_LEXICON


@pytest.mark.parametrize("meaning", sorted(MEANINGS_OF_LEXICON))
def test_each_meaning_of_the_lexicon_has_words(meaning: str) -> None:
    assert " " in MEANINGS[meaning]


def test_no_code_is_shown_for_anti_social_behaviour() -> None:
    assert subject_in_words("asb", None) == "anti-social behaviour"


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
    marks = mark_log(closing, "closing")
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
def test_the_side_of_what_an_account_says(account: str, words: str, side: str) -> None:
    marks = mark_log(account, "account")
    assert any(words in marked and side_of == side for marked, side_of in marks.items()), marks


def test_a_phrase_about_people_hides_no_crime() -> None:
    marks = {"husband has smashed": "people", "smashed the phone": "for"}
    assert mark_text("her husband has smashed the phone", marks) == (
        'her <mark class="people">husband has </mark><mark class="for">smashed the phone</mark>'
    )


def test_words_of_two_meanings_are_shown_on_the_side_that_says_more() -> None:
    hits = [hit("domestic_abuse", "a", "b"), hit("crime", "b", "c"), hit("excuse", "a", "c")]
    assert choose_sides(hits) == {"a": "against", "b": "for", "c": "for"}


def test_a_number_too_long_for_a_files_name_has_a_page_of_its_own_all_the_same() -> None:
    longest = "T" * 100
    pages = name_pages([longest, "T" * 101, "T" * 102, "é" * 300, "t" * 101])
    assert pages[longest] == f"{longest}.html"
    names = list(pages.values())
    assert len({name.lower() for name in names}) == 5
    assert all(re.fullmatch(r"[\w-]{1,101}\.html", name, re.ASCII) for name in names)
    assert name_pages(["T" * 101]) == {"T" * 101: pages["T" * 101]}


@pytest.mark.parametrize(
    ("desk_url", "address"),
    [
        ("https://a.example.org/cdi/", "https://a.example.org/cdi/desk/testville/log?call=T%2F1"),
        ("https://a.example.org", "https://a.example.org/desk/testville/log?call=T%2F1"),
        ("https://a.example.org/desk", "https://a.example.org/desk/testville/log?call=T%2F1"),
        (None, "logs/T_1.html"),
    ],
)
def test_a_row_of_the_sheet_leads_to_the_desk_or_else_to_the_page_of_its_log(
    small: SmallAgency, desk_url: str | None, address: str
) -> None:
    agency = small.agency.model_copy(update={"alerts": Alerts(desk_url=desk_url)})
    assert find_log_address("T/1", {"T/1": "T_1.html"}, agency) == address


def test_a_row_without_page_and_desk_leads_nowhere(small: SmallAgency) -> None:
    assert find_log_address("T/1", {}, small.agency) is None
