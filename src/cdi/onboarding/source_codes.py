"""Asks which codes of a source have no row in the code maps; rare and personal ones stay unseen."""

from collections.abc import Iterator

import duckdb

from cdi.agency.code_maps import (
    CODED_COLUMNS,
    QUALIFIER_SEPARATORS,
    normalise_code,
    read_known_codes,
)
from cdi.agency.model import Agency
from cdi.onboarding.codes import (
    LEAST_ROWS,
    MOST_UNKNOWN,
    STOPPING_RULES,
    is_personal_text,
)
from cdi.onboarding.findings import Finding, count_rows, write_share
from cdi.onboarding.objections import MOST_CODES
from cdi.onboarding.profile import name_personal_words
from cdi.onboarding.source_content import Loaded
from cdi.sql import ident, literal

_MOST_SHOWN = 20  # so many codes a person maps in some minutes


def check_codes(
    con: duckdb.DuckDBPyConnection, agency: Agency, loaded: dict[str, Loaded]
) -> Iterator[Finding]:
    """Say which codes have no row in the code maps, with the share of rows of each.

    Args:
        con: The connection that has the tables.
        agency: The agency; its code maps were checked.
        loaded: What was read, by dataset.
    """
    for name, columns in CODED_COLUMNS.items():
        for dataset, codes in columns.items():
            for code in codes:
                if dataset in loaded and loaded[dataset].has(code):
                    yield _check_code(con, agency, name, dataset, code)


def _check_code(
    con: duckdb.DuckDBPyConnection, agency: Agency, name: str, dataset: str, code: str
) -> Finding:
    known = read_known_codes(agency, name)
    # A log has several qualifiers in one text, each of which needs a row.
    parts = f"regexp_split_to_array({ident(code)}, {literal(QUALIFIER_SEPARATORS)})"
    value = f"trim(unnest({parts}))" if name == "qualifiers" else ident(code)
    rows = con.execute(
        f"select code, count(*) from (select {value} as code from {ident(dataset)}) "
        "where code <> '' group by code order by 2 desc, 1"
    ).fetchall()
    total = sum(count for _, count in rows)
    unknown = [
        (text, count) for text, count in rows if normalise_code(agency, name, text) not in known
    ]
    missing = sum(count for _, count in unknown)
    file, source = f"{name}.csv", agency.sources[dataset].columns[code].source
    share = write_share(missing, total)
    counted = f"{share} words" if name == "qualifiers" else f"{share} rows with one"
    told = f"the codes of {counted} are not in it"
    fix = "add a row for each code"
    if not (agency.folder / file).is_file():
        told = f"there is no such file for the codes of {counted}"
        fix = "write it with a row for each code"
    if not rows:
        return Finding(
            "look",
            code,
            f"no row that was read has a value in {source}, so no code was compared",
            "see whether rows were read, and whether it is the right column",
            file,
        )
    if not unknown:
        return Finding(
            "fine", code, f"{count_rows(len(rows), 'code')} in use, each with a row", file=file
        )
    told += _list_codes(unknown, total, source, len(rows))
    rule = STOPPING_RULES.get(code, "")
    stops = bool(rule) and missing > MOST_UNKNOWN * total
    if stops:
        told += f"; above {MOST_UNKNOWN:.0%}, {rule} stops the batch"
    fix += f"; list the values of {source} in the source to see all"
    return Finding("stop" if stops else "look", code, told, fix, file)


def _list_codes(unknown: list[tuple[str, int]], total: int, source: str, code_count: int) -> str:
    """List codes with their shares; rare ones, and those that may be personal, are counted."""
    shown = [
        (text, count)
        for text, count in unknown
        if count >= LEAST_ROWS and not is_personal_text(text)
    ]
    # A column with as many values as this, or with such a name, holds no codes but people.
    if code_count > MOST_CODES or name_personal_words(source):
        shown = []
    listed = [f"{text} {count / total:.1%}" for text, count in shown[:_MOST_SHOWN]]
    if others := len(unknown) - len(listed):
        listed.append(f"{count_rows(others, 'code')} not shown, as rare or perhaps personal")
    return f": {', '.join(listed)}"
