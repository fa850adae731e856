"""The lexicon applied in the plainest way: every entry of a log against every phrase, in Python."""

import csv
import re
from collections import defaultdict
from functools import cache
from typing import Any

import duckdb

from cdi import paths

CLAUSES = re.compile(r"[,.;/]| but | however | although ")
NEW_SUBJECT = re.compile(r" and (he|she|they) ")


def seed(name: str) -> list[dict[str, str]]:
    """The rows of a seed."""
    with (paths.DBT_PROJECT / "seeds" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def phrases() -> dict[tuple[str, str, str], list[re.Pattern[str]]]:
    """Phrases by (part, meaning, lexicon_id), their terms written out."""
    terms = {row["term"]: row["words"] for row in seed("lexicon_terms")}
    found = defaultdict(list)
    for row in seed("lexicon"):
        pattern = row["pattern"]
        while named := re.search(r"\{([a-z_]+)\}", pattern):
            pattern = pattern.replace(named[0], f"(?:{terms[named[1]]})")
        key = (row["part"], row["meaning"], row["lexicon_id"])
        found[key].append(re.compile(rf"\b(?:{pattern})\b", re.ASCII))
    return found


@cache
def entries() -> dict[str, dict[str, str]]:
    """A row of each entry: all have the same subject, strength and groups."""
    return {row["lexicon_id"]: row for row in seed("lexicon")}


def explains_away(doubt: str, name: str) -> bool:
    """Whether a hit is not to count beside a doubt of the same text."""
    row, hit = entries()[doubt], entries()[name]
    if row["meaning"] not in ("no_crime", "unsure"):
        return False
    if hit["meaning"] != "crime":
        return True
    is_of_its_group = hit["subject"] in (row["replaces"] or hit["subject"]).split()
    return is_of_its_group and (row["strength"] == "likely" or hit["strength"] == "possible")


def says(text: str, some: list[re.Pattern[str]]) -> bool:
    """Whether a text says one of some phrases."""
    return any(phrase.search(text) for phrase in some)


def hits(entries: list[tuple[str, str, int, str]]) -> set[tuple[Any, ...]]:
    """What the lexicon finds.

    Args:
        entries: call_id, part, entry_number, entry.

    Returns:
        (call_id, part, entry_number, lexicon_id, is_explained_away).
    """
    known = phrases()
    denials = [p for (_, meaning, _), some in known.items() if meaning == "negates_clause"
               for p in some]  # fmt: skip
    found = set()
    for call_id, part, number, entry in entries:
        clauses = CLAUSES.split(NEW_SUBJECT.sub(r" , \1 ", entry))
        asserted = " , ".join(c for c in clauses if not says(c, denials)).rstrip(" ,.!?")
        said = {
            name
            for (of, meaning, name), some in known.items()
            if of == part
            and meaning != "negates_clause"
            and says(asserted if meaning == "crime" else entry, some)
        }
        found |= {
            (call_id, part, number, name, any(explains_away(doubt, name) for doubt in said))
            for name in said
        }
    return found


def differing(con: duckdb.DuckDBPyConnection, logs: int, at_least: int) -> set[tuple[Any, ...]]:
    """Hits that a build has and reading by hand has not, or the other way round.

    Args:
        con: A published file.
        logs: How many logs to read, drawn by a hash of their number.
        at_least: Hits that there must be, or nothing is proven.
    """
    read = con.execute(
        "select call_id, part, entry_number, entry from disclosure.int_disclosure__log_entries "
        "where call_id in (select call_no from fct_calls order by md5(call_id) limit $logs)",
        {"logs": logs},
    ).fetchall()
    built = con.execute(
        "select call_id, part, entry_number, lexicon_id, is_explained_away, words "
        "from disclosure.int_disclosure__lexicon_hits where list_contains($ids, call_id)",
        {"ids": list({row[0] for row in read})},
    ).fetchall()
    assert len(built) >= at_least
    found = {row[:-1] for row in built}
    assert len(found) == len(built)
    texts = {row[:3]: row[3] for row in read}
    known = {name: (meaning, some) for (_, meaning, name), some in phrases().items()}
    for *entry, name, _, words in built:
        text = texts[tuple(entry)]
        assert words, f"The hit of {name} does not say which words it found."
        for said in words:
            meaning, some = known[name]
            if meaning == "crime":
                # It is found in what the log asserts, where clauses that are apart stand together.
                assert all(clause.strip() in text for clause in said.split(" , ")), (name, said)
                continue
            places = [match.start() for match in re.finditer(re.escape(said), text)]
            matches = [phrase.match(text, place) for phrase in some for place in places]
            assert said in {match[0] for match in matches if match}, (name, said)
    return found ^ hits(read)
