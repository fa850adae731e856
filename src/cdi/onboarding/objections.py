"""What the values of a source column say for or against what its name proposes."""

from cdi.agency.datasets import Column
from cdi.onboarding.profile import ColumnProfile

_ALWAYS = 0.99  # a required time or number that some rows lack was typed late or lost
_LEAST_CODES, MOST_CODES = 5, 500
_LEAST_REPEATED = 5  # rows that a code has on average; times of day and streets have fewer
_TRUE_VALUES = ("Y", "YES", "TRUE", "T", "1")
_LIMITS = {"longitude": 180.0, "latitude": 90.0}
IMPOSSIBLE = "the values are of another kind"
NAME_ALONE = "its name fits, its values do not"
EXCEL_DATES = (
    "these look like Excel serial dates, such as 45292.5 for noon on 1 January 2024; have them "
    "delivered as dates, or take this line if they are"
)


def find_objection(column: Column, profile: ColumnProfile, true_columns: set[str]) -> str:
    """Say why the values speak against a mapping.

    Args:
        column: The canonical column.
        profile: The source column.
        true_columns: Names of the source columns whose values are words for true and false.

    Returns:
        The reason, `IMPOSSIBLE` if nobody needs to look at it; blank if nothing speaks against it.
    """
    if not profile.filled_count:
        return IMPOSSIBLE
    if column.kind in ("timestamp", "birth_date"):
        return _find_objection_to_time(profile)
    if profile.time is not None:
        return IMPOSSIBLE
    if column.kind == "reference":
        return "" if profile.is_reference else IMPOSSIBLE
    if is_code(column):
        return _find_objection_to_code(profile)
    if column.kind in ("number", "age"):
        return _find_objection_to_number(column, profile)
    if column.kind == "boolean":
        return "" if profile.name in true_columns else IMPOSSIBLE
    return ""


def is_code(column: Column) -> bool:
    """Whether a column has one of a few values: a code, or the name of one."""
    return column.kind in ("code", "text") and column.name != "qualifiers"


def _find_objection_to_time(profile: ColumnProfile) -> str:
    time = profile.time
    if time is None:
        # Whole numbers of five digits are mostly those of something else; see `_add_names_alone`.
        return EXCEL_DATES if profile.is_excel_serial and profile.is_decimal else IMPOSSIBLE
    if time.problem:
        return time.problem
    if time.other_order:
        both = f"{time.uncertain_format} and {time.other_order}"
        return f"day and month may be exchanged: {both} read the same values"
    if not time.is_readable:
        return f"{' and '.join(time.formats)} read {time.share:.1%} of the values"
    return ""


def _find_objection_to_code(profile: ColumnProfile) -> str:
    if profile.distinct_count > MOST_CODES:
        return f"a code has up to {MOST_CODES} values, and this has {profile.distinct_count:,}"
    if profile.personal_shape:
        return f"its values look like {profile.personal_shape}"
    return ""


def _find_objection_to_number(column: Column, profile: ColumnProfile) -> str:
    if profile.number_share < _ALWAYS:
        if profile.number_share + profile.comma_share < _ALWAYS:
            return IMPOSSIBLE
        return (
            "its numbers have a comma, so they cannot be read; have them delivered with a decimal "
            "point"
        )
    limit = _LIMITS.get(column.name)
    numbers = (profile.least_number or 0.0, profile.greatest_number or 0.0)
    return IMPOSSIBLE if limit and max(map(abs, numbers)) > limit else ""


def rank_by_content(column: Column, profiles: list[ColumnProfile]) -> list[ColumnProfile]:
    """Rank the source columns whose values could be those of a required column, best first.

    A reference is nearly unique and of one shape; the time of the call is always there, and the
    earliest of those that are; a code has 5 to 500 values, which repeat.
    """
    if column.kind == "reference":
        fitting = [p for p in profiles if p.is_reference and p.filled_share >= _ALWAYS]
        return sorted(fitting, key=lambda p: -p.distinct_share * p.shape_share)
    if column.kind == "timestamp":
        fitting = [p for p in profiles if p.time and p.filled_share >= _ALWAYS]
        return sorted(fitting, key=lambda p: (not p.time.is_readable, str(p.time.least)))  # type: ignore[union-attr]
    fitting = [
        p
        for p in profiles
        if _LEAST_CODES <= p.distinct_count <= MOST_CODES
        and p.filled_count >= _LEAST_REPEATED * p.distinct_count
        and p.filled_share >= _ALWAYS
        and not (p.personal or p.time or p.point or p.is_decimal)
    ]
    return sorted(fitting, key=lambda p: -p.distinct_count)


def true_values_of(values: list[str]) -> list[str]:
    """The words for true among a column's few values; none if others than yes and no are there.

    Args:
        values: All different values of the column.
    """
    known = {*_TRUE_VALUES, "N", "NO", "FALSE", "F", "0"}
    if len(values) > 4 or any(value.upper() not in known for value in values):
        return []
    return [value for value in values if value.upper() in _TRUE_VALUES]
