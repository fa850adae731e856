"""The regular expressions and time formats of agency.yaml, checked by the database that reads them.

They have a module of their own since each DAG file loads the agencies, and must not load DuckDB.
"""

from collections.abc import Iterator

import duckdb

from cdi.agency.mapping import NAMED_FORMATS
from cdi.agency.model import Agency
from cdi.errors import AgencyError
from cdi.sql import connect


def check_patterns(agency: Agency) -> None:
    """Check the regular expressions and time formats of agency.yaml by letting DuckDB compile them.

    Raises:
        AgencyError: AGENCY-SCHEMA with the key of everything that DuckDB cannot read.
    """
    with connect() as con:
        problems = [
            f"key `{key}`: '{value}' is not {what}: {error}"
            for key, value, what, query, values in _list_expressions(agency)
            if (error := _find_error(con, query, values))
        ]
    if problems:
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{agency.folder / 'agency.yaml'}\n    " + "\n    ".join(problems),
            "correct the keys named above; docs/onboarding.md explains each",
        )


def _list_expressions(agency: Agency) -> Iterator[tuple[str, str, str, str, list[str]]]:
    """List key, value, what the value has to be, and a query with its values that compiles it."""
    pattern, match = "a regular expression (RE2)", "select regexp_matches('', ?)"
    for thing, rules in agency.key_rules.items():
        for number, rule in enumerate(rules):
            key = f"key_rules.{thing}.{number}"
            yield f"{key}.pattern", rule.pattern, pattern, match, [rule.pattern]
            written = "a canonical form of that pattern", "select regexp_replace('', ?, ?)"
            yield f"{key}.canonical", rule.canonical, *written, [rule.pattern, rule.canonical]
    for dataset, source in agency.sources.items():
        place = f"sources.{dataset}"
        if source.rows:
            matches = source.rows.matches
            yield f"{place}.rows.matches", matches, pattern, match, [matches]
        for name, mapping in source.columns.items():
            key = f"{place}.columns.{name}"
            if mapping.extract:
                with_group = f"{pattern} with a group", r"select regexp_replace('', ?, '\1')"
                yield f"{key}.extract", mapping.extract, *with_group, [mapping.extract]
            for form in mapping.format:
                if form not in NAMED_FORMATS:
                    yield f"{key}.format", form, "a format", "select try_strptime('', ?)", [form]


def _find_error(
    con: duckdb.DuckDBPyConnection, query: str, values: list[str]
) -> duckdb.Error | None:
    try:
        con.execute(query, values)
    except duckdb.Error as error:
        return error
    return None
