"""The code maps with counts, and what is proposed for each code; rare codes are left out.

A code that fewer than ten rows have may be a typing error that names somebody, so it is neither
written nor printed; a code that looks personal is not either, however often it is seen.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from cdi.agency.code_maps import CODE_MAPS
from cdi.onboarding.columns import Mapping
from cdi.onboarding.groups import (
    GroupProposal,
    flags_of,
    propose_by_system,
    propose_group,
    read_vocabulary,
)
from cdi.onboarding.objections import MOST_CODES
from cdi.onboarding.profile import ColumnProfile
from cdi.onboarding.reading import Sample
from cdi.onboarding.rules import read_rules
from cdi.sql import ident

LEAST_ROWS = 10
# A code is short; so many digits are the number of a phone, a person or a case.
_LONG_NUMBER = r"\d{10,}"
FIRST_CODES = 20  # so many codes a person maps in some minutes
# Above this share of rows whose code is not in the map, the rule of that column stops a batch.
MOST_UNKNOWN = 0.02
STOPPING_RULES = {"final_type_code": "CALL-07", "offence_code": "CRM-04"}
# the columns whose codes a map holds, each with the column of its name
CODE_COLUMNS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "call_types": (
        "calls",
        (("final_type_code", "final_type_name"), ("initial_type_code", "initial_type_name")),
    ),
    "closures": ("calls", (("disposition_code", "disposition_name"),)),
    "offences": ("crime_records", (("offence_code", "offence_name"),)),
}


@dataclass(frozen=True)
class CodeRow:
    """A code of an agency, and what is proposed for it.

    Attributes:
        code: The code.
        name: Its most frequent name, or the code itself.
        count: How many rows have it.
        is_final: Whether those rows have it in the map's first column; of a type that calls have
            only while they are opened, the rows count under another code.
        proposal: What it stands for.
    """

    code: str
    name: str
    count: int
    is_final: bool
    proposal: GroupProposal


@dataclass(frozen=True)
class CodeMap:
    """A code map that is proposed.

    Attributes:
        name: Name of the file without its ending.
        rows: The codes, the most frequent first.
        row_count: How many rows of the source have any code.
        rare_count: How many codes are left out, as few rows have them or as they look personal.
    """

    name: str
    rows: tuple[CodeRow, ...]
    row_count: int
    rare_count: int

    def share_of(self, rows: Iterable[CodeRow]) -> float:
        """The share of the source's rows that have one of some codes."""
        count = sum(row.count for row in rows if row.is_final)
        return count / self.row_count if self.row_count else 0.0

    @property
    def first_share(self) -> float:
        """The share of rows that is mapped once the first codes are."""
        return self.share_of(self.rows[:FIRST_CODES])

    @property
    def proposed_share(self) -> float:
        """The share of rows whose code has a proposal."""
        return self.share_of(row for row in self.rows if row.proposal.is_sure)

    @property
    def records(self) -> list[dict[str, str]]:
        """The rows of the file."""
        return [_describe_row(self.name, row) for row in self.rows]


def propose_code_map(
    con: duckdb.DuckDBPyConnection,
    name: str,
    samples: dict[str, Sample],
    mappings: dict[str, Mapping],
) -> CodeMap:
    """Count the codes of a map and propose what they stand for.

    Args:
        con: The connection that has the samples' tables.
        name: `call_types`, `closures` or `offences`.
        samples: The samples by dataset.
        mappings: What is proposed for their columns.
    """
    dataset, columns = CODE_COLUMNS[name]
    counted: dict[str, tuple[str, int, bool]] = {}
    row_count = rare_count = 0
    for place, (code_column, name_column) in enumerate(columns):
        code = _find_code_column(mappings[dataset], code_column)
        if code is None:
            continue
        words = mappings[dataset].source_of(name_column)
        found = _count_codes(con, samples[dataset].table, code.name, words.name if words else None)
        shown = [row for row in found if row[2] >= LEAST_ROWS and not is_personal_text(row[0])]
        for text, described, count in shown:
            named = text if is_personal_text(described) else described
            counted.setdefault(text, (named, count, place == 0))
        if place == 0:
            row_count = sum(count for _, _, count in found)
            rare_count = len(found) - len(shown)
    national = propose_by_system(name, counted)
    vocabulary = read_vocabulary(name)
    rows = tuple(
        CodeRow(code, words, count, final, national.get(code) or propose_group(vocabulary, words))
        for code, (words, count, final) in sorted(counted.items(), key=lambda item: -item[1][1])
    )
    return CodeMap(name, rows, row_count, rare_count)


def _find_code_column(mapping: Mapping, name: str) -> ColumnProfile | None:
    """The source column whose values may be shown as codes; None if it may hold something else.

    A column that no name proposes may hold the names of officers, who are as few as codes are.
    """
    proposal = mapping.proposals.get(name)
    if proposal is None or not proposal.score:
        return None
    profile = proposal.profile
    is_few = profile.distinct_count <= MOST_CODES
    return profile if is_few and not profile.personal_shape else None


def _count_codes(
    con: duckdb.DuckDBPyConnection, table: str, code: str, name: str | None
) -> list[tuple[str, str, int]]:
    """Count the codes, each with its most frequent name, if enough rows have that name."""
    words = ident(name) if name else "null"
    return con.execute(
        f"""
        with pairs as (
            select {ident(code)} as code, {words} as name, count(*) as row_count
            from {ident(table)} where {ident(code)} is not null group by all
        )
        select code,
            coalesce(arg_max(name, row_count) filter (where row_count >= $least_rows), code),
            cast(sum(row_count) as bigint)
        from pairs group by code order by 3 desc, 1
        """,
        {"least_rows": LEAST_ROWS},
    ).fetchall()


def is_personal_text(text: str) -> bool:
    """Whether a value looks like a phone, an address or another personal thing."""
    return any(re.fullmatch(pattern, text) for pattern in _personal_patterns())


def _personal_patterns() -> list[str]:
    # Python's expressions have no class for letters of any language.
    shapes = [
        rule["pattern"].replace(r"\pL", "A-Za-zÀ-ÿ") for rule in read_rules("personal_shapes")
    ]
    return [*shapes, _LONG_NUMBER]


def _describe_row(map_name: str, row: CodeRow) -> dict[str, str]:
    """Make the row of the file; the columns are those that `check-agency` expects."""
    flags = {name: str(value).lower() for name, value in flags_of(row.name).items()}
    values = {
        "code": row.code,
        "name": row.name,
        "expects_record": "false",
        **flags,
        **{column: value for column, value in row.proposal.target.items() if value},
        "note": f"{row.count:,} rows{'' if row.is_final else ' as opened'}; {row.proposal.reason}",
    }
    return {column: values.get(column, "") for column in CODE_MAPS[map_name]}
