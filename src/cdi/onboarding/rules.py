"""The rules of the proposals, which are data: CSV files in the folder ``rules/`` beside."""

import csv
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "rules"
SQL = Path(__file__).parent / "sql"


@cache
def read_rules(name: str) -> tuple[dict[str, str], ...]:
    """Read a table of rules.

    Args:
        name: Name of the file without its ending, e.g. `column_synonyms`.

    Returns:
        The rows in the order of the file.
    """
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))
