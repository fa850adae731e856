"""The link job in pandas: a port for comparison only, model by model; see link_job.py.

The force-year is one batch, so each row of the landing is the newest word on its key.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

HOUR, SIX_HOURS, DAY, FORTNIGHT = 3600, 21_600, 86_400, 1_209_600
WIDE, NARROW = 14 * DAY + HOUR, 7 * HOUR
WIDE_BUCKET, NARROW_BUCKET, CELL = 15 * DAY, 8 * HOUR, 1000

Frame = pd.DataFrame
Measure = Callable[[Frame, Frame, Frame], Frame]


def epoch(column: pd.Series) -> pd.Series:
    """Whole seconds since 1970; not known is NaN."""
    return (column - pd.Timestamp("1970-01-01")).dt.total_seconds().round()


def positions(rows: Frame) -> dict[str, pd.Series]:
    """Whole metres of the national grid; 0 0 stands for unknown."""
    is_known = (rows["easting"] != 0) | (rows["northing"] != 0)
    return {f"{axis}_m": rows[axis].where(is_known).round() for axis in ("easting", "northing")}


# ---------------------------------------------------------------------- sides


def read_calls(inputs: Path) -> Frame:
    """What calls are compared by."""
    columns = [
        "call_reference", "call_key", "record_key", "cross_key", "disposition_code",
        "initial_type_code", "final_type_code", "received_at", "easting", "northing", "district",
        "location_line_hash", "location_postcode_hash", "victim_surname_hash", "victim_name_hash",
        "victim_birth_date_hash",
    ]  # fmt: skip
    rows = pd.read_parquet(inputs / "calls.parquet", columns=columns)
    types = pd.read_parquet(inputs / "call_types.parquet").set_index("code")["offence_group"]
    return Frame(
        {
            "call_id": rows["call_key"].fillna(rows["call_reference"].str.upper()),
            **rows[["call_key", "record_key", "cross_key", "disposition_code", "district"]],
            "received_s": epoch(rows["received_at"]),
            **positions(rows),
            "address_line": rows["location_line_hash"],
            "postcode": rows["location_postcode_hash"],
            "surname": rows["victim_surname_hash"].fillna(rows["victim_name_hash"]),
            "birth_date": rows["victim_birth_date_hash"],
            "initial_group": rows["initial_type_code"].map(types).fillna("none"),
            "final_group": rows["final_type_code"].map(types).fillna("none"),
        }
    ).rename_axis("c").reset_index()  # fmt: skip


def read_records(inputs: Path) -> Frame:
    """What records are compared by."""
    columns = [
        "record_reference", "record_key", "call_key", "offence_code", "reported_at", "occurred_at",
        "occurred_to_at", "easting", "northing", "district", "location_line_hash",
        "location_postcode_hash", "victim_surname_hash", "victim_name_hash",
        "victim_birth_date_hash",
    ]  # fmt: skip
    rows = pd.read_parquet(inputs / "crime_records.parquet", columns=columns)
    groups = pd.read_parquet(inputs / "offences.parquet").set_index("code")["offence_group"]
    group = rows["offence_code"].map(groups)
    is_report_time = rows["reported_at"].notna()
    told = epoch(rows["reported_at"].fillna(rows["occurred_to_at"]).fillna(rows["occurred_at"]))
    return Frame(
        {
            "crime_record_id": rows["record_key"].fillna(rows["record_reference"].str.upper()),
            "call_key": rows["call_key"],
            "is_report_time": is_report_time,
            "told_s": told,
            "wide_from_s": told - np.where(is_report_time, FORTNIGHT, HOUR),
            "narrow_from_s": told - np.where(is_report_time, SIX_HOURS, HOUR),
            **positions(rows),
            "address_line": rows["location_line_hash"],
            "postcode": rows["location_postcode_hash"],
            "district": rows["district"],
            "surname": rows["victim_surname_hash"].fillna(rows["victim_name_hash"]),
            "birth_date": rows["victim_birth_date_hash"],
            "offence_group": group.fillna("none"),
            "is_crime_record": group.notna(),
        }
    ).rename_axis("r").reset_index()  # fmt: skip


def join(left: Frame, right: Frame, on: list[str]) -> Frame:
    """Inner join on what is known on both sides: pandas would join nulls to nulls."""
    return left.dropna(subset=on).merge(right.dropna(subset=on), on=on, suffixes=("", "_c"))


def paired(pairs: Frame, records: Frame, calls: Frame) -> Frame:
    """Pairs of r and c with the columns of both sides, those of the call with `_c` where needed."""
    return pairs.merge(records, on="r").merge(calls, on="c", suffixes=("", "_c"))


# ---------------------------------------------------------------------- comparisons


def measured(p: Frame) -> Frame:
    """What the levels are read from: lag, distance, and whether the rest is the same."""
    lag = (p["told_s"] - p["received_s"]) * np.where(p["is_report_time"], 1, -1)
    same = ("district", "address_line", "postcode", "surname", "birth_date")
    return Frame(
        {
            "lag": lag,
            "metres": metres_2(p) ** 0.5,
            "offence": offence_level(p["offence_group"], p["initial_group"], p["final_group"]),
            **{column: is_same(p[column], p[f"{column}_c"]) for column in same},
        }
    )


def is_same(left: pd.Series, right: pd.Series) -> np.ndarray:
    """1 the same, 0 different, -1 not known on either side."""
    return np.where(left.isna() | right.isna(), -1, left == right)


def offence_level(group: pd.Series, initial: pd.Series, final: pd.Series) -> np.ndarray:
    """How far the offence of a record is what its call was opened or closed under."""
    cases = [
        ((group == "none") & (final == "none"), "no_crime"), (group == "none", "differs"),
        ((group == initial) | (group == final), "same"),
        ((initial == "none") & (final == "none"), "hidden"),
    ]  # fmt: skip
    return first_of(cases, "differs")


def levels(m: Frame) -> Frame:
    """How far a record and a call agree, a column per comparison."""
    lag, metres = m["lag"], m["metres"]
    same_or_not = {
        name: [(m[column] == 1, "same"), (m[column] == 0, "differs")]
        for name, column in (("name", "surname"), ("birth_date", "birth_date"))
    }
    cases = {
        "time": [
            (lag.isna(), "unknown"), (lag.abs() <= 60, "minute"), (lag.abs() <= 900, "quarter"),
            (lag.abs() <= HOUR, "hour"), (lag < 0, "before"), (lag <= SIX_HOURS, "six_hours"),
            (lag <= DAY, "day"), (lag <= FORTNIGHT, "fortnight"), (lag > FORTNIGHT, "later"),
        ],
        "distance": [
            (metres <= 50, "here"), (metres <= 150, "near"), (metres <= 500, "block"),
            (metres <= 2000, "vicinity"), (metres.notna(), "far"),
            (m["district"] == 1, "same_district"), (m["district"] == 0, "other_district"),
        ],
        "address": [
            (m["address_line"] == 1, "same"), (m["postcode"] == 1, "postcode"),
            (m["address_line"] == 0, "differs"),
        ],
        **same_or_not,
    }  # fmt: skip
    found = {f"{name}_level": first_of(some, "unknown") for name, some in cases.items()}
    return Frame(found, index=m.index).assign(offence_level=m["offence"])


def first_of(cases: list[tuple[pd.Series, str]], other: str) -> np.ndarray:
    """The name of the first condition that holds."""
    return np.select([condition for condition, _ in cases], [name for _, name in cases], other)


# ---------------------------------------------------------------------- references


def references(inputs: Path, records: Frame, calls: Frame) -> Frame:
    """Who names whom, by canonical keys: the record its log, the log its record, or both."""
    record = records[["r", "crime_record_id"]].rename(columns={"crime_record_id": "record_key"})
    typed = join(records[["r", "call_key"]], calls[["c", "call_key"]], ["call_key"])
    on_log = join(calls[["c", "record_key"]], record, ["record_key"])
    actions = pd.read_parquet(
        inputs / "log_actions.parquet", columns=["call_key", "call_reference", "record_key"]
    ).dropna(subset=["record_key"])
    actions["call_id"] = actions["call_key"].fillna(actions["call_reference"].str.upper())
    in_entry = join(actions, record, ["record_key"]).merge(calls[["c", "call_id"]], on="call_id")
    written = pd.concat([on_log[["r", "c"]], in_entry[["r", "c"]]]).drop_duplicates()
    named = typed[["r", "c"]].assign(is_typed=True).merge(
        written.assign(is_written_back=True), on=["r", "c"], how="outer"
    )  # fmt: skip
    return named.assign(
        is_typed=named["is_typed"].eq(True), is_written_back=named["is_written_back"].eq(True)
    )


def proven(named: Frame, records: Frame, calls: Frame) -> Frame:
    """The rungs that references prove; if the place contradicts, not without support."""
    p = paired(named, records, calls)
    p = p.join(levels(measured(p)))
    p["is_mutual"] = p["is_typed"] & p["is_written_back"]
    has_same_person = (p["name_level"] == "same") | (p["birth_date_level"] == "same")
    is_same_place = p["address_level"].isin(["same", "postcode"])
    is_measured = p["distance_level"].isin(["here", "near", "block", "vicinity", "far"])
    is_contradicted = (p["distance_level"].isin(["vicinity", "far"]) & ~is_same_place) | (
        ~is_measured
        & (p["address_level"] == "differs")
        & ~p["time_level"].isin(["minute", "quarter", "unknown"])
    )
    p["agreement_count"] = (
        has_same_person.astype(int)
        + (is_same_place | p["distance_level"].isin(["here", "near"]))
        + p["time_level"].isin(["minute", "quarter"])
        + p["offence_level"].isin(["same", "no_crime"])
    )
    is_shared_number = p["call_key"] == p["crime_record_id"]
    order = ["is_mutual", "agreement_count", "is_typed", "received_s", "call_id"]
    best = (
        p[p["is_mutual"] | is_shared_number | has_same_person | ~is_contradicted]
        .sort_values(order, ascending=[False, False, False, True, True])
        .drop_duplicates("r")
    )
    rung = np.where(best["is_typed"], "canonical_key", "written_back")
    return best[["r", "c"]].assign(link_rung=rung)


# ---------------------------------------------------------------------- blocks


def candidates(subjects: Frame, calls: Frame) -> Frame:
    """Which calls a record is compared with: joins on equal cells and buckets of time."""
    calls = calls.assign(
        wide_bucket=calls["received_s"] // WIDE_BUCKET,
        narrow_bucket=calls["received_s"] // NARROW_BUCKET,
        east_cell=calls["easting_m"] // CELL,
        north_cell=calls["northing_m"] // CELL,
    )
    wide = both(subjects, "wide_bucket", subjects["wide_from_s"] // WIDE_BUCKET)
    narrow = both(subjects, "narrow_bucket", subjects["narrow_from_s"] // NARROW_BUCKET)
    # the four cells that a circle of 500 m can touch
    east = both(subjects, "east_cell", (subjects["easting_m"] - 500) // CELL)
    cells = both(east, "north_cell", (east["northing_m"] - 500) // CELL)
    cells = cells[["r", "east_cell", "north_cell"]]
    crimes, of_kind = ("is_crime_record", {"offence_group": "final_group"})

    def block(left: Frame, on: list[str], holds) -> Frame:
        pairs = join(left, calls, on)
        return pairs.loc[holds(pairs), ["r", "c"]]

    blocks = [
        block(wide, ["birth_date", "wide_bucket"], in_fortnight),
        block(wide, ["surname", "wide_bucket"], lambda p: in_fortnight(p) & is_near_by(p)),
        block(
            wide, ["address_line", "wide_bucket"],
            lambda p: in_fortnight(p) & (is_kind(p) | same_surname(p) | in_hours(p)),
        ),
        block(
            wide, ["postcode", "wide_bucket"],
            lambda p: in_fortnight(p) & (is_kind(p) | same_surname(p)),
        ),
        block(
            narrow.merge(cells, on="r"), ["east_cell", "north_cell", "narrow_bucket"],
            lambda p: in_hours(p) & (metres_2(p) < 250_000),
        ),
        block(
            wide[wide[crimes]].rename(columns=of_kind).merge(cells, on="r"),
            ["east_cell", "north_cell", "wide_bucket", "final_group"],
            lambda p: in_fortnight(p) & (metres_2(p) < 250_000),
        ),
        block(
            narrow[narrow[crimes]].rename(columns=of_kind),
            ["district", "narrow_bucket", "final_group"],
            lambda p: (p["received_s"] - p["told_s"]).abs() <= 1800,
        ),
    ]  # fmt: skip
    return pd.concat(blocks).drop_duplicates()


def both(rows: Frame, name: str, first: pd.Series) -> Frame:
    """Each row twice, in the bucket or cell of `first` and in the next."""
    return pd.concat([rows.assign(**{name: first}), rows.assign(**{name: first + 1})])


def in_fortnight(p: Frame) -> pd.Series:
    """The call came within the wide window."""
    return (p["received_s"] - p["wide_from_s"]).between(0, WIDE)


def in_hours(p: Frame) -> pd.Series:
    """The call came within the narrow window."""
    return (p["received_s"] - p["narrow_from_s"]).between(0, NARROW)


def is_kind(p: Frame) -> pd.Series:
    """The call was opened or closed under the record's offence group."""
    return (p["offence_group"] == p["initial_group"]) | (p["offence_group"] == p["final_group"])


def same_surname(p: Frame) -> pd.Series:
    """Both know the surname, and it is the same."""
    return p["surname"] == p["surname_c"]


def metres_2(p: Frame) -> pd.Series:
    """Squared distance in metres."""
    return (p["easting_m"] - p["easting_m_c"]) ** 2 + (p["northing_m"] - p["northing_m_c"]) ** 2


def is_near_by(p: Frame) -> pd.Series:
    """Within 2 km both ways; without a position, in the same district."""
    is_close = ((p["easting_m"] - p["easting_m_c"]).abs() < 2000) & (
        (p["northing_m"] - p["northing_m_c"]).abs() < 2000
    )
    has_no_place = p["easting_m"].isna() | p["easting_m_c"].isna()
    return is_close | (has_no_place & (p["district"] == p["district_c"]))


# ---------------------------------------------------------------------- comparisons of candidates


def slips(key: str) -> set[str]:
    """Keys one slip away: one digit another, or two that stand side by side changed."""
    found = set()
    for at, digit in enumerate(key):
        if not digit.isdigit():
            continue
        found |= {key[:at] + other + key[at + 1 :] for other in "0123456789"}
        following = key[at + 1 : at + 2]
        if following.isdigit():
            found.add(key[:at] + following + digit + key[at + 2 :])
    return found - {key}


def near_references(subjects: Frame, calls: Frame) -> Frame:
    """Calls one slip away from the key that a record bears, of the same surroundings."""
    seen = subjects.dropna(subset="call_key")
    slipped = seen.assign(call_key=seen["call_key"].map(lambda key: sorted(slips(key))))
    p = join(slipped.explode("call_key"), calls, ["call_key"])
    is_alike = metres_2(p) < 4_000_000
    for column in ("birth_date", "surname", "address_line", "postcode"):
        is_alike |= p[column] == p[f"{column}_c"]
    return p.loc[in_fortnight(p) & is_alike, ["r", "c"]].drop_duplicates()


def first_logs(inputs: Path, calls: Frame) -> Frame:
    """For a log that repeats another, marked or not, the first one."""
    closures = pd.read_parquet(inputs / "closures.parquet")
    is_duplicate = calls["disposition_code"].isin(
        closures.loc[closures["reason_code"] == "DUPLICATE_LOG", "code"]
    )
    of_key = calls[["call_key", "c"]].rename(columns={"call_key": "cross_key", "c": "first_c"})
    marked = join(calls[is_duplicate], of_key, ["cross_key"])
    marked = marked[marked["c"] != marked["first_c"]]
    place = ["address_line", "postcode", "district", "initial_group"]
    alone = calls[
        calls["address_line"].notna()
        & (calls["initial_group"] != "none")
        & ~calls["c"].isin(marked["c"])
    ]
    # here nulls are equal, as in a partition
    p = alone.merge(
        alone[[*place, "received_s", "call_id", "c"]], on=place, suffixes=("", "_first")
    )
    p = p[(p["received_s"] - p["received_s_first"]).between(1, HOUR)]
    p = p.sort_values(["received_s_first", "call_id_first"]).drop_duplicates("c")
    unmarked = p.rename(columns={"c_first": "first_c"})
    both = pd.concat([marked.assign(is_marked=True), unmarked.assign(is_marked=False)])
    return both.set_index("c")[["first_c", "is_marked"]]


COMPARISONS = [
    "time", "distance", "address", "offence", "name", "birth_date", "reference", "taken",
]  # fmt: skip


def measured_pairs(pairs: Frame, subjects: Frame, calls: Frame) -> Frame:
    """What is measured of each pair, in the order of the pairs."""
    return measured(paired(pairs, subjects, calls))


def compared(
    found: Frame, named: Frame, linked: Frame, subjects: Frame, calls: Frame, measure: Measure
) -> Frame:
    """Each record and candidate with the pattern of their levels."""
    typed = named.loc[named["is_typed"] & named["r"].isin(subjects["r"]), ["r", "c"]]
    near = near_references(subjects, calls)
    reference = pd.concat(
        [typed.assign(reference_level="typed"), near.assign(reference_level="near")]
    ).drop_duplicates(["r", "c"])
    pairs = pd.concat([found, typed, near]).drop_duplicates()
    pairs = pairs.merge(reference, on=["r", "c"], how="left")
    p = pairs.join(levels(measure(pairs[["r", "c"]], subjects, calls)))
    p = p.merge(subjects[["r", "call_key", "is_crime_record"]], on="r")
    p["reference_level"] = np.where(
        p["call_key"].isna(), "unknown", p["reference_level"].fillna("differs")
    )
    p["taken_level"] = np.where(p["c"].isin(linked["c"]), "taken", "free")
    first, *others = (p[f"{name}_level"] for name in COMPARISONS)
    return p[["r", "c", "is_crime_record"]].assign(pattern=first.str.cat(others, sep="/"))


# ---------------------------------------------------------------------- scores


def pattern_weights(patterns: pd.Series, weights: Frame) -> pd.Series:
    """Base-2 odds of a pattern: as learnt, else the prior and the sum of its levels."""
    of = {name: some.set_index("level")["weight"] for name, some in weights.groupby("comparison")}
    levels = patterns.str.split("/", expand=True).set_axis(COMPARISONS, axis=1)
    independent = sum(levels[name].map(of[name]).fillna(0) for name in sorted(COMPARISONS))
    seen = patterns.map(of["pattern"])
    return seen.fillna(of["prior"].item() + independent).set_axis(patterns)


def scored(pairs: Frame, weights: Frame, first: Frame, calls: Frame) -> Frame:
    """For each leftover record the log that it belongs to most probably: one of them, or none."""
    leftover = weights[weights["comparison"] == "leftover"]
    of_kind = leftover.set_index(leftover["level"] == "crime")["weight"]
    of_pattern = pattern_weights(pairs["pattern"].drop_duplicates(), weights)
    p = pairs.assign(
        weight=pairs["pattern"].map(of_pattern) + pairs["is_crime_record"].map(of_kind).fillna(-1),
        c=pairs["c"].map(first["first_c"]).fillna(pairs["c"]).astype(int),
    )
    p = p.sort_values(["weight", "pattern"]).drop_duplicates(["r", "c"], keep="last")
    odds = 2 ** p["weight"]
    p["link_probability"] = odds / (1 + odds.groupby(p["r"]).transform("sum"))
    p = p.merge(calls[["c", "received_s", "call_id"]], on="c")
    p = p.sort_values(["weight", "received_s", "call_id"], ascending=[False, True, True])
    p = p.drop_duplicates("r")
    is_near = p["pattern"].str.split("/").str[6] == "near"
    return p[["r", "c", "link_probability"]].assign(
        link_rung=np.where(is_near, "repaired_key", "scored")
    )


def link(find: Callable[[Frame, Frame], Frame], measure: Measure) -> None:
    """Read the landing, climb the ladder, write the links.

    Args:
        find: Which calls a record is compared with.
        measure: What is measured of such pairs.
    """
    inputs, target = (Path(argument) for argument in sys.argv[1:])
    calls, records = read_calls(inputs), read_records(inputs)
    weights = pd.read_parquet(inputs / "weights.parquet")
    named = references(inputs, records, calls)
    linked = proven(named, records, calls)
    first = first_logs(inputs, calls)
    subjects = records[
        ~records["r"].isin(linked["r"]) & (records["call_key"] != records["crime_record_id"])
    ]
    pairs = compared(find(subjects, calls), named, linked, subjects, calls, measure)
    marked = first.loc[first["is_marked"], "first_c"]
    by_reference = linked.assign(
        c=linked["c"].map(marked).fillna(linked["c"]).astype(int), link_probability=1.0
    )
    least = pd.read_parquet(inputs / "rulesets.parquet")["min_link_probability"].min()
    by_score = scored(pairs, weights, first, calls)
    links = pd.concat([by_reference, by_score[by_score["link_probability"] >= least]])
    links = links.merge(records[["r", "crime_record_id"]], on="r")
    links = links.merge(calls[["c", "call_id"]], on="c")
    columns = ["crime_record_id", "call_id", "link_rung", "link_probability"]
    links[columns].to_parquet(target)


if __name__ == "__main__":
    link(candidates, measured_pairs)
