"""Words of the recording decision for people: verdicts, effects and facts."""

VERDICTS = {
    "must_be_recorded": "A crime must be recorded",
    "justified": "No crime record is needed",
    "no_crime_reported": "No crime was reported",
    "needs_review": "A person must decide",
}
EFFECTS = {
    "additional": "recorded in addition",
    "included": "counted under the other crime",
    "principal": "the other crimes are counted under it",
}


FACT = "Fact; "  # begins the description of each column of the decision table that is a fact


def in_words(value: str) -> str:
    """A stable name as people would write it."""
    return value.replace("_", " ")


def fact_in_words(description: str) -> str:
    """What a fact asks, from its column's description."""
    text = description.removeprefix(FACT).strip().rstrip(".")
    return text[0].upper() + text[1:]
