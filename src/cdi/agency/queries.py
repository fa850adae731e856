"""The queries beside agency.yaml: whether each is there, and looks like one SELECT.

It is a simple look at the words and no parser: what protects a database is a login that may only
read.
"""

import re
from pathlib import Path

from cdi.agency.model import Agency
from cdi.errors import AgencyError

# What is no word of a query: comments, texts and quoted names.
_UNREAD = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\[[^\]\n]*\]", re.S)
_CHANGES = re.compile(
    r"\b(?:insert|update|delete|merge|truncate|drop|alter|create|grant|revoke|into)\b", re.I
)


def check_queries(agency: Agency) -> None:
    """Check the files that `sources.*.sql.query` names.

    Args:
        agency: The agency.

    Raises:
        AgencyError: AGENCY-QUERY with the key, file and problem of every query that is not there or
            does not look like one SELECT.
    """
    problems = []
    for dataset, source in agency.sources.items():
        if source.sql is None or source.sql.query is None:
            continue
        file = agency.folder / source.sql.query
        if problem := _find_problem(file):
            problems.append(f"key `sources.{dataset}.sql.query`: {file} {problem}")
    if problems:
        raise AgencyError(
            "AGENCY-QUERY",
            f"{agency.folder / 'agency.yaml'}\n    " + "\n    ".join(problems),
            "write one SELECT into each file, UTF-8, beside agency.yaml (this is a simple look at "
            "its words, not a parser)",
        )


def _find_problem(file: Path) -> str:
    """Say why a file is not one SELECT; blank if it looks like one."""
    if not file.is_file():
        return "is not there"
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8"
    words = _UNREAD.sub(" ", text).strip().removesuffix(";").strip()
    if not re.match(r"(?:select|with)\b", words, re.I):
        return "does not begin with SELECT or WITH"
    if ";" in words:
        return "has more than one statement"
    if change := _CHANGES.search(words):
        return f"has the word {change[0].upper()}, so it may change something"
    return ""
