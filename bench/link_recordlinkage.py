"""The link job with recordlinkage for blocks and comparisons, pandas for the rest: link_job.py."""

import numpy as np
import pandas as pd
import recordlinkage
from link_pandas import (
    CELL,
    NARROW,
    NARROW_BUCKET,
    WIDE,
    WIDE_BUCKET,
    Frame,
    link,
    offence_level,
)

KEYS = {
    # block: columns of the record, columns of the call
    "birth_date": (["birth_date", "wide_bucket"], ["birth_date", "wide_bucket"]),
    "surname": (["surname", "wide_bucket"], ["surname", "wide_bucket"]),
    "address": (["address_line", "wide_bucket"], ["address_line", "wide_bucket"]),
    "postcode": (["postcode", "wide_bucket"], ["postcode", "wide_bucket"]),
    "near_in_hours": (["cell", "narrow_bucket"], ["cell", "narrow_bucket"]),
    "near_of_kind": (["cell", "wide_bucket", "kind"], ["cell", "wide_bucket", "final_group"]),
    "district": (["district", "narrow_bucket", "kind"],
                 ["district", "narrow_bucket", "final_group"]),
}  # fmt: skip


def find(subjects: Frame, calls: Frame) -> Frame:
    """Which calls a record is compared with."""
    records, others = sides(subjects, calls)
    indexer = recordlinkage.Index()
    for left, right in KEYS.values():
        for columns in variants(left):
            indexer.block(left_on=columns, right_on=right)
    pairs = indexer.index(records, others)
    m = FEATURES.compute(pairs, records, others)
    in_fortnight = m["since_wide"].between(0, WIDE)
    in_hours = m["since_narrow"].between(0, NARROW)
    same_surname = m["surname"] == 1
    is_near = m["metres"] < 500
    is_near_by = (m["east"] < 2000) & (m["north"] < 2000)
    has_no_place = m["metres"].isna() & (m["district"] == 1)
    is_wanted = (
        ((m["birth_date"] == 1) & in_fortnight)
        | (same_surname & in_fortnight & (is_near_by | has_no_place))
        | ((m["address_line"] == 1) & in_fortnight & (m["is_kind"] | same_surname | in_hours))
        | ((m["postcode"] == 1) & in_fortnight & (m["is_kind"] | same_surname))
        | (is_near & in_hours)
        | (is_near & in_fortnight & (m["closed_as"] == 1))
        | ((m["district"] == 1) & (m["closed_as"] == 1) & (m["since_told"].abs() <= 1800))
    )
    return m[is_wanted].index.to_frame(index=False, name=["r", "c"])


def sides(subjects: Frame, calls: Frame) -> tuple[Frame, Frame]:
    """Records and calls by their numbers, with the columns that blocks join on."""
    r, c = subjects.set_index("r"), calls.set_index("c")
    r["kind"] = r["offence_group"].where(r["is_crime_record"])
    for name, first in (
        ("wide_bucket", r["wide_from_s"] // WIDE_BUCKET),
        ("narrow_bucket", r["narrow_from_s"] // NARROW_BUCKET),
    ):
        r[f"{name}_0"], r[f"{name}_1"] = first, first + 1
    # the four cells that a circle of 500 m can touch
    east, north = ((r[f"{axis}_m"] - 500) // CELL for axis in ("easting", "northing"))
    for number, (right, up) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        r[f"cell_{number}"] = (east + right) * 10_000 + north + up
    c["wide_bucket"] = c["received_s"] // WIDE_BUCKET
    c["narrow_bucket"] = c["received_s"] // NARROW_BUCKET
    c["cell"] = c["easting_m"] // CELL * 10_000 + c["northing_m"] // CELL
    return r, c


def variants(columns: list[str]) -> list[list[str]]:
    """Each choice of bucket and cell that a record can be in."""
    made: list[list[str]] = [[]]
    for column in columns:
        counts = {"wide_bucket": 2, "narrow_bucket": 2, "cell": 4}
        names = [f"{column}_{n}" for n in range(counts.get(column, 0))] or [column]
        made = [[*before, name] for before in made for name in names]
    return made


# ---------------------------------------------------------------------- comparisons


def features() -> recordlinkage.Compare:
    """What is compared of a pair."""
    compare = recordlinkage.Compare()
    for column in ("district", "address_line", "postcode", "surname", "birth_date"):
        compare.exact(column, column, missing_value=-1, label=column)
    compare.exact("kind", "final_group", label="closed_as")
    place = ["easting_m", "northing_m"]
    told = ["told_s", "is_report_time"]
    groups = ["initial_group", "final_group"]
    for function, left, right, label in (
        (lag, told, ["received_s"], "lag"),
        (since, ["told_s"], ["received_s"], "since_told"),
        (since, ["wide_from_s"], ["received_s"], "since_wide"),
        (since, ["narrow_from_s"], ["received_s"], "since_narrow"),
        (metres, place, place, "metres"),
        (apart, place[:1], place[:1], "east"),
        (apart, place[1:], place[1:], "north"),
        (offence_level, ["offence_group"], groups, "offence"),
        (is_kind, ["offence_group"], groups, "is_kind"),
    ):
        compare.compare_vectorized(function, left, right, label=label)
    return compare


def lag(told: pd.Series, is_report_time: pd.Series, received: pd.Series) -> pd.Series:
    """Seconds from call to report."""
    return (told - received) * np.where(is_report_time, 1, -1)


def since(moment: pd.Series, received: pd.Series) -> pd.Series:
    """Seconds from a moment to the call."""
    return received - moment


def metres(e: pd.Series, n: pd.Series, e_c: pd.Series, n_c: pd.Series) -> pd.Series:
    """Distance."""
    return ((e - e_c) ** 2 + (n - n_c) ** 2) ** 0.5


def apart(left: pd.Series, right: pd.Series) -> pd.Series:
    """Distance along one axis."""
    return (left - right).abs()


def is_kind(group: pd.Series, initial: pd.Series, final: pd.Series) -> pd.Series:
    """The call was opened or closed under the record's offence group."""
    return (group == initial) | (group == final)


FEATURES = features()


def measure(pairs: Frame, subjects: Frame, calls: Frame) -> Frame:
    """What is measured of each pair, in the order of the pairs."""
    records, others = sides(subjects, calls)
    index = pd.MultiIndex.from_frame(pairs)
    return FEATURES.compute(index, records, others).reset_index(drop=True)


if __name__ == "__main__":
    link(find, measure)
