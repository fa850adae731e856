"""Measure how each file of a batch differs from the batches before it, for the rules about files.

A rule about rows sees one row at a time. That a column went blank, a day is missing, the clock
moved or the numbers began again shows only in many rows, and mostly only in comparison with what
came before. A measure is null if there are too few rows to tell. What a measure may be, the rules
in `expectations/landing/files.yaml` say.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from cdi.agency.datasets import (
    DATASETS,
    LINEAGE,
    number_expressions,
    output_columns,
    variant_columns,
)
from cdi.agency.interval import Interval, midnight
from cdi.agency.model import Agency
from cdi.landing.batches import Batch
from cdi.landing.rows import identity_expression
from cdi.quality.deliveries import list_daily_files
from cdi.sql import create_table, ident, literal, read_query

SQL = Path(__file__).parent / "sql"

# the time of a row, as SQL
TIMES = {
    "calls": "received_at",
    "crime_records": "coalesce(recorded_at, reported_at, occurred_at)",
    "log_actions": "acted_at",
}
# the kinds of columns whose values are looked at
TEXT_KINDS = ("code", "text", "reference", "free_text", "boolean")
# A batch of changes is compared with this many batches before it; a snapshot holds everything, so
# the one before it is enough.
BEFORE = 30
LEAST_ROWS = 50  # so many rows, in a file or before, make a share that means something
FEW_ROWS = 20  # so many rows are enough to say "all" or "none"
LEAST_TIMES = 2_000  # so many times tell the mean hour of the day to a quarter of an hour
LEAST_DAILY = 20  # if a usual day has so many rows, a day without any is no accident
LEAST_COARSE_TIMES = 500  # so many times tell the mean hour of the day to some hours
DAYS_BEFORE = 14  # a day's file of changes is mostly about the day and so many days before it
USUAL_ENDS = 3  # so many deliveries say when the last row usually comes
NEWEST_ENDS = 7  # and the newest of them are looked at
LEAST_BUSY = 50  # if a usual day has so many rows, half a day without any is no accident

# Texts are lists of columns or days, numbers are shares or hours. Null means that there is nothing
# of that kind, or too little to tell.
MEASURES = {
    "emptied_columns": "varchar",
    "thinned_columns": "varchar",
    "constant_columns": "varchar",
    "unheard_of_columns": "varchar",
    "cut_columns": "varchar",
    "placeholder_columns": "varchar",
    "garbled_columns": "varchar",
    "formula_columns": "varchar",
    "missing_days": "varchar",
    "doubled_days": "varchar",
    "falling_days": "varchar",
    "silent_hours": "double",
    "hours_back": "double",
    "kept_days_share": "double",
    "outside_share": "double",
    "swapped_share": "double",
    "mean_hour": "double",
    "moved_hours": "double",
    "hours_sharper": "double",
    "retimed_share": "double",
    "far_share": "double",
    "twin_share": "double",
    "contradicted_count": "bigint",
}

# what a program writes where it has no value
PLACEHOLDER = r"(?i)\(?null\)?|n/?a|nan|undefined|#[a-z/0-9]+[!?]?|\\N|[-?.*]+|x{3,}"
# UTF-8 that was read as Latin-1 or Windows-1252, a character that was lost, or an HTML entity
GARBLED = "[ÂÃ][\x80-\xbf]|â[€\x80]|\ufffd|&(amp|lt|gt|quot|apos|nbsp|#[0-9]{2,5});"
# text that a spreadsheet would take for a formula
FORMULA = r"^[=@\t\r]|^[+-]\s*[A-Za-z(=@]"


def measure_profile(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    batch: Batch,
    earlier: Sequence[Batch],
    confirmed: int | None = None,
) -> None:
    """Make the table `profiles`, with one row for each file of a batch.

    Args:
        con: Has the batch's accepted rows as `rows`.
        agency: The agency that the batch belongs to.
        batch: A pending batch.
        earlier: The accepted batches of the dataset, in the order of their acceptance.
        confirmed: Number of rows on the days of a live source that are as they were landed; None
            for files.
    """
    dataset = batch.manifest["dataset"]
    ends = [] if batch.manifest["delivery"] == "days" else earlier[-NEWEST_ENDS:]
    if batch.manifest["delivery"] == "snapshot":
        earlier = sorted(earlier, key=_age_of_snapshot)[-1:]
    is_newest = all(before.manifest["as_of"] <= batch.manifest["as_of"] for before in earlier)
    files = ", ".join(literal(str(before.rows)) for before in earlier[-BEFORE:])
    source = f"read_parquet([{files}], union_by_name = true)" if files else "rows limit 0"
    con.execute(f"create or replace temp view earlier as from {source}")
    con.execute("create or replace table profiles as select distinct source_file from rows")
    _measure_columns(con, dataset)
    _measure_positions(con, dataset)
    if dataset in TIMES:
        _measure_times(con, agency, batch, confirmed, ends)
        if batch.manifest["delivery"] == "snapshot" and is_newest:
            _measure_lost_end(con)
            _measure_kept_days(con)
        _measure_twins(con, agency, dataset)
    if batch.manifest.get("rows_per_key") == "one" and batch.manifest["delivery"] != "days":
        _measure_contradictions(con, dataset)
    # The rules ask for every measure, also for those that this dataset has nothing for.
    create_table(con, "measured", {"source_file": "varchar", **MEASURES})
    con.execute("insert into measured by name from profiles")
    con.execute("drop table profiles; alter table measured rename to profiles")


def _age_of_snapshot(batch: Batch) -> tuple[str, int]:
    return batch.manifest["as_of"], batch.manifest["seq"]


def _join_measures(
    con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any] | None = None
) -> None:
    """Add the columns of a query, which has a row for each source_file, to `profiles`."""
    con.execute(
        "create or replace table profiles as "
        f"from profiles left join ({query}) using (source_file)",
        params or {},
    )


# ---------------------------------------------------------------------- columns


def _measure_columns(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """List the columns that went blank, or whose values are not like those before.

    Both sides are described alike (`_describe_columns`), the new rows file by file, and the earlier
    rows as one file. Then each list is a condition on the new (n) and the earlier (e) description.
    """
    kinds = {name: column.kind for column in DATASETS[dataset] for name in column.outputs}
    texts = [
        name for name, kind in kinds.items() if kind in TEXT_KINDS and not name.endswith("_key")
    ]
    coded = [name for name in texts if kinds[name] in ("code", "boolean")]
    codes = ", ".join(map(literal, coded))
    for table, file in (("earlier", "'earlier'"), ("rows", "source_file")):
        _describe_columns(con, table, file, list(kinds), texts, f"column_name in ({codes})")
    # If each auditor or district delivers a file of its own, one value is all that such a file has
    # in that column, and it was so before: that is no constant to complain of.
    con.execute(
        f"""
        create or replace temp table one_a_file as
        select distinct column_name from (
            select {", ".join(f"min({name}) = max({name}) as {name}" for name in coded)}
            from earlier group by source_file having count(*) >= {LEAST_ROWS}
        ) unpivot (is_one for column_name in ({", ".join(coded)})) where is_one
        """
    )
    enough = f"n.row_count >= {LEAST_ROWS} and e.row_count >= {LEAST_ROWS} and "
    is_emptied = "n.blank >= 0.95 and e.blank <= 0.5"
    conditions = {
        "emptied": f"n.row_count >= {FEW_ROWS} and e.row_count >= {LEAST_ROWS} and {is_emptied}",
        "thinned": enough + f"n.blank >= e.blank + 0.3 and not ({is_emptied})",
        # by the shares of before, ten values or more should have been others
        "constant": "n.value_count = 1 and (1 - e.top_share) * (1 - n.blank) * n.row_count >= 10 "
        f"and e.row_count >= {LEAST_ROWS} and n.column_name not in (from one_a_file)",
        "unheard_of": enough + "n.unheard_of > 0.05",
        "cut": f"n.longest < e.longest and ({enough}n.at_longest >= 0.2 and e.at_longest < 0.1 "
        # or of fifty texts not one is as long as the longest quarter before
        f"or n.text_count >= {LEAST_ROWS} and n.longest < e.long)",
        # a word that stood in as many rows before is one of the source's own words
        "placeholder": "n.placeholder > coalesce(e.placeholder, 0) + 0.005",
        "garbled": "n.is_garbled",
        "formula": "n.is_formula",
    }
    lists = [
        "string_agg(column_name, ', ' order by column_name) "
        f"filter (where {condition}) as {name}_columns"
        for name, condition in conditions.items()
    ]
    _join_measures(
        con,
        f"select n.source_file, {', '.join(lists)} "
        "from of_rows as n left join of_earlier as e using (column_name) group by 1",
    )


def _describe_columns(
    con: duckdb.DuckDBPyConnection,
    table: str,
    file: str,
    columns: list[str],
    texts: list[str],
    is_code: str,
) -> None:
    """Describe each column of a table, as `of_<table>`; `values_<table>` has the values of texts.

    Args:
        con: Has the table.
        table: `rows` or `earlier`.
        file: SQL that names the file of a row.
        columns: All columns.
        texts: Those whose values are looked at.
        is_code: SQL: whether a column holds codes. Which codes there are, and how often, tells
            something; of texts only their length does.
    """
    # Of a column `has_...`, false is what blank is for others: there is no name, no birth date.
    filled = ", ".join(
        f"1 - count({f'nullif({name}, false)' if name.startswith('has_') else name}) / count(*) "
        f"as {name}"
        for name in columns
    )
    as_text = ", ".join(f"cast({name} as varchar) as {name}" for name in texts)
    con.execute(
        f"""
        create or replace temp table values_{table} as
        select source_file, column_name, value, count(*) as n
        from (select {file} as source_file, {as_text} from {table})
            unpivot (value for column_name in ({", ".join(texts)}))
        group by all
        """
    )
    con.execute(
        f"""
        create or replace temp table of_{table} as
        with blanks as (
            from (
                select {file} as source_file, count(*) as row_count, {filled}
                from {table} group by 1
            )
            unpivot (blank for column_name in ({", ".join(columns)}))
        ),
        lengths as (
            select *, {is_code} as is_code,
                sum(n) over (partition by source_file, column_name, len(value)) as as_long
            from values_{table}
        ),
        described as (
            select source_file, column_name, sum(n) as n,
                count(*) filter (where is_code) as value_count,
                max(n) / sum(n) as top_share,
                sum(n) filter (where is_code and (column_name, value) not in
                    (select (column_name, value) from values_earlier)) as unheard_of_count,
                max_by(as_long, len(value)) filter (where not is_code) as longest_count,
                max(len(value)) as longest,
                quantile_disc(len(value), 0.75) filter (where not is_code) as long,
                count(*) filter (where not is_code) as text_count,
                sum(n) filter (where regexp_full_match(value, $placeholder)) as placeholder_count,
                bool_or(regexp_matches(value, $garbled)) as is_garbled,
                bool_or(regexp_matches(value, $formula)) as is_formula
            from lengths group by 1, 2
        )
        select source_file, column_name, row_count, blank, value_count, top_share, longest, long,
            text_count, is_garbled, is_formula,
            unheard_of_count / row_count as unheard_of,
            longest_count / row_count as at_longest,
            coalesce(placeholder_count, 0) / row_count as placeholder
        from blanks left join described using (source_file, column_name)
        """,
        {"placeholder": PLACEHOLDER, "garbled": GARBLED, "formula": FORMULA},
    )


# ---------------------------------------------------------------------- time and numbers


def _local_time_expression(agency: Agency, dataset: str) -> str:
    """SQL: the time of a row in the agency's zone."""
    return _local_expression(agency, TIMES[dataset])


def _local_expression(agency: Agency, moment: str) -> str:
    """SQL: a moment in the agency's zone."""
    return f"timezone({literal(agency.timezone)}, timezone('UTC', {moment}))"


def _describe_ends(
    con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str, batches: Sequence[Batch]
) -> None:
    """Make the table `ends`: how the deliveries before ended, if there are enough of them.

    Some feeds speak up to the early morning of their last day. That day is then never whole, and
    the hours after it are silent in each delivery.
    """
    con.execute("create or replace temp table ends (last_count bigint, silent_hours double)")
    if len(batches) < USUAL_ENDS:
        return
    files = ", ".join(literal(str(batch.rows)) for batch in batches)
    con.execute(
        f"""
        insert into ends
        with moments as (
            select
                filename,
                {identity_expression(dataset)} as thing,
                {_local_time_expression(agency, dataset)} as moment,
                cast(max({_local_expression(agency, "source_as_of")}) over (partition by filename)
                    as date) as end_on
            from read_parquet([{files}], union_by_name = true, filename = true)
        )
        select
            count(distinct thing) filter (where cast(moment as date) = end_on - 1),
            date_diff('minute', max(moment), any_value(end_on)) / 60.0
        from moments group by filename
        """
    )


def _measure_times(
    con: duckdb.DuckDBPyConnection,
    agency: Agency,
    batch: Batch,
    confirmed: int | None,
    ends: Sequence[Batch],
) -> None:
    """Measure the days, the hours of the day, and the order of the numbers in time."""
    dataset = batch.manifest["dataset"]
    own_key = {"calls": "call_key", "crime_records": "record_key"}.get(dataset, "null::varchar")
    for table in ("earlier", "rows"):
        con.execute(
            f"create or replace temp table moments_{table} as "
            f"select source_file, {_local_expression(agency, 'source_as_of')} as as_of, "
            f"{identity_expression(dataset)} as thing, {own_key} as own_key, "
            f"{_local_time_expression(agency, dataset)} as moment "
            f"from {table} where {TIMES[dataset]} is not null"
        )
    _describe_ends(con, agency, dataset, ends)
    _measure_days(con, agency, batch)
    hours = {
        "least": LEAST_TIMES,
        "least_coarse": LEAST_COARSE_TIMES,
        "is_calls": dataset == "calls",
    }
    _join_measures(con, read_query(SQL / "hours.sql"), hours)
    if daily_files := [file["name"] for file in list_daily_files(agency, batch)]:
        # A crime record changes for months; a log and its actions seldom do after some days.
        _join_measures(
            con,
            read_query(SQL / "windows.sql"),
            {
                "daily_files": daily_files,
                "days_before": DAYS_BEFORE,
                "is_recent": dataset != "crime_records",
                "least": FEW_ROWS,
            },
        )
    _join_measures(con, read_query(SQL / "retimed.sql"), {"confirmed": confirmed})


def _measure_days(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
    """List days without their rows, days with twice their rows, and days on which numbers fall."""
    start, end = (
        datetime.fromisoformat(batch.manifest[name]).astimezone(agency.zone).date()
        for name in ("interval_start", "as_of")
    )
    listed = _list_days_read(agency, batch) if batch.manifest["delivery"] == "days" else None
    if listed:
        end = listed[-1] + timedelta(days=1)
    con.execute(
        read_query(SQL / "days.sql"),
        {
            "listed": listed,
            "is_snapshot": batch.manifest["delivery"] == "snapshot",
            "start": start,
            "end": end,
            "least": LEAST_DAILY,
        },
    )
    con.execute(read_query(SQL / "falls.sql"))
    # a few days are named, many are summed up
    named = (
        "(select case when count(*) < 5 then string_agg(cast(day as varchar), ', ' order by day) "
        "else min(day) || ' to ' || max(day) || ': ' || count(*) || ' days' end from {})"
    )
    # Counts of events scatter by the root of their mean. A day counts as missing or doubled only if
    # it differs by more than that, and by more than the days of a week differ among each other.
    missing = named.format(
        "days where n < least(0.5 * usual - sqrt(usual), usual - 4 * sqrt(usual))"
    )
    doubled = named.format("days where n >= 1.7 * usual + 3 * sqrt(usual)")
    _join_measures(
        con,
        f"select source_file, {missing} as missing_days, {doubled} as doubled_days, "
        f"{named.format('falls')} as falling_days, "
        "(select date_diff('minute', max(moment), $end::date) / 60.0 "
        "- coalesce((select median(silent_hours) from ends), 0) from moments_rows "
        "where (select max(usual) from days) >= $least) as silent_hours from profiles",
        {"end": end, "least": LEAST_BUSY},
    )


def _measure_lost_end(con: duckdb.DuckDBPyConnection) -> None:
    """Measure how long before the end of the snapshot before it a snapshot ends, in hours."""
    _join_measures(
        con,
        "select source_file, (select date_diff('minute', max(moment), "
        "(select max(moment) from moments_earlier having count(*) >= $least)) / 60.0 "
        "from moments_rows) as hours_back from profiles",
        {"least": LEAST_ROWS},
    )


def _measure_kept_days(con: duckdb.DuckDBPyConnection) -> None:
    """Measure for which share of the snapshot before it a snapshot still has the day.

    Days are compared and not numbers, so that a corrected key rule or column does not look like
    a loss. A day counts for as much as both snapshots have of it, since rows that come late
    must not make a file of one day look as if it held the days before it as well.
    """
    _join_measures(con, read_query(SQL / "kept_days.sql"), {"least": LEAST_ROWS})


def _list_days_read(agency: Agency, batch: Batch) -> list[date]:
    """List the days of a live source that were read to their end and are not as they were landed.

    A day that never had a row is one of them, although no file of the batch is about it.
    """
    manifest = batch.manifest
    start, end, as_of = (
        datetime.fromisoformat(manifest[name])
        for name in ("interval_start", "interval_end", "as_of")
    )
    window = Interval(start, end).widened(agency, agency.sources[manifest["dataset"]].days or 1)
    return [
        day
        for day in window.days(agency)
        if midnight(agency, day + timedelta(days=1)) <= as_of
        and str(day) not in manifest["confirmed"]
    ]


# ---------------------------------------------------------------------- places and copies


def _measure_positions(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Measure the share of positions that are far outside their district as it was before."""
    if {"easting", "longitude"} & {column.name for column in DATASETS[dataset]}:
        least = {"least_before": LEAST_ROWS, "least_now": FEW_ROWS}
        _join_measures(con, read_query(SQL / "positions.sql"), least)


def _measure_contradictions(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Count the rows of which another file of the same moment tells something else."""
    _join_measures(
        con,
        f"""
        with told as (
            select source_file, source_as_of, {identity_expression(dataset)} as thing, row_hash
            from rows
        ),
        contradicted as (
            select source_as_of, thing from told group by all
            having count(distinct source_file) > 1 and count(distinct row_hash) > 1
        )
        select source_file, count(*) as contradicted_count
        from told where (source_as_of, thing) in (select (source_as_of, thing) from contradicted)
        group by 1
        """,
    )


def _measure_twins(con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str) -> None:
    """Measure the share of rows that also stand under another number, alike in all else.

    Rows at midnight are left out: they mostly have no time of day, and then two rows may be alike
    by chance.
    """
    is_timed = f"cast({_local_time_expression(agency, dataset)} as time) <> time '00:00:00'"
    identities = {
        name for column in DATASETS[dataset] if column.is_identity for name in column.outputs
    }
    derived = {*number_expressions(dataset), *variant_columns(dataset)}
    left_out = identities | derived | {*LINEAGE}
    content = ", ".join(ident(name) for name in output_columns(dataset) if name not in left_out)
    thing = identity_expression(dataset)
    _join_measures(
        con,
        f"""
        with contents as (
            select source_file, row_id, {thing} as thing, hash({content}) as content
            from rows where {is_timed}
        ),
        twins as (
            select content
            from (select thing, content from contents
                  union all select {thing}, hash({content}) from earlier)
            group by 1 having count(distinct thing) > 1
        )
        select source_file, avg((content in (from twins))::int) as twin_share
        from contents group by 1 having count(*) >= {LEAST_ROWS}
        """,
    )
