"""Finds names by their capitals, which regular expressions cannot: whole logs are in capitals.

A word that begins with a capital or consists of them is taken for a name if no word list has it
(``words/``) and if it also stands beside another such word, behind a word for a person ("EX
DARREN"), or in front of a word for speaking ("DARREN STATES"). Some names need other signs:

- A common given name that is no word and no town is a name anywhere; in small letters it must also
  not look like a mistyped word, unless it stands behind a word for a person.
- What may be a mistyped word (CHEN, "then") is only found beside a name, or where a name is
  announced ("NAMED CHEN"), unless it is a common given name. Logs are typed in haste.
- A name that is a word as well (Mark, Rose) is only found beside a name, or, if it is a given name,
  behind a word for a person; a surname (PC LAW) behind a rank.
- Of a text with small letters two capitalised words in a row are a name (Jane Fields), unless both
  are common words, or they are a street, an institution, a shop or a make (``places_and_brands``).
"""

import re
from collections.abc import Iterator

from cdi.landing.streets import ADDRESS
from cdi.landing.text_words import BEFORE_STREET, BLANK, DOTTED, LAST_OF_STREET, Words, is_done
from cdi.landing.word_kinds import (
    BRANDS,
    GIVEN_NAMES_AND_WORDS,
    GIVEN_NAMES_IN_ROWS,
    PERSONS,
    PLACES,
    ROLES,
    SURNAMES_AND_WORDS,
    TOWNS,
    Kind,
    describe_word,
    fold,
    may_be_surname,
)

NAME = "[name]"

_COMMA = re.compile(r"[ \t]?,[ \t]{0,2}")
_QUOTE = re.compile(r"[ \t]?[,:;=-]?[ \t]{0,2}[\"“”]")
_BEHIND_QUOTE = re.compile(r"[\"“”][ \t]{1,3}")
_END_OF_QUOTE = re.compile(r"[\"“”]")
_CORNER = re.compile(r"\b\d+(?:st|nd|rd|th) & $", re.IGNORECASE)
_INITIAL = re.compile(r"(?<![\w.'’/&-])((?:[^\W\d_]\.[ \t]?){1,2}|[^\W\d_][ \t])$")

_BETWEEN = ROLES["between"]
_ANNOUNCING, _BETWEEN_ANNOUNCING = ROLES["announcing"], ROLES["between_announcing"]
_SPEAKING, _RANKS, _NICKNAMED = ROLES["speaking"], ROLES["ranks"], ROLES["nicknamed"]
_BEFORE_SURNAME = _RANKS | ROLES["titles_or_streets"]
_SURNAMES_BEHIND_NAME = SURNAMES_AND_WORDS - ROLES["no_surnames_behind_rank"]
_SURNAMES_BEHIND_RANK = _SURNAMES_BEHIND_NAME | ROLES["surnames_behind_rank_only"]
_PARTICLES, _SUFFIXES = ROLES["particles"], ROLES["suffixes"]
_BEFORE_GIVEN_NAME, _BEFORE_PLACE = ROLES["before_given_name"], ROLES["before_place"]
_WITH_DOT = ROLES["with_dot"]
_DIRECTIONS = ROLES["directions"]
_BEHIND_TITLE = ROLES["behind_title"]
_VERB = re.compile(r"\w{2,}(?:[^\We]ed|ing)")
_PARTICLE = "|".join(sorted(_PARTICLES))
_BEFORE_PARTNER = rf"(?:{'|'.join(sorted(ROLES['before_partner']))})[ \t]{{1,3}}"
_PARTNER = re.compile(rf"\b{_BEFORE_PARTNER}(?:mr|mrs|mx)[ \t]{{1,3}}$", re.IGNORECASE)
_DOT_OR_BLANK = r"(?:\.[ \t]{0,3}|[ \t]{1,3})"
_TITLED = re.compile(
    rf"(\b(?P<partner>{_BEFORE_PARTNER})?(?:mr|mrs|mx){_DOT_OR_BLANK})"
    rf"(?P<name>(?:[^\W\d_]{_DOT_OR_BLANK}){{0,2}}"
    rf"(?:(?:{_PARTICLE})[ \t]{{1,3}}){{0,2}}[^\W\d_](?:[^\W\d_]|['’-])+)",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"(\b(?i:(?:named|known) as|aka|a\.k\.a\.?) )([^\W\d_](?:[^\W\d_]|['’-])+)"
    r"( [^\W\d_](?:[^\W\d_]|['’-])+)?"
)
_LAST_WORD = re.compile(r"[ \t]*([^ \t]+)$")
_END_OF_PLACE = PLACES["institutions"] | LAST_OF_STREET
_END_OF_ROW = PERSONS | BRANDS | PLACES["dates"]


class _Names(Words):
    """Which of the words of a text are names."""

    def is_name(self, place: int) -> bool:
        """Whether a word is a name for itself, whatever its neighbours are."""
        if not self.capital[place]:
            return self.is_small_name(place)
        kind = self.kinds[place]
        if kind == Kind.MISTYPED:
            return (
                self.is_surname_before_comma(place)
                or (
                    self.is_behind(place, _ANNOUNCING, _BETWEEN_ANNOUNCING)
                    and not self.is_behind_partner(place)
                )
                or self.is_behind_initial(place)
                or (
                    may_be_surname(self.folded[place])
                    and (
                        self.is_beside_given_name(place)
                        or self.is_behind(place, _BEFORE_SURNAME, frozenset())
                    )
                )
            )
        if kind == Kind.KNOWN:
            if self.is_given_and_word(place):
                return (
                    self.is_behind(place, PERSONS, _BETWEEN)
                    or self.is_someones(place)
                    or self.is_behind_small_word(place)
                    or self.is_stating(place)
                )
            if self.is_surname_before_comma(place):
                return True
            partner = self.is_behind_partner(place)
            surnames = _SURNAMES_BEHIND_NAME if partner else _SURNAMES_BEHIND_RANK
            return self.folded[place] in surnames and self.is_behind(place, _RANKS, frozenset())
        if self.is_before_institution(place) or self.is_behind_place(place):
            return False
        least = Kind.MISTYPED if kind == Kind.GIVEN else Kind.UNKNOWN
        is_beside_another = any(
            self.kinds[beside] >= least or self.is_given_and_word(beside)
            for beside in self.list_neighbours(place, BLANK)
        ) or any(self.kinds[beside] >= least for beside in self.list_neighbours(place, _COMMA))
        is_speaking = self.are_joined(place, BLANK) and self.folded[place + 1] in _SPEAKING
        return (
            is_beside_another
            or is_speaking
            or self.is_behind(place, PERSONS, _BETWEEN)
            or self.facts[place].is_given_name
            or self.is_behind_initial(place)
            or self.is_surname_before_comma(place)
            or self.is_someones(place)
        )

    def is_small_name(self, place: int) -> bool:
        """Whether a word in small letters is a name: caller dave, ip-patel, alfie."""
        word = self.facts[place]
        if not self.words[place].islower() or len(word.folded) < 3:
            return False
        if word.is_small_given_name:
            return True
        if self.is_small_surname(place):
            return True
        if word.kind == Kind.KNOWN:
            # may ashgarthe
            return (
                word.folded in GIVEN_NAMES_IN_ROWS
                and self.are_joined(place, BLANK)
                and self.facts[place + 1].kind >= Kind.UNKNOWN
                and self.is_behind(place, PERSONS, _BETWEEN)
            )
        if word.kind == Kind.GIVEN:
            return self.is_behind(place, PERSONS, _BETWEEN)
        is_surname = may_be_surname(word.folded) or any(
            may_be_surname(part) for part in word.folded.split("-")
        )
        if self.text[self.spans[place][0] - 1] == "-" and (
            word.kind == Kind.UNKNOWN or (word.kind == Kind.MISTYPED and is_surname)
        ):
            return self.is_behind(place, PERSONS, frozenset())
        if word.kind == Kind.UNKNOWN and is_surname:
            return self.is_behind(place, PERSONS, frozenset())
        return word.kind == Kind.UNKNOWN and self.is_behind(place, _ANNOUNCING, _BETWEEN_ANNOUNCING)

    def is_small_surname(self, place: int) -> bool:
        """Whether a surname in small letters stands behind a rank or a title: pc smith."""
        before = self.folded[place - 1]
        if before not in _BEFORE_SURNAME or not self.are_joined(
            place - 1, DOTTED if before in _WITH_DOT else BLANK
        ):
            return False
        word = self.facts[place]
        if word.kind == Kind.KNOWN:
            return before in _RANKS and word.folded in _SURNAMES_BEHIND_NAME
        return may_be_surname(word.folded)

    def is_behind_place(self, place: int) -> bool:
        """Whether what stands before a word makes it a place: in Gary, 57th & Ellis, ANI/ALI."""
        start = self.spans[place][0]
        if self.text[max(start - 1, 0) : start] == "/":
            return True
        if self.is_of_saint(place):
            return True
        if self.are_joined(place - 1, BLANK) and self.folded[place - 1] in _BEFORE_PLACE:
            return not self.are_joined(place, BLANK) or self.kinds[place + 1] == Kind.KNOWN
        before = self.text[max(start - 12, 0) : start]
        return "& " in before and bool(_CORNER.search(before))

    def is_of_saint(self, place: int) -> bool:
        """Whether a word follows ST or SAINT, and no name stands before: at St. Jude's."""
        if place < 1 or self.folded[place - 1] not in ("st", "saint"):
            return False
        return self.are_joined(place - 1, DOTTED) and not (
            self.are_joined(place - 2, BLANK)
            and (self.kinds[place - 2] >= Kind.UNKNOWN or self.folded[place - 2] in PERSONS)
        )

    def is_given_and_word(self, place: int) -> bool:
        """Whether a word may be a given name, and begins with a capital."""
        return self.facts[place].base in GIVEN_NAMES_AND_WORDS and self.capital[place]

    def is_beside_given_name(self, place: int) -> bool:
        """Whether a common given name stands before a word."""
        return self.are_joined(place - 1, BLANK) and (
            self.kinds[place - 1] == Kind.GIVEN or self.is_given_and_word(place - 1)
        )

    def is_stating(self, place: int) -> bool:
        """Whether a word follows that hardly anything but a person does: MARK STATES."""
        return self.are_joined(place, BLANK) and self.folded[place + 1] in ROLES["stating"]

    def is_behind_partner(self, place: int) -> bool:
        """Whether a word follows "his mrs" or the like, which a surname hardly does."""
        return place > 1 and bool(
            _PARTNER.search(self.text, self.spans[place - 2][0], self.spans[place][0])
        )

    def is_behind_small_word(self, place: int) -> bool:
        """Whether a word with a capital follows one that a name may follow: told Mark."""
        return (
            not self.words[place].isupper()
            and self.are_joined(place - 1, BLANK)
            and self.words[place - 1] in _BEFORE_GIVEN_NAME
            and not self.is_before_institution(place)
        )

    def is_surname_before_comma(self, place: int) -> bool:
        """Whether a surname, which may also be a word, stands before a given name."""
        is_word = self.folded[place] in SURNAMES_AND_WORDS
        is_surname = self.kinds[place] >= Kind.UNKNOWN or may_be_surname(self.folded[place])
        if not (is_word or is_surname) or not self.are_joined(place, _COMMA):
            return False
        given = place + 1
        # KHAN, Mohammed; but not the other way round, where capitals begin: Gone, SARAH
        if self.words[given].isupper() and not self.words[place].isupper():
            return False
        if not is_word:
            return self.facts[given].is_given_name or self.is_given_and_word(given)
        return self.facts[given].is_given_name and (
            not self.are_joined(place - 1, BLANK)
            or self.folded[place - 1] in PERSONS
            or self.folded[place - 1] in _BETWEEN
        )

    def is_someones(self, place: int) -> bool:
        """Whether somebody is spoken of as this person's: JACK'S DAD."""
        return (
            self.words[place].casefold().endswith(("'s", "’s"))
            and self.are_joined(place, BLANK)
            and self.folded[place + 1] in PERSONS
        )

    def is_behind_initial(self, place: int) -> bool:
        """Whether a word follows an initial, which is none of a street: 5700 S. MARYLAND."""
        start = self.spans[place][0]
        initial = _INITIAL.search(self.text, max(start - 6, 0), start)
        if not initial or not initial[1][0].isupper():
            return False
        is_dotted = "." in initial[1]
        if initial[1][0] in "AI" and not is_dotted:
            return False
        if self.words[place].isupper() and not is_dotted:
            # in capitals a lone letter may be anything
            return initial[1][0] not in "EINORSUW" and (
                self.kinds[place] >= Kind.UNKNOWN or may_be_surname(self.folded[place])
            )
        if fold(initial[1][0]) in _DIRECTIONS and len(initial[1].strip()) < 3:
            before = self.text[max(start - 40, 0) : initial.start()].rstrip()
            word = before.rsplit(None, 1)[-1].casefold() if before else ""
            follows = self.folded[place + 1] if self.are_joined(place, BLANK) else ""
            return not (
                before[-1:].isdigit()
                or word.endswith(("xx", "block", "blk", "&", "/"))
                or word in BEFORE_STREET
                or follows in LAST_OF_STREET
            )
        return True

    def find_nicknames(self) -> Iterator[int]:
        """Find nicknames in quotes: behind a person, a name, or a word such as AKA."""
        for place in range(1, len(self.words)):
            if not self.capital[place] or not self.are_joined(place - 1, _QUOTE):
                continue
            last = place + 1 if self.are_joined(place, BLANK) else place
            if not _END_OF_QUOTE.match(self.text, self.spans[last][1]):
                continue
            before = self.folded[place - 1]
            if (
                before in PERSONS
                or before in _NICKNAMED
                or self.kinds[place - 1] >= Kind.UNKNOWN
                or self.is_given_and_word(place - 1)
            ):
                yield from range(place, last + 1)
                # SHANE "DAZZA" DARROW
                is_behind_quote = self.are_joined(last, _BEHIND_QUOTE) and self.capital[last + 1]
                if is_behind_quote and self.kinds[last + 1] != Kind.KNOWN:
                    yield last + 1

    def is_before_institution(self, place: int) -> bool:
        """Whether a word belongs to the name of a place: LUTHERAN CHURCH, PRIORY PRIMARY SCHOOL."""
        for after in (place + 1, place + 2):
            if not self.are_joined(after - 1, BLANK) or not self.capital[after]:
                return False
            word = self.folded[after]
            if word in _END_OF_PLACE:
                is_surname = after == place + 1 and word in SURNAMES_AND_WORDS
                return not (
                    (is_surname and self.kinds[place] == Kind.GIVEN)
                    or self.is_behind(place, PERSONS, _BETWEEN)
                )
            if self.kinds[after] == Kind.KNOWN and word not in SURNAMES_AND_WORDS:
                return False
        return False

    def may_join_name(self, place: int) -> bool:
        """Whether a word belongs to a name that stands beside it."""
        if self.folded[place] in _SUFFIXES:
            return True
        if self.kinds[place] != Kind.KNOWN or self.is_given_and_word(place):
            return True
        if not self.capital[place]:
            return False
        return self.folded[place] in SURNAMES_AND_WORDS or (
            self.folded[place] in TOWNS and self.is_beside_given_name(place)
        )

    def find_names(self) -> set[int]:
        """Find the places of names."""
        names = {place for place in self.candidates if self.is_name(place)}
        if not self.text.isupper():
            names |= self.find_rows()
        if _END_OF_QUOTE.search(self.text):
            names.update(self.find_nicknames())
        joining = set()
        for place in names:
            neighbours = set(self.list_neighbours(place, BLANK))
            # A name of two words is whole: what follows it may be mistyped.
            if names.isdisjoint(neighbours):
                joining |= {
                    beside
                    for beside in neighbours
                    if self.may_join_name(beside)
                    and not (beside > place and self.is_before_institution(beside))
                }
        names |= joining
        return names | {more for place in names for more in self.list_rest(place, names)}

    def list_rest(self, place: int, names: set[int]) -> Iterator[int]:
        """Give what follows a name and belongs to it, however many words it has."""
        here = place
        while self.are_joined(here, BLANK) or (
            len(self.words[here]) <= 2 and self.are_joined(here, DOTTED)
        ):
            here += 1
            word = self.words[here]
            if here in names:
                return
            if word.islower():
                kind = self.facts[here].kind
                is_rest = self.words[place].islower() and (
                    kind >= Kind.UNKNOWN or (kind == Kind.MISTYPED and may_be_surname(word))
                )
            elif len(word) == 1:
                is_rest = self._is_followed_by_name(here)
            else:
                is_third = here > 1 and self.is_beside_given_name(here) and here - 1 != place
                is_third = is_third or (here - 2 in names and self.is_beside_given_name(here))
                is_rest = (
                    self.folded[here] in _SUFFIXES
                    or (is_third and self.folded[here] in _SURNAMES_BEHIND_NAME)
                    or (self.kinds[here] == Kind.MISTYPED and may_be_surname(self.folded[here]))
                )
            if not is_rest:
                break
            yield here
        # VANCE, OPAL
        if (
            place - 1 not in names
            and self.facts[place].kind != Kind.KNOWN
            and self.are_joined(place, _COMMA)
            and (
                (self.capital[place + 1] and self.folded[place + 1] in GIVEN_NAMES_IN_ROWS)
                or (self.words[place].islower() and self.facts[place + 1].kind == Kind.GIVEN)
                or (
                    self.kinds[place + 1] == Kind.MISTYPED
                    and may_be_surname(self.folded[place])
                    and place > 0
                    and self.folded[place - 1] in PERSONS
                )
            )
        ):
            yield place + 1

    def _is_followed_by_name(self, place: int) -> bool:
        return (
            self.words[place].isupper()
            and self.are_joined(place, DOTTED)
            and (self.kinds[place + 1] != Kind.KNOWN)
        )

    def find_rows(self) -> set[int]:
        """Find names among capitalised words in a row, of which the first has a small letter."""
        names: set[int] = set()
        place = 0
        while place < len(self.words):
            row = self._list_row(place) if self._may_begin_row(place) else [place]
            place = row[-1] + 1
            if len(row) > 1:
                names |= self._list_names_of_row(row)
        return names

    def _may_begin_row(self, place: int) -> bool:
        return self.capital[place] and not self.words[place].isupper() and not self._ends_row(place)

    def _ends_row(self, place: int) -> bool:
        return self.folded[place] in _END_OF_ROW

    def _list_row(self, place: int) -> list[int]:
        row = [place]
        while True:
            here = row[-1]
            dotted = len(self.words[here]) == 1 or self.folded[here] in _PARTICLES
            gap = DOTTED if dotted else BLANK
            if not self.are_joined(here, gap):
                break
            after = here + 1
            if self.capital[after]:
                if self._ends_row(after) or self._begins_capitals(after):
                    break
            elif self.words[after].split("-")[0] not in _PARTICLES:
                break
            row.append(after)
        while self.words[row[-1]].islower() or len(self.words[row[-1]]) == 1:
            row.pop()  # a particle, or an initial
            if len(row) == 1:
                break
        return row

    def _begins_capitals(self, place: int) -> bool:
        """Whether known words in capitals begin: Sean WANTED ON WARRANT, but not Jane DOE."""
        return (
            len(self.words[place]) > 1
            and self.words[place].isupper()
            and self.kinds[place] == Kind.KNOWN
            and self.are_joined(place, BLANK)
            and self.words[place + 1].isupper()
        )

    def _list_names_of_row(self, row: list[int]) -> set[int]:
        """Take away places, and words in front of a given name; the rest is a name."""
        for index in range(len(row) - 1, 0, -1):
            word = self.folded[row[index]]
            if word in _END_OF_PLACE:
                is_surname = (
                    word in SURNAMES_AND_WORDS
                    and index == 1
                    and (self.kinds[row[0]] == Kind.GIVEN or self.is_given_and_word(row[0]))
                )
                if not is_surname:
                    row = row[index + 1 :]
                    break
        # Pushed Ashgarthe, Sexual Assault Dean
        told = [index for index, place in enumerate(row[:-1]) if is_done(self.folded[place])]
        if told:
            row = row[told[-1] + 1 :]
        if len(row) > 1 and self.is_of_saint(row[1]):
            row = row[2:]
        while len(row) > 1 and self._is_word_before_name(row):
            row = row[1:]
        if len(row) < 2:
            return set()
        is_name = any(
            self.kinds[place] >= Kind.UNKNOWN or self.folded[place] in GIVEN_NAMES_IN_ROWS
            for place in row
        )
        return set(row) if is_name else set()

    def _is_word_before_name(self, row: list[int]) -> bool:
        first, second = row[0], row[1]
        if self.kinds[first] != Kind.KNOWN or self.folded[first] in _PARTICLES:
            return False
        if self.folded[first] in GIVEN_NAMES_IN_ROWS | SURNAMES_AND_WORDS:
            return False
        return self.kinds[second] == Kind.GIVEN or self.is_given_and_word(second)


def mask_names(text: str) -> str:
    """Mask names and streets that capitals give away.

    Args:
        text: A text; what else is personal in it is masked already.
    """
    words = _Names(text)
    streets = words.find_streets()
    masks = [(start, words.spans[last][1], ADDRESS) for _, last, start in streets]
    in_streets = {place for first, last, _ in streets for place in range(first, last + 1)}
    previous = -1
    for place in sorted(words.find_names() - in_streets):
        start, end = words.spans[place]
        if previous == place - 1 and words.are_in_one_name(previous):
            start = masks.pop()[0]
        masks.append((start, end, NAME))
        previous = place
    for start, end, mask in sorted(masks, reverse=True):
        text = text[:start] + mask + text[end:]
    return text


def mask_titled_names(text: str) -> str:
    """Mask what follows MR or MRS, with its particles: Mr van der Berg, but not "his mrs was hit".

    Args:
        text: A text in which other names are masked already.
    """
    return _TITLED.sub(_mask_titled_name, text)


def _mask_titled_name(match: re.Match[str]) -> str:
    name, is_partner = match["name"], match["partner"] is not None
    # an initial or a particle before such a word may be the name: mrs van was hit
    while (last := _LAST_WORD.search(name)) and is_no_name(last[1], is_partner=is_partner):
        name = name[: last.start()]
    return match[1] + NAME + match["name"][len(name) :] if name else match[0]


def mask_announced_names(text: str) -> str:
    """Mask one or two words with a capital behind "known as" and AKA: AKA GHOST STABBED HIM.

    Args:
        text: A text in which other names are masked already.
    """
    return _ANNOUNCED.sub(_mask_announced_name, text)


def _mask_announced_name(match: re.Match[str]) -> str:
    before, name, second = match[1], match[2], match[3] or ""
    if not name[0].isupper() or is_no_name(name):
        return match[0]
    is_part = second[1:2].isupper() and not is_no_name(second.strip())
    return before + NAME + ("" if is_part else second)


def is_no_name(word: str, *, is_partner: bool = False) -> bool:
    """Whether a word is a verb or another such word of an account, where a name may stand.

    Args:
        word: A word.
        is_partner: Whether it follows "his mrs" or the like: then it is a name only if it is a
            given name or a surname, or no word at all.
    """
    if len(word) > 1 and not word.islower() and not word.isupper():
        return False  # its capital is no matter of course: Mrs Said
    folded = fold(word).replace("'", "").replace("’", "")
    return (
        len(folded) < 2
        or folded in _BEHIND_TITLE
        or (
            (is_partner or _VERB.fullmatch(folded) is not None)
            and describe_word(folded).kind <= (Kind.MISTYPED if is_partner else Kind.KNOWN)
            and folded not in (_SURNAMES_BEHIND_NAME if is_partner else _SURNAMES_BEHIND_RANK)
            and not may_be_surname(folded)
        )
    )
