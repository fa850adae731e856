"""The link job in PySpark, two cores of this machine: a port for comparison only; see link_job.py.

The force-year is one batch, so each row of the landing is the newest word on its key.
"""

import os
import sys
from functools import reduce
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as f

HOUR, SIX_HOURS, DAY, FORTNIGHT = 3600, 21_600, 86_400, 1_209_600
WIDE, NARROW = 14 * DAY + HOUR, 7 * HOUR
WIDE_BUCKET, NARROW_BUCKET, CELL = 15 * DAY, 8 * HOUR, 1000
col, lit, when = f.col, f.lit, f.when


def session() -> SparkSession:
    """Two cores, no web page, few partitions: one machine."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    return (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", "8g")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )


def floor_div(column: str | Column, width: int) -> Column:
    """Number of the bucket or cell."""
    return f.floor((col(column) if isinstance(column, str) else column) / width)


def number(column: Column) -> Column:
    """Of a keyed hash, shorter to join on; of null it is null."""
    return when(column.isNotNull(), f.xxhash64(column))


def metres(column: str) -> Column:
    """Whole metres of the national grid; 0 0 stands for unknown."""
    is_known = (col("easting") != 0) | (col("northing") != 0)
    return when(is_known, f.round(column).cast("long"))


# ---------------------------------------------------------------------- sides


def read_calls(spark: SparkSession, inputs: Path) -> DataFrame:
    """What calls are compared by."""
    types = spark.read.parquet(str(inputs / "call_types.parquet"))
    calls = spark.read.parquet(str(inputs / "calls.parquet")).select(
        f.coalesce("call_key", f.upper("call_reference")).alias("call_id"),
        *("call_key", "record_key", "cross_key", "disposition_code"),
        *("initial_type_code", "final_type_code"),
        f.unix_timestamp("received_at").alias("received_s"),
        metres("easting").alias("easting_m"),
        metres("northing").alias("northing_m"),
        number(col("location_line_hash")).alias("address_line"),
        number(col("location_postcode_hash")).alias("postcode"),
        "district",
        number(f.coalesce("victim_surname_hash", "victim_name_hash")).alias("surname"),
        number(col("victim_birth_date_hash")).alias("birth_date"),
    )
    for name in ("initial", "final"):
        of_code = types.select(
            col("code").alias(f"{name}_type_code"), col("offence_group").alias(f"{name}_group")
        )
        calls = calls.join(f.broadcast(of_code), f"{name}_type_code", "left")
    return calls.fillna("none", ["initial_group", "final_group"])


def read_records(spark: SparkSession, inputs: Path) -> DataFrame:
    """What records are compared by."""
    offences = spark.read.parquet(str(inputs / "offences.parquet")).select(
        col("code").alias("offence_code"), "offence_group"
    )
    is_report_time = col("reported_at").isNotNull()
    told = f.unix_timestamp(f.coalesce("reported_at", "occurred_to_at", "occurred_at"))
    return (
        spark.read.parquet(str(inputs / "crime_records.parquet"))
        .select(
            f.coalesce("record_key", f.upper("record_reference")).alias("crime_record_id"),
            *("offence_code", "call_key", "district"),
            is_report_time.alias("is_report_time"),
            told.alias("told_s"),
            (told - when(is_report_time, FORTNIGHT).otherwise(HOUR)).alias("wide_from_s"),
            (told - when(is_report_time, SIX_HOURS).otherwise(HOUR)).alias("narrow_from_s"),
            metres("easting").alias("easting_m"),
            metres("northing").alias("northing_m"),
            number(col("location_line_hash")).alias("address_line"),
            number(col("location_postcode_hash")).alias("postcode"),
            number(f.coalesce("victim_surname_hash", "victim_name_hash")).alias("surname"),
            number(col("victim_birth_date_hash")).alias("birth_date"),
        )
        .join(f.broadcast(offences), "offence_code", "left")
        .withColumn("is_crime_record", col("offence_group").isNotNull())
        .fillna("none", ["offence_group"])
    )


# ---------------------------------------------------------------------- comparisons


def agreement(column: str) -> Column:
    """Same, different, or not known on either side."""
    r, c = col(f"r.{column}"), col(f"c.{column}")
    return when(r == c, "same").when(r != c, "differs").otherwise("unknown")


def squared() -> Column:
    """Squared metres between record and call."""
    return f.pow(col("r.easting_m") - col("c.easting_m"), 2) + f.pow(
        col("r.northing_m") - col("c.northing_m"), 2
    )


def is_kind() -> Column:
    """The call was opened or closed under the record's offence group."""
    group = col("r.offence_group")
    return (group == col("c.initial_group")) | (group == col("c.final_group"))


def levels(pairs: DataFrame) -> DataFrame:
    """How far a record (alias r) and a call (alias c) agree, a column per comparison."""
    lag = (col("r.told_s") - col("c.received_s")) * when(col("r.is_report_time"), 1).otherwise(-1)
    time = when(lag.isNull(), "unknown")
    for name, bound in (("minute", 60), ("quarter", 900), ("hour", HOUR)):
        time = time.when(f.abs(lag) <= bound, name)
    time = time.when(lag < 0, "before")
    for name, bound in (("six_hours", SIX_HOURS), ("day", DAY), ("fortnight", FORTNIGHT)):
        time = time.when(lag <= bound, name)
    metre = f.sqrt(squared())
    distance = when(metre <= 50, "here")
    for name, bound in (("near", 150), ("block", 500), ("vicinity", 2000)):
        distance = distance.when(metre <= bound, name)
    distance = distance.when(metre.isNotNull(), "far")
    distance = distance.when(col("r.district") == col("c.district"), "same_district")
    distance = distance.when(col("r.district") != col("c.district"), "other_district")
    is_none, closed_none = col("r.offence_group") == "none", col("c.final_group") == "none"
    offence = when(is_none & closed_none, "no_crime").when(is_none, "differs")
    offence = offence.when(is_kind(), "same")
    offence = offence.when(closed_none & (col("c.initial_group") == "none"), "hidden")
    address = when(col("r.address_line") == col("c.address_line"), "same")
    address = address.when(col("r.postcode") == col("c.postcode"), "postcode")
    address = address.when(col("r.address_line") != col("c.address_line"), "differs")
    return pairs.withColumns(
        {
            "time_level": time.otherwise("later"),
            "distance_level": distance.otherwise("unknown"),
            "address_level": address.otherwise("unknown"),
            "offence_level": offence.otherwise("differs"),
            "name_level": agreement("surname"),
            "birth_date_level": agreement("birth_date"),
        }
    )


def paired(pairs: DataFrame, records: DataFrame, calls: DataFrame) -> DataFrame:
    """Pairs (alias p) with both sides (aliases r and c)."""
    return (
        pairs.alias("p")
        .join(records.alias("r"), col("p.crime_record_id") == col("r.crime_record_id"))
        .join(calls.alias("c"), col("p.call_id") == col("c.call_id"))
    )


def first_in(rows: DataFrame, group: list[Column], order: list[Column]) -> DataFrame:
    """The first row of each group."""
    ranked = rows.withColumn(
        "place", f.row_number().over(Window.partitionBy(*group).orderBy(*order))
    )
    return ranked.filter(col("place") == 1)


# ---------------------------------------------------------------------- references


def references(
    spark: SparkSession, inputs: Path, records: DataFrame, calls: DataFrame
) -> DataFrame:
    """Who names whom, by canonical keys: the record its log, the log its record, or both."""
    record = records.select("crime_record_id")
    typed = records.join(calls.select("call_id", "call_key"), "call_key")
    in_entry = spark.read.parquet(str(inputs / "log_actions.parquet")).select(
        f.coalesce("call_key", f.upper("call_reference")).alias("call_id"), "record_key"
    )
    written = (
        calls.select("call_id", "record_key")
        .union(in_entry.join(calls, "call_id", "left_semi").select("call_id", "record_key"))
        .withColumnRenamed("record_key", "crime_record_id")
        .join(record, "crime_record_id")
    )
    named = typed.select("crime_record_id", "call_id", lit(True).alias("is_typed")).union(
        written.select("crime_record_id", "call_id", lit(False))
    )
    return named.groupBy("crime_record_id", "call_id").agg(
        f.bool_or("is_typed").alias("is_typed"),
        f.bool_or(~col("is_typed")).alias("is_written_back"),
    )


def proven(named: DataFrame, records: DataFrame, calls: DataFrame) -> DataFrame:
    """The rungs that references prove; if the place contradicts, not without support."""
    has_same_person = (col("name_level") == "same") | (col("birth_date_level") == "same")
    is_same_place = col("address_level").isin("same", "postcode")
    is_measured = col("distance_level").isin("here", "near", "block", "vicinity", "far")
    is_contradicted = (col("distance_level").isin("vicinity", "far") & ~is_same_place) | (
        ~is_measured
        & (col("address_level") == "differs")
        & ~col("time_level").isin("minute", "quarter", "unknown")
    )
    agreement_count = (
        has_same_person.cast("int")
        + (is_same_place | col("distance_level").isin("here", "near")).cast("int")
        + col("time_level").isin("minute", "quarter").cast("int")
        + col("offence_level").isin("same", "no_crime").cast("int")
    )
    is_mutual = col("is_typed") & col("is_written_back")
    is_shared_number = col("r.call_key").eqNullSafe(col("r.crime_record_id"))
    kept = levels(paired(named, records, calls)).filter(
        is_mutual | is_shared_number | has_same_person | ~is_contradicted
    )
    order = [
        is_mutual.desc(), agreement_count.desc(), col("is_typed").desc(), col("received_s"),
        col("p.call_id"),
    ]  # fmt: skip
    rung = when(col("is_typed"), "canonical_key").otherwise("written_back")
    return first_in(kept, [col("p.crime_record_id")], order).select(
        "p.crime_record_id", "p.call_id", rung.alias("link_rung")
    )


# ---------------------------------------------------------------------- blocks


def candidates(subjects: DataFrame, calls: DataFrame) -> DataFrame:
    """Which calls a record is compared with: joins on equal cells and buckets of time."""
    calls = calls.withColumns(
        {
            "wide_bucket": floor_div("received_s", WIDE_BUCKET),
            "narrow_bucket": floor_div("received_s", NARROW_BUCKET),
            "east_cell": floor_div("easting_m", CELL),
            "north_cell": floor_div("northing_m", CELL),
        }
    )
    wide = both(subjects, "wide_bucket", floor_div("wide_from_s", WIDE_BUCKET))
    narrow = both(subjects, "narrow_bucket", floor_div("narrow_from_s", NARROW_BUCKET))

    def in_cells(rows: DataFrame) -> DataFrame:
        """In the four cells that a circle of 500 m can touch."""
        for name, axis in (("east_cell", "easting_m"), ("north_cell", "northing_m")):
            rows = both(rows, name, floor_div(col(axis) - 500, CELL))
        return rows

    def of_kind(rows: DataFrame) -> DataFrame:
        return rows.filter("is_crime_record").withColumn("final_group", col("offence_group"))

    received = col("c.received_s")
    in_fortnight = (received - col("r.wide_from_s")).between(0, WIDE)
    in_hours = (received - col("r.narrow_from_s")).between(0, NARROW)
    east, north = (
        f.abs(col(f"r.{axis}") - col(f"c.{axis}")) for axis in ("easting_m", "northing_m")
    )
    same_surname = col("r.surname").eqNullSafe(col("c.surname")) & col("r.surname").isNotNull()
    has_no_place = (col("r.easting_m").isNull() | col("c.easting_m").isNull()) & (
        col("r.district") == col("c.district")
    )
    is_near = squared() < 250_000
    blocks = (
        (wide, ["birth_date", "wide_bucket"], in_fortnight),
        (wide, ["surname", "wide_bucket"],
         in_fortnight & (((east < 2000) & (north < 2000)) | has_no_place)),
        (wide, ["address_line", "wide_bucket"],
         in_fortnight & (is_kind() | same_surname | in_hours)),
        (wide, ["postcode", "wide_bucket"], in_fortnight & (is_kind() | same_surname)),
        (in_cells(narrow), ["east_cell", "north_cell", "narrow_bucket"], in_hours & is_near),
        (of_kind(in_cells(wide)), ["east_cell", "north_cell", "wide_bucket", "final_group"],
         in_fortnight & is_near),
        (of_kind(narrow), ["district", "narrow_bucket", "final_group"],
         f.abs(received - col("r.told_s")) <= 1800),
    )  # fmt: skip
    found = []
    for left, keys, holds in blocks:
        equal = [col(f"r.{key}") == col(f"c.{key}") for key in keys]
        pairs = left.alias("r").join(calls.alias("c"), equal).filter(holds)
        found.append(pairs.select("r.crime_record_id", "c.call_id"))
    return reduce(DataFrame.union, found).distinct()


def both(rows: DataFrame, name: str, first: Column) -> DataFrame:
    """Each row twice, in the bucket or cell of `first` and in the next."""
    return rows.withColumn(name, f.explode(f.array(first, first + 1)))


# ---------------------------------------------------------------------- comparisons of candidates


def slips(key: str) -> list[str]:
    """Keys one slip away: one digit another, or two that stand side by side changed."""
    found = set()
    for at, digit in enumerate(key):
        if not digit.isdigit():
            continue
        found |= {key[:at] + other + key[at + 1 :] for other in "0123456789"}
        following = key[at + 1 : at + 2]
        if following.isdigit():
            found.add(key[:at] + following + digit + key[at + 2 :])
    return list(found - {key})


def near_references(subjects: DataFrame, calls: DataFrame) -> DataFrame:
    """Calls one slip away from the key that a record bears, of the same surroundings."""
    slipped = subjects.filter(col("call_key").isNotNull()).withColumn(
        "call_key", f.explode(f.udf(lambda key: slips(key), "array<string>")("call_key"))
    )
    in_fortnight = (col("c.received_s") - col("r.wide_from_s")).between(0, WIDE)
    is_alike = squared() < 4_000_000
    for column in ("birth_date", "surname", "address_line", "postcode"):
        is_alike = is_alike | (col(f"r.{column}") == col(f"c.{column}"))
    pairs = slipped.alias("r").join(calls.alias("c"), col("r.call_key") == col("c.call_key"))
    return pairs.filter(in_fortnight & is_alike).select("r.crime_record_id", "c.call_id").distinct()


def first_logs(spark: SparkSession, inputs: Path, calls: DataFrame) -> DataFrame:
    """For a log that repeats another, marked or not, the first one (`first_call_id`)."""
    closures = spark.read.parquet(str(inputs / "closures.parquet"))
    codes = closures.filter(col("reason_code") == "DUPLICATE_LOG").select(
        col("code").alias("disposition_code")
    )
    named = calls.select(col("call_key").alias("cross_key"), col("call_id").alias("first_call_id"))
    marked = (
        calls.join(f.broadcast(codes), "disposition_code", "left_semi")
        .join(named, "cross_key")
        .filter(col("call_id") != col("first_call_id"))
        .select("call_id", "first_call_id")
    )
    within_the_hour = (
        Window.partitionBy("address_line", "postcode", "district", "initial_group")
        .orderBy("received_s")
        .rangeBetween(-HOUR, -1)
    )
    first = f.min(f.struct("received_s", "call_id")).over(within_the_hour)
    unmarked = (
        calls.filter(col("address_line").isNotNull() & (col("initial_group") != "none"))
        .join(marked, "call_id", "left_anti")
        .withColumn("first_call_id", first["call_id"])
        .filter(col("first_call_id").isNotNull())
        .select("call_id", "first_call_id")
    )
    return marked.withColumn("is_marked", lit(True)).union(
        unmarked.withColumn("is_marked", lit(False))
    )


COMPARISONS = (
    "time", "distance", "address", "offence", "name", "birth_date", "reference", "taken",
)  # fmt: skip
PAIR = ["crime_record_id", "call_id"]


def compared(
    found: DataFrame, named: DataFrame, linked: DataFrame, subjects: DataFrame, calls: DataFrame
) -> DataFrame:
    """Each record and candidate with the pattern of their levels."""
    typed = named.filter("is_typed").select(PAIR).join(subjects, "crime_record_id", "left_semi")
    near = near_references(subjects, calls)
    reference = typed.withColumn("reference_level", lit("typed")).union(
        near.join(typed, PAIR, "left_anti").withColumn("reference_level", lit("near"))
    )
    taken = linked.select("call_id", lit("taken").alias("taken_level")).distinct()
    pairs = (
        found.union(typed)
        .union(near)
        .distinct()
        .join(reference, PAIR, "left")
        .join(taken, "call_id", "left")
        .fillna({"taken_level": "free", "reference_level": "differs"})
    )
    reference_level = when(col("r.call_key").isNull(), "unknown").otherwise(col("reference_level"))
    return (
        levels(paired(pairs, subjects, calls))
        .withColumn("reference_level", reference_level)
        .select(
            *("p.crime_record_id", "p.call_id", "r.is_crime_record"),
            f.concat_ws("/", *(f"{name}_level" for name in COMPARISONS)).alias("pattern"),
        )
    )


# ---------------------------------------------------------------------- scores


def pattern_weights(patterns: DataFrame, weights: DataFrame) -> DataFrame:
    """Base-2 odds of a pattern: as learnt, else the prior and the sum of its levels."""
    names = f.array(*(lit(name) for name in COMPARISONS))
    seen = weights.filter(col("comparison") == "pattern").select(
        col("level").alias("pattern"), col("weight").alias("seen")
    )
    prior = weights.filter(col("comparison") == "prior").select(col("weight").alias("prior"))
    of_level = weights.select("comparison", "level", col("weight").alias("of_level"))
    in_order = f.array_sort(f.collect_list(f.struct("comparison", "of_level")))
    total = f.aggregate(
        in_order, lit(0.0), lambda sum_, one: sum_ + f.coalesce(one["of_level"], lit(0.0))
    )
    return (
        patterns.withColumn("pair", f.explode(f.arrays_zip(names, f.split("pattern", "/"))))
        .select("pattern", col("pair.0").alias("comparison"), col("pair.1").alias("level"))
        .join(f.broadcast(of_level), ["comparison", "level"], "left")
        .groupBy("pattern")
        .agg(total.alias("independent"))
        .crossJoin(f.broadcast(prior))
        .join(f.broadcast(seen), "pattern", "left")
        .select("pattern", f.coalesce("seen", col("prior") + col("independent")).alias("weight"))
    )


def scored(pairs: DataFrame, weights: DataFrame, first: DataFrame, calls: DataFrame) -> DataFrame:
    """For each leftover record the log that it belongs to most probably: one of them, or none."""
    leftover = weights.filter(col("comparison") == "leftover").select(
        (col("level") == "crime").alias("is_crime_record"), col("weight").alias("prior")
    )
    patterns = pattern_weights(pairs.select("pattern").distinct(), weights)
    incidents = (
        pairs.join(f.broadcast(patterns), "pattern")
        .join(f.broadcast(leftover), "is_crime_record", "left")
        .join(first, "call_id", "left")
        .withColumn("weight", col("weight") + f.coalesce("prior", lit(-1.0)))
        .groupBy("crime_record_id", f.coalesce("first_call_id", "call_id").alias("call_id"))
        .agg(f.max(f.struct("weight", "pattern")).alias("best"))
        .select(*PAIR, "best.weight", "best.pattern")
    )
    odds = f.pow(lit(2.0), "weight")
    of_record = Window.partitionBy("crime_record_id")
    ranked = incidents.withColumn(
        "link_probability", odds / (1 + f.sum(odds).over(of_record))
    ).join(calls.select("call_id", "received_s"), "call_id")
    is_near = f.split("pattern", "/")[6] == "near"
    order = [col("weight").desc(), col("received_s"), col("call_id")]
    return first_in(ranked, [col("crime_record_id")], order).select(
        *PAIR,
        when(is_near, "repaired_key").otherwise("scored").alias("link_rung"),
        "link_probability",
    )


def main() -> None:
    """Read the landing, climb the ladder, write the links."""
    inputs, target = (Path(argument) for argument in sys.argv[1:])
    spark = session()
    calls = read_calls(spark, inputs).cache()
    records = read_records(spark, inputs).cache()
    weights = spark.read.parquet(str(inputs / "weights.parquet"))
    named = references(spark, inputs, records, calls).cache()
    linked = proven(named, records, calls).cache()
    first = first_logs(spark, inputs, calls).cache()
    subjects = (
        records.join(linked, "crime_record_id", "left_anti")
        .filter(~col("call_key").eqNullSafe(col("crime_record_id")))
        .cache()
    )
    pairs = compared(candidates(subjects, calls), named, linked, subjects, calls).cache()
    (least,) = (
        spark.read.parquet(str(inputs / "rulesets.parquet"))
        .agg(f.min("min_link_probability"))
        .first()
    )
    by_score = scored(pairs, weights, first, calls).filter(col("link_probability") >= least)
    by_reference = linked.join(first.filter("is_marked"), "call_id", "left").select(
        "crime_record_id",
        f.coalesce("first_call_id", "call_id").alias("call_id"),
        "link_rung",
        lit(1.0).alias("link_probability"),
    )
    links = by_reference.union(by_score)
    links.toPandas().to_parquet(target)
    spark.stop()


if __name__ == "__main__":
    main()
