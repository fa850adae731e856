"""The lexicon applied in the plainest way: every entry of a log against every phrase, in Python."""

import csv
import re
from collections import defaultdict
from typing import Any

import duckdb

from cdi import paths

CLAUSES = re.compile(r"[,.;/]| but | however | although ")


def _seed(name: str) -> list[dict[str, str]]:
    with (paths.DBT_PROJECT / "seeds" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _phrases() -> dict[tuple[str, str, str], list[re.Pattern[str]]]:
    """Phrases by (part, meaning, lexicon_id), their terms written out."""
    terms = {row["term"]: row["words"] for row in _seed("lexicon_terms")}
    found = defaultdict(list)
    for row in _seed("lexicon"):
        pattern = row["pattern"]
        while named := re.search(r"\{([a-z_]+)\}", pattern):
            pattern = pattern.replace(named[0], f"(?:{terms[named[1]]})")
        key = (row["part"], row["meaning"], row["lexicon_id"])
        found[key].append(re.compile(rf"\b(?:{pattern})\b", re.ASCII))
    return found


def _says(text: str, phrases: list[re.Pattern[str]]) -> bool:
    return any(phrase.search(text) for phrase in phrases)


def hits(logs: list[tuple[str, str, str]]) -> set[tuple[Any, ...]]:
    """What the lexicon finds.

    Args:
        logs: call_id, account_text, closing_text.

    Returns:
        (call_id, entry_number, lexicon_id, is_explained_away).
    """
    phrases = _phrases()
    denials = [p for (_, meaning, _), some in phrases.items() if meaning == "negates_clause"
               for p in some]  # fmt: skip
    found = set()
    for call_id, account, closing in logs:
        entries = [("account", e) for e in account.split(" / ")]
        entries += [("closing", e) for e in closing.split(" / ")]
        for number, (part, entry) in enumerate(entries, 1):
            asserted = " , ".join(c for c in CLAUSES.split(entry) if not _says(c, denials))
            said = {
                (meaning, name)
                for (of, meaning, name), some in phrases.items()
                if of == part and meaning != "negates_clause"
                and _says(asserted if meaning == "crime" else entry, some)
            }  # fmt: skip
            is_explained = any(meaning in ("no_crime", "unsure") for meaning, _ in said)
            found |= {(call_id, number, name, is_explained) for _, name in said}
    return found


def differing(con: duckdb.DuckDBPyConnection, logs: int, at_least: int) -> set[tuple[Any, ...]]:
    """Hits that a build has and reading by hand has not, or the other way round.

    Args:
        con: A published file.
        logs: How many logs to read, drawn by a hash of their number.
        at_least: Hits that there must be, or nothing is proven.
    """
    read = con.execute(
        "select call_id, account_text, closing_text from reporting.int_reporting__logs "
        "order by md5(call_id) limit $logs",
        {"logs": logs},
    ).fetchall()
    built = con.execute(
        "select call_id, entry_number, lexicon_id, is_explained_away "
        "from reporting.int_reporting__lexicon_hits where list_contains($ids, call_id)",
        {"ids": [row[0] for row in read]},
    ).fetchall()
    assert len(built) >= at_least
    assert len(set(built)) == len(built)
    return set(built) ^ hits(read)
