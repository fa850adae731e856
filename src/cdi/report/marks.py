"""Mark the words of a log that say something: for a crime, against one, or about the people."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby

from markupsafe import Markup, escape

from cdi.report.call import Hit

# For each meaning of the lexicon the side that its words are on: they speak for a crime, against
# one, or only about the people in it. Of words with two meanings the earlier side here is shown.
SIDES = {
    "for": {"crime", "recorded"},
    "against": {
        *("no_crime", "unsure", "negates_clause", "reason", "excuse", "no_offences", "relabel")
    },
    "people": {"further_crime", "offenders", "domestic_abuse"},
}


def side_of_meaning(meaning: str) -> str:
    """The side that words with a meaning of the lexicon are on."""
    return next(side for side, meanings in SIDES.items() if meaning in meanings)


def choose_sides(hits: Sequence[Hit]) -> dict[str, str]:
    """The words of a log that the lexicon found, and the side that each is shown on.

    Args:
        hits: Of the log.
    """
    sides_of_phrase = defaultdict(set)
    for hit in hits:
        for phrase in hit.phrases:
            sides_of_phrase[phrase].add(side_of_meaning(hit.meaning))
    order = list(SIDES)
    return {phrase: min(sides, key=order.index) for phrase, sides in sides_of_phrase.items()}


def mark_parts(
    entries: Sequence[tuple[str, str]], marks: Mapping[str, str]
) -> list[tuple[str, list[Markup]]]:
    """Mark the evidence in the entries of each part of a log.

    Args:
        entries: Part and text of each entry.
        marks: The side of each phrase; see `choose_sides`.
    """
    return [
        (part, [mark_text(entry, marks) for _, entry in entries_of_part])
        for part, entries_of_part in groupby(entries, key=lambda entry: entry[0])
    ]


def mark_text(text: str, marks: Mapping[str, str]) -> Markup:
    """Text as HTML, with phrases marked.

    Of two phrases that overlap the one that begins first is marked whole. A phrase about people is
    marked only where no other is: in "by her ex who hit her" the crime must stay visible.

    Args:
        text: An entry of the log.
        marks: The side of each phrase.
    """
    # A side for each letter; neighbours with one side become one mark.
    sides = [""] * len(text)
    for is_evidence in (False, True):  # evidence last, so that it covers what is about people
        phrases = [phrase for phrase, side in marks.items() if (side != "people") == is_evidence]
        # An alternative that is tried first wins, so a phrase goes before its own beginning.
        longest_first = sorted(phrases, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first))
        for match in re.finditer(pattern, text) if pattern else ():
            sides[match.start() : match.end()] = [marks[match[0]]] * len(match[0])
    pieces, start = [], 0
    for side, letters in groupby(sides):
        piece = text[start : start + len(list(letters))]
        mark = Markup('<mark class="{}">{}</mark>').format(side, piece)
        pieces.append(mark if side else escape(piece))
        start += len(piece)
    return Markup("").join(pieces)
