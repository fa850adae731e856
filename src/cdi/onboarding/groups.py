"""Which group of the shared taxonomy a code stands for, proposed by the words of its name.

A proposal has a reason that a person can judge: the same name in the map of another agency, a
national code, or words. Where the words speak for two groups, nothing is proposed.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from cdi import paths
from cdi.onboarding.rules import read_rules

# what a map says of a code, without its name and notes
TARGETS: dict[str, tuple[str, ...]] = {
    "call_types": ("offence_group", "incident_category"),
    "offences": ("offence_group",),
    "closures": ("reason_code", "expects_record"),
}
_LONGEST_FORM = 3  # words
# "No injury" says nothing of injuries, and "except abandoned cars" nothing of those.
_NEGATIONS = {"no", "non", "not", "without", "except"}
# A phrase that speaks for no group has this in place of one: "bomb threat" is more than a threat.
_NO_GROUP = "?"
_SYSTEM_SHARE = (
    0.8  # so many of the codes must be of a national system, as single ones may be equal
)


@dataclass(frozen=True)
class GroupProposal:
    """What a code stands for.

    Attributes:
        target: Value of each column of `TARGETS`; blank if nothing is proposed.
        reason: What speaks for it, or why nothing is proposed.
        is_sure: Whether anything is proposed; "no crime" is a proposal too.
    """

    target: dict[str, str]
    reason: str
    is_sure: bool


@dataclass
class Vocabulary:
    """What is known of names: phrases with their target, and whole names of other agencies' maps.

    Attributes:
        map_name: `call_types`, `offences` or `closures`.
        phrases: The phrase and its target, by its words.
        names: Targets of the same name in other maps, by its words.
    """

    map_name: str
    phrases: dict[frozenset[str], tuple[str, tuple[str, ...]]]
    names: dict[tuple[str, ...], set[tuple[str, ...]]] = field(default_factory=dict)


def split_name(name: str) -> tuple[str, ...]:
    """Split a name into words of one spelling each: "Burg. - Auto" is burglary, vehicle."""
    words = _list_words(name)
    forms = _word_forms()
    spelt: list[str] = []
    place = 0
    while place < len(words):
        for length in range(min(_LONGEST_FORM, len(words) - place), 0, -1):
            phrase = words[place : place + length]
            if phrase in forms:
                spelt += forms[phrase]
                place += length
                break
        else:
            spelt.append(words[place])
            place += 1
    return tuple(spelt)


def _list_words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+", name.lower().replace("'", "")))


def _drop_negated(words: tuple[str, ...]) -> set[str]:
    """The words that no negation stands before."""
    return {
        word for before, word in zip(("", *words), words, strict=False) if before not in _NEGATIONS
    }


@cache
def _word_forms() -> dict[tuple[str, ...], list[str]]:
    return {tuple(rule["short"].split()): rule["long"].split() for rule in read_rules("word_forms")}


def read_vocabulary(map_name: str) -> Vocabulary:
    """Read what is known for one kind of map: the shipped words, and the maps of the agencies.

    Args:
        map_name: `call_types`, `offences` or `closures`.
    """
    columns = TARGETS[map_name]
    rules = read_rules("reason_words" if map_name == "closures" else "group_words")
    vocabulary = Vocabulary(
        map_name,
        {
            frozenset(split_name(rule["phrase"])): (
                rule["phrase"],
                tuple(rule[column] for column in columns),
            )
            for rule in rules
        },
    )
    names = defaultdict(set)
    for file in sorted(paths.agencies_folder().glob(f"*/{map_name}.csv")):
        with file.open(newline="", encoding="utf-8-sig") as handle:
            for row in csv.DictReader(handle):
                words = _list_words(row.get("name") or "")
                # Nobody has decided yet what is unsure, and a bare number is no name: each agency
                # counts its codes in its own way.
                is_decided = "unsure" not in (row.get("note") or "")
                if is_decided and re.search("[a-z]", " ".join(words)):
                    names[words].add(tuple(row.get(column) or "" for column in columns))
    vocabulary.names = dict(names)
    return vocabulary


def propose_group(vocabulary: Vocabulary, name: str) -> GroupProposal:
    """Propose what a name stands for.

    Args:
        vocabulary: What is known of names.
        name: The code's name, or the code itself if it is in words.
    """
    same = vocabulary.names.get(_list_words(name), set())
    if len(same) == 1:
        return _propose(vocabulary, next(iter(same)), "the same name in the map of another agency")
    words = split_name(name)
    # of a closure, "no report" is what counts
    counting = set(words) if vocabulary.map_name == "closures" else _drop_negated(words)
    phrases = {phrase for phrase in vocabulary.phrases if phrase <= counting}
    # "burglar alarm" says more than "burglar": a phrase within another one does not count
    longest = {p for p in phrases if not any(p < other for other in phrases)}
    targets = {vocabulary.phrases[phrase][1] for phrase in longest}
    spoken = " and ".join(sorted(f"'{vocabulary.phrases[phrase][0]}'" for phrase in longest))
    if any(target[0] == _NO_GROUP for target in targets):
        return _propose(vocabulary, None, f"unsure: {spoken} may be of several groups")
    if len(targets) == 1:
        return _propose(vocabulary, targets.pop(), f"the words {spoken}")
    if targets:
        return _propose(vocabulary, None, f"unsure: {spoken} suggest different groups")
    return _propose(vocabulary, None, "unsure: no word of it is known")


def _propose(vocabulary: Vocabulary, target: tuple[str, ...] | None, reason: str) -> GroupProposal:
    columns = TARGETS[vocabulary.map_name]
    values = target or ("",) * len(columns)
    return GroupProposal(dict(zip(columns, values, strict=True)), reason, target is not None)


def propose_by_system(map_name: str, codes: Iterable[str]) -> dict[str, GroupProposal]:
    """Propose groups by a national list of codes, if nearly all codes are of it.

    Args:
        map_name: Only offences have national codes: the Home Office's, or NIBRS.
        codes: The codes of the agency.

    Returns:
        The proposals by code; none if the codes are of no known system.
    """
    codes = list(codes)
    if map_name != "offences" or not codes:
        return {}
    for system, groups in _read_systems().items():
        known = {code: groups[key] for code in codes if (key := _squeeze(code)) in groups}
        if len(known) >= _SYSTEM_SHARE * len(codes):
            return {
                code: GroupProposal({"offence_group": group}, f"the {system} code", True)
                for code, group in known.items()
            }
    return {}


@cache
def _read_systems() -> dict[str, dict[str, str]]:
    """The groups of national codes, by system and by the code without its punctuation."""
    with (paths.DBT_PROJECT / "seeds" / "offence_classes.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        home_office = {
            _squeeze(row["ho_code"]): row["offence_group"] for row in csv.DictReader(file)
        }
    systems: dict[str, dict[str, str]] = {"Home Office": home_office}
    for rule in read_rules("offence_codes"):
        systems.setdefault(rule["system"], {})[_squeeze(rule["code"])] = rule["offence_group"]
    return systems


def _squeeze(code: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", code.upper())


def flags_of(name: str) -> dict[str, bool]:
    """Whether a name says rape, and whether it says domestic abuse."""
    words = _drop_negated(split_name(name))
    return {"is_rape": "rape" in words, "is_domestic_abuse": "domestic" in words}
