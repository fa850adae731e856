"""The regular expressions of agency.yaml, checked by the database that will read them.

They have a module of their own since each DAG file loads the agencies, and must not load DuckDB.
"""

import duckdb

from cdi.agency.model import Agency
from cdi.errors import AgencyError
from cdi.sql import connect


def check_patterns(agency: Agency) -> None:
    """Check the regular expressions of agency.yaml by letting DuckDB compile them.

    Raises:
        AgencyError: AGENCY-SCHEMA with the key of every expression that DuckDB cannot read.
    """
    patterns = {
        f"key_rules.{thing}.{place}.pattern": rule.pattern
        for thing, rules in agency.key_rules.items()
        for place, rule in enumerate(rules)
    }
    for dataset, source in agency.sources.items():
        if source.rows:
            patterns[f"sources.{dataset}.rows.matches"] = source.rows.matches
        patterns |= {
            f"sources.{dataset}.columns.{name}.extract": mapping.extract
            for name, mapping in source.columns.items()
            if mapping.extract
        }
    problems = []
    with connect() as con:
        for key, pattern in patterns.items():
            try:
                con.execute("select regexp_matches('', ?)", [pattern])
            except duckdb.Error as error:
                problems.append(
                    f"key `{key}`: '{pattern}' is not a regular expression (RE2): {error}"
                )
    if problems:
        raise AgencyError(
            "AGENCY-SCHEMA",
            f"{agency.folder / 'agency.yaml'}\n    " + "\n    ".join(problems),
            "correct the keys named above; docs/onboarding.md explains each",
        )
