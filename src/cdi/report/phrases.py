"""The words of a log that the lexicon's phrases found, so that a reader sees why an entry was hit.

The models say which entry a log hits (`int_disclosure__lexicon_hits`) but not by which words, so
these are looked for again here. The rule is that of `dbt_project/macros/lexicon.sql`: a phrase is
matched as whole words, terms in braces are written out, and a crime is looked for only in clauses
that deny nothing. If the models kept the words, this module would not be needed.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from cdi.sql import fetch_dicts, read_query

SQL = Path(__file__).parent / "sql"
# Terms may use other terms. The macro `written_out` replaces them as many times.
LEVELS_OF_TERMS = 4


def find_said_words(
    con: duckdb.DuckDBPyConnection, calls: Sequence[str]
) -> dict[str, dict[str, list[str]]]:
    """Find the words of logs that entries of the lexicon match.

    Args:
        con: A published (or private) file.
        calls: Ids of the calls.

    Returns:
        By call and then by entry the matched words, each once.
    """
    lexicon = fetch_dicts(
        con,
        "select lexicon_id, part, meaning, pattern, phrase_id from rules.lexicon "
        "order by phrase_id",
    )
    terms = dict(con.execute("select term, words from rules.lexicon_terms").fetchall())
    for entry in lexicon:
        entry["phrase"] = rf"\b(?:{write_out_terms(entry.pop('pattern'), terms)})\b"
    hit_ids = {
        row[0]
        for row in con.execute(
            "select distinct lexicon_id from disclosure.int_disclosure__lexicon_hits "
            "where call_id in (select unnest($calls))",
            {"calls": calls},
        ).fetchall()
    }
    if not hit_ids:
        return {}
    # Most of the lexicon hits none of the calls, and each phrase costs a search of each text.
    values = {
        "calls": calls,
        "phrases": [entry for entry in lexicon if entry["lexicon_id"] in hit_ids],
        "denials": "|".join(e["phrase"] for e in lexicon if e["meaning"] == "negates_clause"),
    }
    said: dict[str, dict[str, list[str]]] = {}
    rows = con.execute(read_query(SQL / "said_words.sql"), values).fetchall()
    for call_id, lexicon_id, words in rows:
        words_of_entry = said.setdefault(call_id, {}).setdefault(lexicon_id, [])
        if words not in words_of_entry:
            words_of_entry.append(words)
    return said


def write_out_terms(pattern: str, terms: Mapping[str, str]) -> str:
    """Replace each {term} of a pattern by its words; a term may use others.

    Args:
        pattern: Of the lexicon.
        terms: The words of each term, as a regular expression.
    """
    for _ in range(LEVELS_OF_TERMS):
        pattern = re.sub(r"\{([a-z_]+)\}", lambda match: f"(?:{terms[match[1]]})", pattern)
    return pattern
