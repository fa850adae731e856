"""The lexicon, phrase by phrase: what a sentence says, and what it only looks like."""

import pytest

from tests.lexicon_by_hand import phrases, says

PHRASES = phrases()


def said(text: str, meaning: str) -> set[str]:
    return {
        lexicon_id
        for (_, of, lexicon_id), some in PHRASES.items()
        if of == meaning and says(text, some)
    }


@pytest.mark.parametrize(
    "text",
    [
        "his brother had it done to him too",
        "a friend was hit too, she is fine",
        "her sister suffered the same from the same man",
    ],
)
def test_another_victim_of_the_same_is_a_further_crime(text: str) -> None:
    assert said(text, "further_crime")


@pytest.mark.parametrize(
    "text",
    [
        "saw a man by the park doing something, too far away to tell",
        "a friend was too drunk to say",
    ],
)
def test_too_far_and_too_drunk_tell_of_no_further_crime(text: str) -> None:
    assert not said(text, "further_crime")


@pytest.mark.parametrize(
    "text",
    [
        "punched in the face by her ex partner",
        "the father of the children pushed inft in the chest",
        "inft's husband has smashed the phone",
        "text messages from the ex boyfriend, all threats",
    ],
)
def test_a_partner_as_the_one_who_did_it_is_domestic_abuse(text: str) -> None:
    assert said(text, "domestic_abuse")


@pytest.mark.parametrize(
    "text",
    [
        "wife and husband both asleep when the car was taken",
        "a neighbour kicked the fence",
        "inft and the partner out at the time, shed broken into by youths",
    ],
)
def test_a_partner_who_is_only_mentioned_is_not(text: str) -> None:
    assert not said(text, "domestic_abuse")
