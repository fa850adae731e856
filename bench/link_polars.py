"""The link job in polars: a port for comparison only, model by model; see link_job.py.

The force-year is one batch, its references have all been read, and nobody has decided about a link.
So nothing was withdrawn, and no link was made or parted by hand.
"""

import sys
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import polars as pl

MINUTE, HOUR, DAY = 60, 3600, 86_400
SIX_HOURS, FORTNIGHT = 6 * HOUR, 14 * DAY
# The comparisons in the order of a pattern, and the levels that any of them has.
COMPARISONS = (
    *("time", "distance", "address", "offence"),
    *("name", "birth_date", "reference", "taken"),
)
LEVELS = pl.Enum(
    [
        *("unknown", "minute", "quarter", "hour", "before", "after_crime"),
        *("six_hours", "day", "fortnight", "later", "here", "near", "block", "vicinity", "far"),
        *("same_district", "other_district", "same", "postcode", "street", "differs"),
        *("no_crime", "told", "hidden", "untold", "alike", "typed", "taken", "free"),
    ]
)
col, lit, when = pl.col, pl.lit, pl.when
Landed = dict[str, pl.LazyFrame]


def first_known(*columns: str) -> pl.Expr:
    """The first value that is not null."""
    return pl.coalesce(*columns)


def to_epoch(column: pl.Expr) -> pl.Expr:
    """Whole seconds since 1970."""
    return column.dt.epoch("s")


def hash_to_number(column: pl.Expr) -> pl.Expr:
    """A keyed hash as a number; null stays null, as it would otherwise hash to a value and join."""
    return when(column.is_not_null()).then(column.hash())


# ---------------------------------------------------------------------- sides


def read_standing(inputs: Path, dataset: str, *about: str) -> pl.LazyFrame:
    """The rows of a dataset that no row of a newer file supersedes.

    Only files whose ranges of keys overlap are compared.

    Args:
        inputs: Where the dataset is.
        dataset: Its name.
        about: The columns that say what a row is about; the first is that of canonical keys.
    """
    rows = pl.scan_parquet(inputs / f"{dataset}.parquet")
    file, key = ("source_file", "source_as_of"), col(about[0])
    files = (
        rows.group_by(file)
        .agg(first_key=key.min(), last_key=key.max())
        .sort("source_as_of", "source_file")
        .with_row_index("file_number")
        .collect()
    )
    overlapping = (
        files.join(files, how="cross", suffix="_other")
        .filter(
            col("file_number") != col("file_number_other"),
            col("first_key") <= col("last_key_other"),
            col("first_key_other") <= col("last_key"),
        )
        .unique("file_number")
    )
    superseded = (
        rows.join(overlapping.lazy(), on=file)
        .select("row_id", *about, "file_number")
        .filter(col("file_number") < col("file_number").max().over(about))
        .collect()
    )
    return rows.join(superseded.lazy(), on="row_id", how="anti") if superseded.height else rows


def locate_side(middle: float) -> dict[str, pl.Expr]:
    """Whole metres to the east and north: of the national grid, else around a middle latitude.

    0 0 stands for unknown.

    Args:
        middle: The latitude.
    """
    has_grid = (col("easting") != 0) | (col("northing") != 0)
    has_degrees = (col("longitude") != 0) | (col("latitude") != 0)
    metres_per_degree = {
        "easting": ("longitude", 111_320 * lit(middle).radians().cos()),
        "northing": ("latitude", 110_574),
    }
    return {
        f"{axis}_m": pl.coalesce(
            when(has_grid).then(axis), when(has_degrees).then(col(degrees) * metres)
        )
        .round(mode="half_to_even")
        .cast(pl.Int64)
        for axis, (degrees, metres) in metres_per_degree.items()
    }


def find_middle(landed: Landed) -> float:
    """The mean latitude of calls, in whole billionths of a degree; 0 if none has one."""
    has_degrees = (col("longitude") != 0) | (col("latitude") != 0)
    mean = (
        landed["calls"]
        .filter(has_degrees)
        .select((col("latitude") * 1e9).round().cast(pl.Int64).mean() / 1e9)
        .collect()
        .item()
    )
    return float(mean or 0)


def read_calls(inputs: Path, landed: Landed, middle: float) -> pl.LazyFrame:
    """What calls are compared by."""
    types = pl.scan_parquet(inputs / "call_types.parquet").select("code", "offence_group")
    duplicates = pl.scan_parquet(inputs / "closures.parquet").filter(
        col("reason_code") == "DUPLICATE_LOG"
    )
    calls = landed["calls"].select(
        "call_key",
        "record_no",
        "cross_no",
        "disposition_code",
        "initial_type_code",
        "final_type_code",
        call_id="call_no",
        published_call_id=first_known("call_key", col("call_reference").str.to_uppercase()),
        received_s=to_epoch(col("received_at")),
        **locate_side(middle),
        address_line=hash_to_number(col("location_line_hash")),
        postcode=hash_to_number(col("location_postcode_hash")),
        district=hash_to_number(col("district")),
        surname=hash_to_number(first_known("victim_surname_hash", "victim_name_hash")),
        birth_date=hash_to_number(col("victim_birth_date_hash")),
        street_variants="location_street_variants",
        surname_variants=first_known("victim_surname_variants", "victim_name_variants"),
    )
    for name in ("initial", "final"):
        calls = calls.join(
            types.rename({"code": f"{name}_type_code", "offence_group": f"{name}_group"}),
            on=f"{name}_type_code",
            how="left",
        ).with_columns(col(f"{name}_group").fill_null("none"))
    return (
        calls.join(
            duplicates.select(disposition_code="code", is_duplicate=lit(True)),
            on="disposition_code",
            how="left",
        )
        .drop("disposition_code", "initial_type_code", "final_type_code")
        .with_row_index("c")
    )


def measure_clock(landed: Landed) -> int:
    """How many minutes the clock of the records is fast: their commonest lag after their calls."""
    commonest = (
        landed["crime_records"]
        .select("call_no", "reported_at")
        .join(landed["calls"].select("call_no", "received_at"), on="call_no")
        .select(
            minutes=((col("reported_at") - col("received_at")).dt.total_microseconds() / 6e7)
            .round(mode="half_away_from_zero")
            .cast(pl.Int64)
        )
        .filter(col("minutes").abs() <= 720)
        .group_by("minutes")
        .len("pairs")
        .with_columns(all_pairs=col("pairs").sum())
        .sort(-col("pairs").cast(pl.Int64), col("minutes").abs(), "minutes")
        .head(1)
        .filter(
            (col("minutes").abs() >= 5)
            & (col("all_pairs") >= 100)
            & (col("pairs") / col("all_pairs") >= 0.2)
        )
        .collect()
    )
    return int(commonest["minutes"].sum())


def read_records(inputs: Path, landed: Landed, middle: float) -> pl.LazyFrame:
    """What records are compared by."""
    offences = pl.scan_parquet(inputs / "offences.parquet").select(
        offence_code="code", offence_group="offence_group"
    )
    fast_s = 60 * measure_clock(landed)
    told_s = to_epoch(first_known("reported_at", "occurred_to_at", "occurred_at")) - fast_s
    is_report_time = col("reported_at").is_not_null()
    return (
        landed["crime_records"]
        .select(
            "offence_code",
            "call_no",
            "call_key",
            record_id="record_no",
            published_record_id=first_known(
                "record_key", col("record_reference").str.to_uppercase()
            ),
            is_report_time=is_report_time,
            told_s=told_s,
            crime_s=when(is_report_time).then(to_epoch(col("occurred_at")) - fast_s),
            wide_from_s=told_s - when(is_report_time).then(FORTNIGHT).otherwise(HOUR),
            narrow_from_s=told_s - when(is_report_time).then(SIX_HOURS).otherwise(HOUR),
            **locate_side(middle),
            address_line=hash_to_number(col("location_line_hash")),
            postcode=hash_to_number(col("location_postcode_hash")),
            district=hash_to_number(col("district")),
            surname=hash_to_number(first_known("victim_surname_hash", "victim_name_hash")),
            birth_date=hash_to_number(col("victim_birth_date_hash")),
            street_variants="location_street_variants",
            surname_variants=first_known("victim_surname_variants", "victim_name_variants"),
        )
        .join(offences, on="offence_code", how="left")
        .drop("offence_code")
        .with_columns(
            is_crime_record=col("offence_group").is_not_null(),
            offence_group=col("offence_group").fill_null("none"),
        )
        .with_row_index("r")
    )


# ---------------------------------------------------------------------- comparisons


def has_same_offence_group() -> pl.Expr:
    """The call was opened or closed under the record's offence group."""
    group = col("offence_group")
    return (group == col("initial_group")) | (group == col("final_group"))


def share_variant(name: str) -> pl.Expr:
    """A typing error at most is between two texts, as they share a variant."""
    return col(name).list.set_intersection(col(f"{name}_c")).list.len() > 0


def measure_distance_squared() -> pl.Expr:
    """Square of the metres between a record and a call."""
    east, north = (col(f"{axis}_m") - col(f"{axis}_m_c") for axis in ("easting", "northing"))
    return east * east + north * north


def choose_level(*levels: tuple[pl.Expr, str], otherwise: str) -> pl.Expr:
    """The level of the first condition that holds; an unknown condition does not hold."""
    (condition, level), *others = levels
    chosen: Any = when(condition).then(lit(level, LEVELS))
    for condition, level in others:
        chosen = chosen.when(condition).then(lit(level, LEVELS))
    return chosen.otherwise(lit(otherwise, LEVELS))


def add_levels(pairs: pl.LazyFrame, is_told: pl.Expr) -> pl.LazyFrame:
    """How far a record and a call (columns `..._c`) agree, a column per comparison.

    Args:
        pairs: Columns of both.
        is_told: Whether the words of the call tell of the record's kind of crime; null if the call
            has no words.
    """
    lag = (col("told_s") - col("received_s")) * when("is_report_time").then(1).otherwise(-1)
    metre = measure_distance_squared().sqrt()
    is_none = col("offence_group") == "none"
    has_no_code = (col("final_group") == "none") & (col("initial_group") == "none")

    def same(name: str) -> pl.Expr:
        return col(name) == col(f"{name}_c")

    def differs(name: str) -> pl.Expr:
        return col(name) != col(f"{name}_c")

    return pairs.with_columns(
        time_level=choose_level(
            (col("told_s").is_null(), "unknown"),
            (lag.abs() <= MINUTE, "minute"),
            (lag.abs() <= 15 * MINUTE, "quarter"),
            (lag.abs() <= HOUR, "hour"),
            (lag < 0, "before"),
            ((col("received_s") - col("crime_s")).is_between(-900, 7200), "after_crime"),
            (lag <= SIX_HOURS, "six_hours"),
            (lag <= DAY, "day"),
            (lag <= FORTNIGHT, "fortnight"),
            otherwise="later",
        ),
        distance_level=choose_level(
            (metre <= 50, "here"),
            (metre <= 150, "near"),
            (metre <= 500, "block"),
            (metre <= 2000, "vicinity"),
            (metre.is_not_null(), "far"),
            (same("district"), "same_district"),
            (differs("district"), "other_district"),
            otherwise="unknown",
        ),
        address_level=choose_level(
            (same("address_line"), "same"),
            (same("postcode"), "postcode"),
            (share_variant("street_variants"), "street"),
            (differs("address_line"), "differs"),
            otherwise="unknown",
        ),
        offence_level=choose_level(
            (is_none & (col("final_group") == "none"), "no_crime"),
            (is_none, "differs"),
            (has_same_offence_group(), "same"),
            (is_told, "told"),
            (has_no_code & is_told.is_null(), "hidden"),
            (has_no_code, "untold"),
            otherwise="differs",
        ),
        name_level=choose_level(
            (same("surname"), "same"),
            (share_variant("surname_variants"), "alike"),
            (differs("surname"), "differs"),
            otherwise="unknown",
        ),
    ).with_columns(
        birth_date_level=choose_level(
            (same("birth_date"), "same"),
            (col("name_level") == "differs", "unknown"),
            (differs("birth_date"), "differs"),
            otherwise="unknown",
        )
    )


# ---------------------------------------------------------------------- references


def find_references(landed: Landed, records: pl.LazyFrame, calls: pl.LazyFrame) -> pl.LazyFrame:
    """Who names whom, by canonical keys: the record its log, the log its record, or both."""
    record = records.select("r", "record_id")
    typed = records.select("r", "call_no").join(
        calls.select("c", "call_id"), left_on="call_no", right_on="call_id"
    )
    on_log = calls.select("c", "record_no").join(record, left_on="record_no", right_on="record_id")
    in_entry = (
        landed["log_actions"]
        .select("call_no", "record_no")
        .join(record, left_on="record_no", right_on="record_id")
        .join(calls.select("c", "call_id"), left_on="call_no", right_on="call_id")
    )
    named = pl.concat(
        [
            typed.select("r", "c", is_typed=lit(True)),
            *(pairs.select("r", "c", is_typed=lit(False)) for pairs in (on_log, in_entry)),
        ]
    )
    return named.group_by("r", "c").agg(
        is_typed=col("is_typed").any(), is_written_back=(~col("is_typed")).any()
    )


def find_proven_links(
    named: pl.LazyFrame, records: pl.LazyFrame, calls: pl.LazyFrame
) -> pl.LazyFrame:
    """The rungs that references prove: those upheld, and of each record the one that agrees best.

    If the place contradicts a reference, it is refused without support.
    """
    pairs = add_levels(
        named.join(records, on="r").join(calls, on="c", suffix="_c"),
        is_told=lit(None, dtype=pl.Boolean),
    )
    time, distance, address = (col(f"{name}_level") for name in ("time", "distance", "address"))
    is_mutual = col("is_typed") & col("is_written_back")
    is_shared_number = (col("call_no") == col("record_id")).fill_null(False)
    has_same_person = (col("birth_date_level") == "same") | (
        col("name_level").is_in(["same", "alike"]) & (col("birth_date_level") != "differs")
    )
    is_elsewhere_and_later = (address == "differs") & ~time.is_in(["minute", "quarter", "unknown"])
    is_in_street_at_other_time = (address == "street") & time.is_in(
        ["before", "six_hours", "day", "fortnight", "later"]
    )
    is_contradicted = (
        when(distance == "far")
        .then(address != "same")
        .when(distance == "vicinity")
        .then(address.is_in(["differs", "unknown"]) | is_in_street_at_other_time)
        .when(distance == "other_district")
        .then(address.is_in(["differs", "street"]) & (time != "unknown"))
        .when(distance.is_in(["same_district", "unknown"]))
        .then(is_elsewhere_and_later | is_in_street_at_other_time)
        .otherwise(lit(False))
    )
    agreements = (
        has_same_person,
        address.is_in(["same", "postcode"]) | distance.is_in(["here", "near"]),
        time.is_in(["minute", "quarter"]),
        col("offence_level").is_in(["same", "no_crime"]),
    )
    return (
        pairs.filter(is_mutual | is_shared_number | has_same_person | ~is_contradicted)
        .with_columns(
            is_mutual=is_mutual,
            agreement_count=reduce(add, (fact.cast(pl.Int8) for fact in agreements)),
        )
        .sort(
            *("is_mutual", "agreement_count", "is_typed", "received_s", "call_id"),
            descending=[True, True, True, False, False],
        )
        .unique("r", keep="first", maintain_order=True)
        .select(
            *("r", "c"),
            link_rung=when("is_typed").then(lit("canonical_key")).otherwise(lit("written_back")),
        )
    )


def find_first_logs(calls: pl.LazyFrame) -> pl.LazyFrame:
    """For a log that repeats another, marked or not, the first one (`first_c`)."""
    marked = (
        calls.filter("is_duplicate")
        .select("c", "cross_no")
        .join(calls.select("call_id", first_c="c"), left_on="cross_no", right_on="call_id")
        .filter(col("c") != col("first_c"))
        .select("c", "first_c")
    )
    place = ["address_line", "postcode", "district", "initial_group"]
    alone = (
        calls.filter(col("address_line").is_not_null() & (col("initial_group") != "none"))
        .select("c", "call_id", "received_s", *place)
        .join(marked, on="c", how="anti")
        # most places have one call only
        .filter(pl.len().over(place) > 1)
        .sort("received_s", "call_id")
    )
    unmarked = (
        alone.join(
            alone.select(*place, first_c="c", first_s="received_s", first_id="call_id"),
            on=place,
            nulls_equal=True,
        )
        .filter((col("received_s") - col("first_s")).is_between(1, HOUR))
        .sort("first_s", "first_id")
        .unique("c", keep="first", maintain_order=True)
        .select("c", "first_c")
    )
    return pl.concat(
        [marked.with_columns(is_marked=lit(True)), unmarked.with_columns(is_marked=lit(False))]
    )


# ---------------------------------------------------------------------- candidates

WIDE, NARROW = FORTNIGHT + SIX_HOURS, 2 * SIX_HOURS
WIDE_BUCKET, NARROW_BUCKET, CELL = 15 * DAY, 13 * HOUR, 1000


def find_candidates(
    subjects: pl.LazyFrame, calls: pl.LazyFrame, told: pl.LazyFrame
) -> pl.LazyFrame:
    """Which calls a record is compared with: joins on equal cells and buckets of time."""
    calls = calls.with_columns(
        wide_bucket=col("received_s") // WIDE_BUCKET,
        narrow_bucket=col("received_s") // NARROW_BUCKET,
        east_cell=col("easting_m") // CELL,
        north_cell=col("northing_m") // CELL,
    )
    kinds = pl.concat(
        [
            calls.select("c", offence_group="final_group"),
            told.select("c", "offence_group"),
        ]
    ).unique()
    calls_of_kinds = calls.join(kinds, on="c")
    wide = open_windows(subjects, "wide", WIDE_BUCKET)
    narrow = open_windows(subjects, "narrow", NARROW_BUCKET)
    wide_crimes, narrow_crimes = wide.filter("is_crime_record"), narrow.filter("is_crime_record")
    in_fortnight = (col("received_s") - col("wide_from_s")).is_between(0, WIDE)
    in_hours = (col("received_s") - col("narrow_from_s")).is_between(0, NARROW)
    minutes_apart = (col("received_s") - col("told_s")).abs()
    east, north = (col(f"{axis}_m") - col(f"{axis}_m_c") for axis in ("easting", "northing"))
    is_near = measure_distance_squared() < 250_000
    is_near_by = (east.abs() < 2000) & (north.abs() < 2000)
    has_no_place = col("easting_m").is_null() | col("easting_m_c").is_null()
    same_surname = col("surname") == col("surname_c")
    blocks = (
        (wide, calls, ["birth_date", "wide_bucket"], in_fortnight),
        (
            wide,
            calls,
            ["surname", "wide_bucket"],
            in_fortnight & (is_near_by | (has_no_place & (col("district") == col("district_c")))),
        ),
        (
            wide,
            calls,
            ["address_line", "wide_bucket"],
            in_fortnight & (has_same_offence_group() | same_surname | in_hours),
        ),
        (
            wide,
            calls,
            ["postcode", "wide_bucket"],
            in_fortnight & (has_same_offence_group() | same_surname),
        ),
        (
            put_into_cells(narrow),
            calls,
            ["east_cell", "north_cell", "narrow_bucket"],
            in_hours & is_near,
        ),
        (
            put_into_cells(wide_crimes),
            calls_of_kinds,
            ["east_cell", "north_cell", "wide_bucket", "offence_group"],
            in_fortnight & is_near,
        ),
        (
            narrow_crimes,
            calls,
            ["district", "narrow_bucket"],
            minutes_apart <= choose_district_window(calls),
        ),
        (
            narrow_crimes,
            calls_of_kinds,
            ["district", "narrow_bucket", "offence_group"],
            minutes_apart <= 30 * MINUTE,
        ),
    )
    return pl.concat(
        [
            left.join(right, on=on, suffix="_c").filter(condition).select("r", "c")
            for left, right, on, condition in blocks
        ]
    ).unique()


def open_windows(subjects: pl.LazyFrame, window: str, bucket: int) -> pl.LazyFrame:
    """Each record in the two buckets of time that its window touches.

    A record that was reported long after the crime has a second window, which begins before the
    crime.
    """
    from_s = col("crime_s") - HOUR
    late = subjects.filter(from_s < col(f"{window}_from_s")).with_columns(
        wide_from_s=from_s, narrow_from_s=from_s
    )
    return put_into_two(
        pl.concat([subjects, late]), f"{window}_bucket", col(f"{window}_from_s") // bucket
    )


def put_into_cells(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Each row in the four cells that a circle of 500 m around it can touch."""
    rows = rows.filter(col("easting_m").is_not_null())
    for axis in ("east", "north"):
        rows = put_into_two(rows, f"{axis}_cell", (col(f"{axis}ing_m") - 500) // CELL)
    return rows


def put_into_two(rows: pl.LazyFrame, name: str, first: pl.Expr) -> pl.LazyFrame:
    """Each row twice, in the bucket or cell of `first` and in the next."""
    return pl.concat([rows.with_columns((first + step).alias(name)) for step in (0, 1)])


def choose_district_window(calls: pl.LazyFrame) -> float:
    """Half of the seconds in which a district has four calls; from two minutes to thirty."""
    window = (
        calls.filter(col("district").is_not_null())
        .select(
            2.0
            * col("district").n_unique()
            * (col("received_s").max() - col("received_s").min())
            / pl.len()
        )
        .collect()
        .item()
    )
    return max(2 * MINUTE, min(30 * MINUTE, float(window)))


def find_near_references(subjects: pl.LazyFrame, calls: pl.LazyFrame) -> pl.LazyFrame:
    """Calls one slip away from the key that a record bears, of the same surroundings.

    One digit is another one, or two neighbouring digits are swapped.
    """
    in_fortnight = (col("received_s") - col("wide_from_s")).is_between(0, FORTNIGHT + HOUR)
    is_alike = pl.any_horizontal(
        *(
            col(name) == col(f"{name}_c")
            for name in ("birth_date", "surname", "address_line", "postcode")
        ),
        measure_distance_squared() < 4_000_000,
    )
    key, place = col("call_key"), col("place")
    digits = (
        subjects.filter(key.is_not_null())
        .select("r", "call_key", place=pl.int_ranges(key.str.len_chars()))
        .explode("place")
        .with_columns(
            head=key.str.slice(0, place),
            digit=key.str.slice(place, 1),
            following=key.str.slice(place + 1, 1),
        )
        .filter(col("digit").str.contains("[0-9]"))
    )
    others = digits.join(pl.LazyFrame({"other": list("0123456789")}), how="cross").select(
        "r", "call_key", near_key=col("head") + col("other") + key.str.slice(place + 1)
    )
    swapped = digits.filter(col("following").str.contains("[0-9]")).select(
        "r",
        "call_key",
        near_key=col("head") + col("following") + col("digit") + key.str.slice(place + 2),
    )
    slipped = pl.concat([others, swapped]).filter(col("near_key") != key).select("r", "near_key")
    return (
        slipped.unique()
        .join(calls.select("c", near_key="call_key"), on="near_key")
        .join(subjects, on="r")
        .join(calls, on="c", suffix="_c")
        .filter(in_fortnight & is_alike)
        .select("r", "c")
    )


def compare_candidates(
    pairs: pl.LazyFrame,
    named: pl.LazyFrame,
    linked: pl.LazyFrame,
    subjects: pl.LazyFrame,
    calls: pl.LazyFrame,
    told: pl.LazyFrame,
    with_words: pl.LazyFrame,
) -> pl.LazyFrame:
    """Each record and candidate with their levels."""
    typed = named.filter("is_typed").select("r", "c").join(subjects, on="r", how="semi")
    near = find_near_references(subjects, calls).collect().lazy()
    reference = pl.concat(
        [
            typed.with_columns(reference_level=lit("typed", LEVELS)),
            near.join(typed, on=["r", "c"], how="anti").with_columns(
                reference_level=lit("near", LEVELS)
            ),
        ]
    )
    calls = calls.join(linked.select("c", is_taken=lit(True)).unique(), on="c", how="left").join(
        with_words.with_columns(has_words=lit(True)), on="c", how="left"
    )
    return add_levels(
        pl.concat([pairs, typed, near])
        .unique()
        .join(subjects, on="r")
        .join(calls, on="c", suffix="_c")
        .join(reference, on=["r", "c"], how="left")
        .join(told.with_columns(is_named=lit(True)), on=["c", "offence_group"], how="left"),
        is_told=when("has_words").then(col("is_named").fill_null(False)),
    ).select(
        *("r", "c", "is_crime_record"),
        *(f"{name}_level" for name in COMPARISONS[:6]),
        reference_level=when(col("call_no").is_null())
        .then(lit("unknown", LEVELS))
        .otherwise(col("reference_level").fill_null(lit("differs", LEVELS))),
        taken_level=when("is_taken").then(lit("taken", LEVELS)).otherwise(lit("free", LEVELS)),
    )


# ---------------------------------------------------------------------- scores


def number_pattern() -> pl.Expr:
    """The levels of all comparisons as one number."""
    codes = (col(f"{name}_level").to_physical().cast(pl.Int64) for name in COMPARISONS)
    return reduce(lambda number, code: number * len(LEVELS.categories) + code, codes)


def weigh_patterns(pairs: pl.LazyFrame, weights: pl.LazyFrame) -> pl.LazyFrame:
    """Base-2 odds of each pattern: as learnt, else the prior and the sum of its levels.

    Patterns get places in the order of their odds.
    """
    levels = [f"{name}_level" for name in COMPARISONS]
    patterns = pairs.unique("pattern").select(
        "pattern",
        *levels,
        level=pl.concat_str(*(col(name).cast(pl.String) for name in levels), separator="/"),
    )
    for name in COMPARISONS:
        patterns = patterns.join(
            weights.filter(col("comparison") == name).select(
                col("level").cast(LEVELS, strict=False).alias(f"{name}_level"),
                col("weight").alias(f"{name}_weight"),
            ),
            on=f"{name}_level",
            how="left",
        )
    prior = weights.filter(col("comparison") == "prior").select(prior="weight")
    seen = weights.filter(col("comparison") == "pattern").select("level", seen="weight")
    # sums of fractions depend on their order, so it is the same as in our model
    independent = reduce(add, (col(f"{name}_weight").fill_null(0) for name in sorted(COMPARISONS)))
    return (
        patterns.join(prior, how="cross")
        .join(seen, on="level", how="left")
        .select(
            "pattern",
            "level",
            "reference_level",
            weight=pl.coalesce("seen", col("prior") + independent),
        )
        .sort("weight", "level")
        .drop("level")
        .with_row_index("place")
    )


def score_candidates(
    pairs: pl.LazyFrame, weights: pl.LazyFrame, first: pl.LazyFrame, calls: pl.LazyFrame
) -> pl.LazyFrame:
    """For each leftover record the log that it belongs to most probably: one of them, or none."""
    prior = weights.filter(col("comparison") == "leftover").select(
        is_crime_record=col("level") == "crime", prior="weight"
    )
    patterns = weigh_patterns(pairs, weights).collect().lazy()
    odds = lit(2.0).pow("weight")
    return (
        pairs.select("r", "c", "is_crime_record", "pattern")
        .join(patterns.select("pattern", "place"), on="pattern")
        .join(first.select("c", "first_c"), on="c", how="left")
        .group_by("r", pl.coalesce("first_c", "c").alias("c"), "is_crime_record")
        .agg(col("place").max())
        .join(patterns.drop("pattern"), on="place")
        .join(prior, on="is_crime_record", how="left")
        .with_columns(weight=col("weight") + col("prior").fill_null(-1))
        .with_columns(link_probability=odds / (1 + odds.sum().over("r")))
        .join(calls.select("c", "received_s", "call_id"), on="c")
        .sort("weight", "received_s", "call_id", descending=[True, False, False])
        .unique("r", keep="first", maintain_order=True)
        .select(
            *("r", "c", "link_probability"),
            link_rung=when(col("reference_level") == "near")
            .then(lit("repaired_key"))
            .otherwise(lit("scored")),
        )
    )


def main() -> None:
    """Read the landing, climb the ladder, write the links."""
    inputs, target = (Path(argument) for argument in sys.argv[1:])
    landed = {
        "calls": read_standing(inputs, "calls", "call_key"),
        # the first row of a record stands for all of it
        "crime_records": read_standing(inputs, "crime_records", "record_key").filter(
            col("row_id") == col("row_id").min().over("record_key")
        ),
        "log_actions": read_standing(inputs, "log_actions", "call_key", "sequence_number"),
    }
    middle = find_middle(landed)
    calls = read_calls(inputs, landed, middle).collect().lazy()
    records = read_records(inputs, landed, middle).collect().lazy()
    weights = pl.scan_parquet(inputs / "weights.parquet")
    numbers = calls.select("c", "call_id")
    told, with_words = (
        pl.scan_parquet(inputs / f"int_disclosure__{name}.parquet").join(numbers, on="call_id")
        for name in ("told_groups", "text_contents")
    )
    told = told.select("c", "offence_group").collect().lazy()
    named = find_references(landed, records, calls).collect().lazy()
    linked = find_proven_links(named, records, calls).collect().lazy()
    first = find_first_logs(calls).collect().lazy()
    subjects = (
        records.join(linked, on="r", how="anti")
        .filter(col("call_no").ne_missing(col("record_id")))
        .collect()
        .lazy()
    )
    candidates = find_candidates(subjects, calls, told).collect().lazy()
    pairs = (
        compare_candidates(candidates, named, linked, subjects, calls, told, with_words.select("c"))
        .with_columns(pattern=number_pattern())
        .collect()
        .lazy()
    )
    least = pl.read_parquet(inputs / "rulesets.parquet")["min_link_probability"].min()
    by_score = score_candidates(pairs, weights, first, calls).filter(
        col("link_probability") >= least
    )
    by_reference = linked.join(first.filter("is_marked"), on="c", how="left").select(
        "r", "link_rung", c=pl.coalesce("first_c", "c"), link_probability=lit(1.0)
    )
    (
        pl.concat([by_reference, by_score], how="diagonal")
        .join(records.select("r", crime_record_id="published_record_id"), on="r")
        .join(calls.select("c", call_id="published_call_id"), on="c")
        .select("crime_record_id", "call_id", "link_rung", "link_probability")
        .collect()
        .write_parquet(target)
    )


if __name__ == "__main__":
    main()
