"""The link job in polars: a port for comparison only, model by model; see link_job.py.

The force-year is one batch, so each row of the landing is the current row of its key.
"""

import sys
from pathlib import Path

import polars as pl

HOUR, SIX_HOURS, FORTNIGHT = 3600, 21_600, 1_209_600
col, lit, when = pl.col, pl.lit, pl.when


def first_known(*columns: str) -> pl.Expr:
    """The first value that is not null."""
    return pl.coalesce(*columns)


def to_epoch(column: pl.Expr) -> pl.Expr:
    """Whole seconds since 1970."""
    return column.dt.epoch("s")


def hash_to_number(column: pl.Expr) -> pl.Expr:
    """A keyed hash as a number; null stays null, as it would otherwise hash to a value and join."""
    return when(column.is_not_null()).then(column.hash())


def read_metres(column: str) -> pl.Expr:
    """Whole metres of the national grid; 0 0 stands for unknown."""
    return when((col("easting") != 0) | (col("northing") != 0)).then(col(column).cast(pl.Int64))


# ---------------------------------------------------------------------- sides


def read_calls(inputs: Path) -> pl.LazyFrame:
    """What calls are compared by."""
    types = pl.scan_parquet(inputs / "call_types.parquet").select("code", "offence_group")
    calls = pl.scan_parquet(inputs / "calls.parquet").select(
        call_id=first_known("call_key", col("call_reference").str.to_uppercase()),
        call_key="call_key",
        record_key="record_key",
        cross_key="cross_key",
        disposition_code="disposition_code",
        initial_type_code="initial_type_code",
        final_type_code="final_type_code",
        received_s=to_epoch(col("received_at")),
        easting_m=read_metres("easting"),
        northing_m=read_metres("northing"),
        address_line=hash_to_number(col("location_line_hash")),
        postcode=hash_to_number(col("location_postcode_hash")),
        district="district",
        surname=hash_to_number(first_known("victim_surname_hash", "victim_name_hash")),
        birth_date=hash_to_number(col("victim_birth_date_hash")),
    )
    for name in ("initial", "final"):
        calls = calls.join(
            types.rename({"code": f"{name}_type_code", "offence_group": f"{name}_group"}),
            on=f"{name}_type_code",
            how="left",
        ).with_columns(col(f"{name}_group").fill_null("none"))
    return calls.with_row_index("c")


def read_records(inputs: Path) -> pl.LazyFrame:
    """What records are compared by."""
    offences = pl.scan_parquet(inputs / "offences.parquet").select(
        offence_code="code", offence_group="offence_group"
    )
    told = first_known("reported_at", "occurred_to_at", "occurred_at")
    is_report_time = col("reported_at").is_not_null()
    return (
        pl.scan_parquet(inputs / "crime_records.parquet")
        .select(
            "offence_code",
            "call_key",
            crime_record_id=first_known("record_key", col("record_reference").str.to_uppercase()),
            is_report_time=is_report_time,
            told_s=to_epoch(told),
            wide_from_s=to_epoch(told) - when(is_report_time).then(FORTNIGHT).otherwise(HOUR),
            narrow_from_s=to_epoch(told) - when(is_report_time).then(SIX_HOURS).otherwise(HOUR),
            easting_m=read_metres("easting"),
            northing_m=read_metres("northing"),
            address_line=hash_to_number(col("location_line_hash")),
            postcode=hash_to_number(col("location_postcode_hash")),
            district="district",
            surname=hash_to_number(first_known("victim_surname_hash", "victim_name_hash")),
            birth_date=hash_to_number(col("victim_birth_date_hash")),
        )
        .join(offences, on="offence_code", how="left")
        .with_columns(
            is_crime_record=col("offence_group").is_not_null(),
            offence_group=col("offence_group").fill_null("none"),
        )
        .with_row_index("r")
    )


# ---------------------------------------------------------------------- comparisons


def compare_values(left: str, right: str) -> pl.Expr:
    """Same, different, or not known on either side."""
    return (
        when(col(left) == col(right))
        .then(lit("same"))
        .when(col(left) != col(right))
        .then(lit("differs"))
        .otherwise(lit("unknown"))
    )


def has_same_offence_group() -> pl.Expr:
    """The call was opened or closed under the record's offence group."""
    group = col("offence_group")
    return (group == col("initial_group")) | (group == col("final_group"))


def add_levels(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """How far a record and a call (columns `..._c`) agree, a column per comparison."""
    lag = (col("told_s") - col("received_s")) * when("is_report_time").then(1).otherwise(-1)
    metre = (
        (col("easting_m") - col("easting_m_c")).pow(2)
        + (col("northing_m") - col("northing_m_c")).pow(2)
    ).sqrt()
    time = when(lag.is_null()).then(lit("unknown"))
    for name, bound in (("minute", 60), ("quarter", 900), ("hour", 3600)):
        time = time.when(lag.abs() <= bound).then(lit(name))
    time = time.when(lag < 0).then(lit("before"))
    for name, bound in (("six_hours", 21_600), ("day", 86_400), ("fortnight", FORTNIGHT)):
        time = time.when(lag <= bound).then(lit(name))
    distance = when(metre <= 50).then(lit("here"))
    for name, bound in (("near", 150), ("block", 500), ("vicinity", 2000)):
        distance = distance.when(metre <= bound).then(lit(name))
    is_none = col("offence_group") == "none"
    return pairs.with_columns(
        time_level=time.otherwise(lit("later")),
        distance_level=distance.when(metre.is_not_null())
        .then(lit("far"))
        .when(col("district") == col("district_c"))
        .then(lit("same_district"))
        .when(col("district") != col("district_c"))
        .then(lit("other_district"))
        .otherwise(lit("unknown")),
        address_level=when(col("address_line") == col("address_line_c"))
        .then(lit("same"))
        .when(col("postcode") == col("postcode_c"))
        .then(lit("postcode"))
        .when(col("address_line") != col("address_line_c"))
        .then(lit("differs"))
        .otherwise(lit("unknown")),
        offence_level=when(is_none & (col("final_group") == "none"))
        .then(lit("no_crime"))
        .when(is_none)
        .then(lit("differs"))
        .when(has_same_offence_group())
        .then(lit("same"))
        .when((col("final_group") == "none") & (col("initial_group") == "none"))
        .then(lit("hidden"))
        .otherwise(lit("differs")),
        name_level=compare_values("surname", "surname_c"),
        birth_date_level=compare_values("birth_date", "birth_date_c"),
    )


# ---------------------------------------------------------------------- references


def find_references(inputs: Path, records: pl.LazyFrame, calls: pl.LazyFrame) -> pl.LazyFrame:
    """Who names whom, by canonical keys: the record its log, the log its record, or both."""
    record = records.select("r", "crime_record_id")
    call = calls.select("c", "call_id", "record_key")
    typed = records.select("r", "call_key").join(calls.select("c", "call_key"), on="call_key")
    on_log = call.join(record, left_on="record_key", right_on="crime_record_id")
    actions = pl.scan_parquet(inputs / "log_actions.parquet").select(
        "record_key", call_id=first_known("call_key", col("call_reference").str.to_uppercase())
    )
    in_entry = actions.join(record, left_on="record_key", right_on="crime_record_id").join(
        call, on="call_id"
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
    """The rungs that references prove; if the place contradicts, not without support."""
    is_mutual = col("is_typed") & col("is_written_back")
    has_same_person = (col("name_level") == "same") | (col("birth_date_level") == "same")
    is_same_place = col("address_level").is_in(["same", "postcode"])
    is_contradicted = (col("distance_level").is_in(["vicinity", "far"]) & ~is_same_place) | (
        ~col("distance_level").is_in(["here", "near", "block", "vicinity", "far"])
        & (col("address_level") == "differs")
        & ~col("time_level").is_in(["minute", "quarter", "unknown"])
    )
    agreement_count = sum(
        fact.cast(pl.Int32)
        for fact in (
            has_same_person,
            is_same_place | col("distance_level").is_in(["here", "near"]),
            col("time_level").is_in(["minute", "quarter"]),
            col("offence_level").is_in(["same", "no_crime"]),
        )
    )
    is_shared_number = (col("call_key") == col("crime_record_id")).fill_null(False)
    pairs = add_levels(named.join(records, on="r").join(calls, on="c", suffix="_c"))
    return (
        pairs.with_columns(is_mutual=is_mutual, agreement_count=agreement_count)
        .filter(col("is_mutual") | is_shared_number | has_same_person | ~is_contradicted)
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


# ---------------------------------------------------------------------- blocks

DAY = 86_400
WIDE, NARROW = 14 * DAY + HOUR, 7 * HOUR
WIDE_BUCKET, NARROW_BUCKET, CELL = 15 * DAY, 8 * HOUR, 1000


def find_candidates(subjects: pl.LazyFrame, calls: pl.LazyFrame) -> pl.LazyFrame:
    """Which calls a record is compared with: joins on equal cells and buckets of time."""
    calls = calls.with_columns(
        wide_bucket=col("received_s") // WIDE_BUCKET,
        narrow_bucket=col("received_s") // NARROW_BUCKET,
        east_cell=col("easting_m") // CELL,
        north_cell=col("northing_m") // CELL,
    )
    wide = put_into_two_buckets(subjects, "wide_bucket", col("wide_from_s") // WIDE_BUCKET)
    narrow = put_into_two_buckets(subjects, "narrow_bucket", col("narrow_from_s") // NARROW_BUCKET)
    # the four cells that a circle of 500 m can touch
    cells = put_into_two_buckets(
        put_into_two_buckets(subjects, "east_cell", (col("easting_m") - 500) // CELL),
        "north_cell",
        (col("northing_m") - 500) // CELL,
    ).select("r", "east_cell", "north_cell")
    in_fortnight = (col("received_s") - col("wide_from_s")).is_between(0, WIDE)
    in_hours = (col("received_s") - col("narrow_from_s")).is_between(0, NARROW)
    east, north = (col(f"{axis}_m") - col(f"{axis}_m_c") for axis in ("easting", "northing"))
    is_near = east.pow(2) + north.pow(2) < 250_000
    is_near_by = (east.abs() < 2000) & (north.abs() < 2000)
    has_no_place = col("easting_m").is_null() | col("easting_m_c").is_null()
    same_surname = col("surname") == col("surname_c")
    blocks = (
        (wide, ["birth_date", "wide_bucket"], in_fortnight),
        (
            wide,
            ["surname", "wide_bucket"],
            in_fortnight & (is_near_by | (has_no_place & (col("district") == col("district_c")))),
        ),
        (
            wide,
            ["address_line", "wide_bucket"],
            in_fortnight & (has_same_offence_group() | same_surname | in_hours),
        ),
        (
            wide,
            ["postcode", "wide_bucket"],
            in_fortnight & (has_same_offence_group() | same_surname),
        ),
        (
            narrow.join(cells, on="r"),
            ["east_cell", "north_cell", "narrow_bucket"],
            in_hours & is_near,
        ),
        (
            wide.filter("is_crime_record")
            .join(cells, on="r")
            .with_columns(final_group="offence_group"),
            ["east_cell", "north_cell", "wide_bucket", "final_group"],
            in_fortnight & is_near,
        ),
        (
            narrow.filter("is_crime_record").with_columns(final_group="offence_group"),
            ["district", "narrow_bucket", "final_group"],
            (col("received_s") - col("told_s")).abs() <= 1800,
        ),
    )
    return pl.concat(
        [
            left.join(calls, on=on, suffix="_c").filter(condition).select("r", "c")
            for left, on, condition in blocks
        ]
    ).unique()


def put_into_two_buckets(rows: pl.LazyFrame, name: str, first: pl.Expr) -> pl.LazyFrame:
    """Each row twice, in the bucket or cell of `first` and in the next."""
    return rows.with_columns(pl.concat_list(first, first + 1).alias(name)).explode(name)


# ---------------------------------------------------------------------- comparisons of candidates


def list_slips(key: str) -> list[str]:
    """Keys one slip away: one digit is another one, or two neighbouring digits are exchanged."""
    keys = set()
    for place, digit in enumerate(key):
        if not digit.isdigit():
            continue
        keys |= {key[:place] + other + key[place + 1 :] for other in "0123456789"}
        following = key[place + 1 : place + 2]
        if following.isdigit():
            keys.add(key[:place] + following + digit + key[place + 2 :])
    return list(keys - {key})


def find_near_references(subjects: pl.LazyFrame, calls: pl.LazyFrame) -> pl.LazyFrame:
    """Calls one slip away from the key that a record bears, of the same surroundings."""
    in_fortnight = (col("received_s") - col("wide_from_s")).is_between(0, WIDE)
    east, north = (col(f"{axis}_m") - col(f"{axis}_m_c") for axis in ("easting", "northing"))
    is_alike = pl.any_horizontal(
        *(
            col(name) == col(f"{name}_c")
            for name in ("birth_date", "surname", "address_line", "postcode")
        ),
        east.pow(2) + north.pow(2) < 4_000_000,
    )
    return (
        subjects.filter(col("call_key").is_not_null())
        .with_columns(col("call_key").map_elements(list_slips, return_dtype=pl.List(pl.String)))
        .explode("call_key")
        .join(calls, on="call_key", suffix="_c")
        .filter(in_fortnight & is_alike)
        .select("r", "c")
        .unique()
    )


def find_first_logs(inputs: Path, calls: pl.LazyFrame) -> pl.LazyFrame:
    """For a log that repeats another, marked or not, the first one (`first_c`)."""
    closures = pl.scan_parquet(inputs / "closures.parquet").filter(
        col("reason_code") == "DUPLICATE_LOG"
    )
    marked = (
        calls.join(closures, left_on="disposition_code", right_on="code", how="semi")
        .join(calls.select("call_key", first_c="c"), left_on="cross_key", right_on="call_key")
        .filter(col("c") != col("first_c"))
        .select("c", "first_c")
    )
    place = ["address_line", "postcode", "district", "initial_group"]
    alone = calls.filter(col("address_line").is_not_null() & (col("initial_group") != "none")).join(
        marked, on="c", how="anti"
    )
    unmarked = (
        alone.join(
            alone.select(*place, "received_s", "call_id", first_c="c"),
            on=place,
            nulls_equal=True,
            suffix="_first",
        )
        .filter((col("received_s") - col("received_s_first")).is_between(1, HOUR))
        .sort("received_s_first", "call_id_first")
        .unique("c", keep="first", maintain_order=True)
        .select("c", "first_c")
    )
    return pl.concat(
        [marked.with_columns(is_marked=lit(True)), unmarked.with_columns(is_marked=lit(False))]
    )


COMPARISONS = (
    "time",
    "distance",
    "address",
    "offence",
    "name",
    "birth_date",
    "reference",
    "taken",
)


def compare_candidates(
    pairs: pl.LazyFrame,
    named: pl.LazyFrame,
    linked: pl.LazyFrame,
    subjects: pl.LazyFrame,
    calls: pl.LazyFrame,
) -> pl.LazyFrame:
    """Each record and candidate with the pattern of their levels."""
    typed = named.filter("is_typed").select("r", "c").join(subjects, on="r", how="semi")
    near = find_near_references(subjects, calls)
    taken = linked.select("c", is_taken=lit(True)).unique()
    reference = pl.concat(
        [
            typed.with_columns(reference_level=lit("typed")),
            near.join(typed, on=["r", "c"], how="anti").with_columns(reference_level=lit("near")),
        ]
    )
    return (
        add_levels(
            pl.concat([pairs, typed, near])
            .unique()
            .join(subjects, on="r")
            .join(calls, on="c", suffix="_c")
            .join(reference, on=["r", "c"], how="left")
            .join(taken, on="c", how="left")
        )
        .with_columns(
            reference_level=when(col("call_key").is_null())
            .then(lit("unknown"))
            .otherwise(col("reference_level").fill_null("differs")),
            taken_level=when("is_taken").then(lit("taken")).otherwise(lit("free")),
        )
        .select(
            *("r", "c", "is_crime_record"),
            pattern=pl.concat_str(*(f"{name}_level" for name in COMPARISONS), separator="/"),
        )
    )


# ---------------------------------------------------------------------- scores


def weigh_patterns(patterns: pl.LazyFrame, weights: pl.LazyFrame) -> pl.LazyFrame:
    """Base-2 odds of a pattern: as learnt, else the prior and the sum of its levels."""
    prior = weights.filter(col("comparison") == "prior").select(prior="weight")
    seen = weights.filter(col("comparison") == "pattern").select(pattern="level", seen="weight")
    return (
        patterns.with_columns(
            comparison=lit(list(COMPARISONS)), level=col("pattern").str.split("/")
        )
        .explode("comparison", "level")
        .join(weights, on=["comparison", "level"], how="left")
        .sort("comparison")
        .group_by("pattern", maintain_order=True)
        .agg(col("weight").sum())
        .join(prior, how="cross")
        .join(seen, on="pattern", how="left")
        .select("pattern", weight=pl.coalesce("seen", col("prior") + col("weight")))
    )


def score_candidates(
    pairs: pl.LazyFrame, weights: pl.LazyFrame, first: pl.LazyFrame, calls: pl.LazyFrame
) -> pl.LazyFrame:
    """For each leftover record the log that it belongs to most probably: one of them, or none."""
    prior = weights.filter(col("comparison") == "leftover").select(
        is_crime_record=col("level") == "crime", prior="weight"
    )
    patterns = weigh_patterns(pairs.select("pattern").unique(), weights)
    odds = pl.lit(2.0).pow("weight")
    return (
        pairs.join(patterns, on="pattern")
        .join(prior, on="is_crime_record", how="left")
        .join(first, on="c", how="left")
        .with_columns(
            weight=col("weight") + col("prior").fill_null(-1), c=pl.coalesce("first_c", "c")
        )
        .sort("weight", "pattern")
        .group_by("r", "c")
        .agg(col("weight").last(), col("pattern").last())
        .with_columns(link_probability=odds / (1 + odds.sum().over("r")))
        .join(calls.select("c", "received_s", "call_id"), on="c")
        .sort("weight", "received_s", "call_id", descending=[True, False, False])
        .unique("r", keep="first", maintain_order=True)
        .select(
            *("r", "c", "link_probability"),
            link_rung=when(col("pattern").str.split("/").list.get(6) == "near")
            .then(lit("repaired_key"))
            .otherwise(lit("scored")),
        )
    )


def main() -> None:
    """Read the landing, climb the ladder, write the links."""
    inputs, target = (Path(argument) for argument in sys.argv[1:])
    calls = read_calls(inputs).collect().lazy()
    records = read_records(inputs).collect().lazy()
    weights = pl.scan_parquet(inputs / "weights.parquet")
    named = find_references(inputs, records, calls).collect().lazy()
    linked = find_proven_links(named, records, calls).collect().lazy()
    first = find_first_logs(inputs, calls).collect().lazy()
    subjects = (
        records.join(linked, on="r", how="anti")
        .filter(col("call_key").ne_missing(col("crime_record_id")))
        .collect()
        .lazy()
    )
    pairs = (
        compare_candidates(find_candidates(subjects, calls), named, linked, subjects, calls)
        .collect()
        .lazy()
    )
    marked = first.filter("is_marked")
    least = pl.read_parquet(inputs / "rulesets.parquet")["min_link_probability"].min()
    by_score = score_candidates(pairs, weights, first, calls).filter(
        col("link_probability") >= least
    )
    by_reference = linked.join(marked, on="c", how="left").select(
        "r", "link_rung", c=pl.coalesce("first_c", "c"), link_probability=lit(1.0)
    )
    (
        pl.concat([by_reference, by_score], how="diagonal")
        .join(records.select("r", "crime_record_id"), on="r")
        .join(calls.select("c", "call_id"), on="c")
        .select("crime_record_id", "call_id", "link_rung", "link_probability")
        .collect()
        .write_parquet(target)
    )


if __name__ == "__main__":
    main()
