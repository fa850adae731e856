"""Letters that a phrase of the lexicon needs: a text without them cannot match it.

Most of the lexicon's entries match nothing in a given text, and to find that out by the pattern
costs as much as to find a match. So a text is read only for those entries of which it has some
letters. In `(?:stolen|taken) from` these are `stolen` or `taken`, as one of the two stands in
whatever matches; `from` stands there too, but the longer letters are the rarer ones.

What is not understood counts as needing nothing, and then each text is read for it. A pattern is
understood if it consists of the parts that `PART` lists.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

COLUMNS = {"lexicon_id": "VARCHAR", "part": "VARCHAR", "letters": "VARCHAR"}

# One part of a regular expression (a group's beginning or end, a bar, a term of the lexicon, a
# class, a character), and how often it stands there if that is said.
ESCAPED = r"\\(?:[bdswDSW]|[^a-zA-Z0-9])"
PART = re.compile(
    rf"(\(\?:|[)|]|\{{[a-z_]+\}}|\[(?:{ESCAPED}|[^\\\[\]])+\]|{ESCAPED}|[^\\\[\](){{}}|?*+])"
    r"((?:(?:[?*+]|\{\d+(?:,\d*)?\})\??)?)"
)

Letters = frozenset[str]  # one of them is needed
NOTHING: Letters = frozenset()


@dataclass
class _Group:
    """What the branches of a group need, while it is read from left to right."""

    branches: list[Letters] = field(default_factory=list)
    best: Letters = NOTHING  # of what the present branch needs
    run: str = ""  # letters that stand side by side

    def offer(self, letters: Letters) -> None:
        """Take what the branch needs as well, if its shortest letters are longer."""
        if min(map(len, letters), default=0) > min(map(len, self.best), default=0):
            self.best = letters

    def end_run(self) -> None:
        """Offer the letters that stood side by side."""
        self.offer(frozenset({self.run} - {""}))
        self.run = ""

    def end_branch(self) -> None:
        """Keep what the branch needs."""
        self.end_run()
        self.branches.append(self.best)
        self.best = NOTHING

    def end(self) -> Letters:
        """End the last branch, and tell what the group needs: what one of its branches needs."""
        self.end_branch()
        return NOTHING.union(*self.branches) if all(self.branches) else NOTHING


def needed_letters(pattern: str, terms: Mapping[str, Letters]) -> Letters:
    """Find letters of which one stands side by side in whatever a pattern matches.

    Args:
        pattern: A regular expression, whose terms stand in braces.
        terms: What each term needs.

    Returns:
        The letters, a to z; none if the pattern can do without, or is not understood.
    """
    parts = PART.findall(pattern)
    if "".join(part + often for part, often in parts) != pattern:
        return NOTHING
    groups = [_Group()]
    for part, often in parts:
        if "a" <= part <= "z" and not often:
            groups[-1].run += part
            continue
        groups[-1].end_run()
        needed = NOTHING
        if part == "(?:":
            groups.append(_Group())
        elif part == "|":
            groups[-1].end_branch()
        elif part == ")":
            needed = groups.pop().end()
            if not groups:
                return NOTHING
        elif part[0] == "{":
            needed = terms.get(part[1:-1], NOTHING)
        if not often.startswith(("?", "*", "{0")):
            groups[-1].offer(needed)
    return groups[0].end() if len(groups) == 1 else NOTHING


def list_needed_letters(
    phrases: Iterable[tuple[str, str, str]], terms: Iterable[tuple[str, str]]
) -> list[dict[str, str]]:
    """List what each entry of the lexicon needs: the letters of one of its phrases.

    Args:
        phrases: lexicon_id, part and pattern of each.
        terms: Name and words of each.

    Returns:
        Rows of `COLUMNS`. An entry with a phrase that needs nothing has one row, without letters.
    """
    words = dict(terms)
    known: dict[str, Letters] = {}
    while len(known) < len(words):  # a term may use other terms, which are then known before it
        ready = {
            name: needed_letters(text, known)
            for name, text in words.items()
            if name not in known and known.keys() >= set(re.findall(r"\{([a-z_]+)\}", text))
        }
        known |= ready or dict.fromkeys(words.keys() - known.keys(), NOTHING)
    entries: dict[tuple[str, str], list[Letters]] = {}
    for lexicon_id, part, pattern in phrases:
        entries.setdefault((lexicon_id, part), []).append(needed_letters(pattern, known))
    return [
        {"lexicon_id": lexicon_id, "part": part, "letters": letters}
        for (lexicon_id, part), needs in entries.items()
        for letters in (sorted(NOTHING.union(*needs)) if all(needs) else [""])
    ]
