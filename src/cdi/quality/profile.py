"""What a batch looks like beside the batches before it: one row per file, for the rules of files.

A rule about rows sees one row; that a column went blank, a day is missing, the clock moved or the
numbers began anew shows only in many rows, and mostly only beside what came before. Each measure is
null where too few rows could tell: `expectations/landing/files.yaml` says what it may be.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from cdi.agency.datasets import DATASETS, LINEAGE, output_columns
from cdi.agency.model import Agency
from cdi.landing.batches import Batch
from cdi.landing.rows import identity_expression
from cdi.sql import ident, literal

# what a row's place in time is
TIMES = {
    "calls": "received_at",
    "crime_records": "coalesce(recorded_at, reported_at, occurred_at)",
    "log_actions": "acted_at",
}
TEXTS = ("code", "text", "reference", "free_text", "boolean")
# batches of changes that stand for what came before; a snapshot holds it all
BEFORE = 30
LEAST_ROWS = 50  # of a file or of what came before, to speak of shares
FEW_ROWS = 20  # to say that it is all or none
LEAST_TIMES = 2_000  # to tell the hour of the day to a quarter of an hour
LEAST_DAILY = 20  # rows of a day: then a day without one is no chance
LEAST_BUSY = 50  # rows of a day: then half a day without one is no chance

# lists of columns or days, or shares; null: nothing of that kind, or too little to tell
MEASURES = {
    **dict.fromkeys(
        (
            "emptied_columns", "thinned_columns", "constant_columns", "unheard_of_columns",
            "cut_columns", "placeholder_columns", "garbled_columns", "formula_columns",
            "missing_days", "doubled_days", "falling_days",
        ),
        "varchar",
    ),
    **dict.fromkeys(
        (
            "silent_hours", "moved_hours", "hours_sharper", "retimed_share", "far_share",
            "twin_share",
        ),
        "double",
    ),
}  # fmt: skip

# words that a program writes where it has no value
PLACEHOLDER = r"(?i)\(?null\)?|n/?a|nan|undefined|#[a-z/0-9]+[!?]?|\\N|[-?.*]+|x{3,}"
# UTF-8 that was read as Latin-1 or Windows-1252, a lost character, an HTML entity
GARBLED = "[ÂÃ][\x80-\xbf]|â[€\x80]|\ufffd|&(amp|lt|gt|quot|apos|nbsp|#[0-9]{2,5});"
# what a spreadsheet takes for a formula
FORMULA = r"^[=@\t\r]|^[+-]\s*[A-Za-z(=@]"


def measure_profile(
    con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch, earlier: Sequence[Batch]
) -> None:
    """Make the table `profiles`, one row per file of the batch.

    Args:
        con: Has the batch's accepted rows as `rows`.
        agency: Whose batch.
        batch: A pending batch.
        earlier: The accepted batches of the dataset, in the order of acceptance.
    """
    dataset = batch.manifest["dataset"]
    if batch.manifest["delivery"] == "snapshot":
        earlier = sorted(earlier, key=lambda b: (b.manifest["as_of"], b.manifest["seq"]))[-1:]
    files = ", ".join(literal(str(b.rows)) for b in earlier[-BEFORE:])
    source = f"read_parquet([{files}], union_by_name = true)" if files else "rows limit 0"
    con.execute(f"create or replace temp view earlier as from {source}")
    con.execute("create or replace table profiles as select distinct source_file from rows")
    _columns(con, dataset)
    _positions(con, dataset)
    if dataset in TIMES:
        _times(con, agency, batch)
        _twins(con, agency, dataset)
    # every measure is there, whatever the dataset has
    columns = ", ".join(f"{name} {kind}" for name, kind in MEASURES.items())
    con.execute(f"create table measured (source_file varchar, {columns})")
    con.execute("insert into measured by name from profiles")
    con.execute("drop table profiles; alter table measured rename to profiles")


def _add(
    con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any] | None = None
) -> None:
    """Join what a query says of each source_file to `profiles`."""
    con.execute(
        "create or replace table profiles as "
        f"from profiles left join ({query}) using (source_file)",
        params or {},
    )


# ---------------------------------------------------------------------- columns


def _columns(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Lists of columns that went blank, or whose values are not what such values are."""
    kinds = {name: c.kind for c in DATASETS[dataset] for name in c.outputs}
    texts = [n for n, kind in kinds.items() if kind in TEXTS and not n.endswith("_key")]
    coded = [name for name in texts if kinds[name] in ("code", "boolean")]
    codes = ", ".join(map(literal, coded))
    for table, file in (("earlier", "'earlier'"), ("rows", "source_file")):
        _describe(con, table, file, list(kinds), texts, f"column_name in ({codes})")
    # a file per auditor or district has one value in that column, as the files before it had
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
    told = {
        "emptied": f"n.row_count >= {FEW_ROWS} and e.row_count >= {LEAST_ROWS} and {is_emptied}",
        "thinned": enough + f"n.blank >= e.blank + 0.3 and not ({is_emptied})",
        # ten values or more should have been others
        "constant": "n.value_count = 1 and (1 - e.top_share) * (1 - n.blank) * n.row_count >= 10 "
        f"and e.row_count >= {LEAST_ROWS} and n.column_name not in (from one_a_file)",
        "unheard_of": enough + "n.unheard_of > 0.05",
        "cut": f"n.longest < e.longest and ({enough}n.at_longest >= 0.2 and e.at_longest < 0.1 "
        # not one of fifty texts is as long as a quarter of them were
        f"or n.text_count >= {LEAST_ROWS} and n.longest < e.long)",
        # a word that stood in as many rows before is the source's own
        "placeholder": "n.placeholder > coalesce(e.placeholder, 0) + 0.005",
        "garbled": "n.is_garbled",
        "formula": "n.is_formula",
    }
    lists = [
        "string_agg(column_name, ', ' order by column_name) "
        f"filter (where {condition}) as {name}_columns"
        for name, condition in told.items()
    ]
    _add(
        con,
        f"select n.source_file, {', '.join(lists)} "
        "from of_rows as n left join of_earlier as e using (column_name) group by 1",
    )


def _describe(
    con: duckdb.DuckDBPyConnection,
    table: str,
    file: str,
    columns: list[str],
    texts: list[str],
    is_code: str,
) -> None:
    """Make `values_<table>` and `of_<table>`: the values of text, and each column described."""
    # false says that a name, a birth date .. is not there
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


def _local(agency: Agency, dataset: str) -> str:
    """SQL for a row's time in the agency's zone."""
    return f"timezone({literal(agency.timezone)}, timezone('UTC', {TIMES[dataset]}))"


def _times(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
    """Days, hours of the day, and numbers in the order of time."""
    dataset = batch.manifest["dataset"]
    own_key = {"calls": "call_key", "crime_records": "record_key"}.get(dataset, "null::varchar")
    for table in ("earlier", "rows"):
        con.execute(
            f"create or replace temp table moments_{table} as "
            f"select source_file, {identity_expression(dataset)} as thing, {own_key} as own_key, "
            f"{_local(agency, dataset)} as moment "
            f"from {table} where {TIMES[dataset]} is not null"
        )
    _days(con, agency, batch)
    _hours(con)
    _known(con)


def _days(con: duckdb.DuckDBPyConnection, agency: Agency, batch: Batch) -> None:
    """Days without their rows, days with twice their rows, days on which the numbers fall."""
    start, end = (
        datetime.fromisoformat(batch.manifest[name]).astimezone(agency.zone).date()
        for name in ("interval_start", "as_of")
    )
    daily = "select cast(moment as date) as day, count(distinct thing) as n from {} group by 1"
    con.execute(
        f"""
        create or replace temp table days as
        with now as ({daily.format("moments_rows")}), past as ({daily.format("moments_earlier")}),
        usual as (
            select median(n) as n from (
                from past where (select count(*) from past) >= 7
                union all from now where (select count(*) from past) < 7)
        ),
        span as (
            select unnest(generate_series(
                case when $is_snapshot
                    then (select quantile_disc(cast(moment as date), 0.01) from moments_rows)
                    else $start::date end,
                $end::date - 1, interval 1 day))::date as day
        )
        select day, coalesce(now.n, 0) as n, usual.n as usual
        from span left join now using (day) cross join usual where usual.n >= $least
        """,
        {"is_snapshot": batch.manifest["delivery"] == "snapshot", "start": start, "end": end,
         "least": LEAST_DAILY},
    )  # fmt: skip
    con.execute(
        """
        create or replace temp table falls as
        with numbered as (
            select cast(moment as date) as day, own_key,
                regexp_replace(regexp_replace(own_key, '[0-9]', '9', 'g'), '[A-Z]', 'A', 'g')
                    as shape
            from (select distinct moment, own_key
                  from (from moments_rows union all from moments_earlier))
            where own_key is not null
        ),
        medians as (
            select shape, day, quantile_disc(own_key, 0.5) as middle
            from numbered group by all having count(*) >= 10
        ),
        compared as (
            select day, count(*) over past >= 3 and middle < min(middle) over past as is_fall
            from medians
            window past as (
                partition by shape, year(day) order by day rows between 14 preceding and 1 preceding
            )
        )
        select distinct day from compared
        where is_fall and day in (select cast(moment as date) from moments_rows)
        """
    )
    listed = (
        "(select case when count(*) < 5 then string_agg(cast(day as varchar), ', ' order by day) "
        "else min(day) || ' to ' || max(day) || ': ' || count(*) || ' days' end from {})"
    )
    # beyond chance (the root of what is usual) and beyond what the days of the week differ
    missing = listed.format(
        "days where n < least(0.5 * usual - sqrt(usual), usual - 4 * sqrt(usual))"
    )
    doubled = listed.format("days where n >= 1.7 * usual + 3 * sqrt(usual)")
    _add(
        con,
        f"select source_file, {missing} as missing_days, {doubled} as doubled_days, "
        f"{listed.format('falls')} as falling_days, "
        "(select date_diff('minute', max(moment), $end::date) / 60.0 from moments_rows "
        "where (select max(usual) from days) >= $least) as silent_hours from profiles",
        {"end": end, "least": LEAST_BUSY},
    )


def _hours(con: duckdb.DuckDBPyConnection) -> None:
    """How far the mean hour of the day moved, and how much sharper or flatter the hours became."""
    angle = "2 * pi() * (hour(moment) + minute(moment) / 60) / 24"
    mean = f"""
        select {{}} as source_file, count(*) as n, avg(cos({angle})) as x, avg(sin({angle})) as y
        from {{}} group by 1 having count(*) >= {LEAST_TIMES}"""
    _add(
        con,
        f"""
        select n.source_file,
            case when least(sqrt(n.x ** 2 + n.y ** 2), sqrt(e.x ** 2 + e.y ** 2)) >= 0.1
                then abs(atan2(n.y * e.x - n.x * e.y, n.x * e.x + n.y * e.y)) * 12 / pi()
            end as moved_hours,
            abs(sqrt(n.x ** 2 + n.y ** 2) - sqrt(e.x ** 2 + e.y ** 2)) as hours_sharper
        from ({mean.format("source_file", "moments_rows")}) as n
        cross join ({mean.format("'earlier'", "moments_earlier")}) as e
        """,
    )


def _known(con: duckdb.DuckDBPyConnection) -> None:
    """Share of what was known before that now has another time."""
    _add(
        con,
        """
        with known as (
            select thing, min(moment) as first_moment, max(moment) as last_moment
            from moments_earlier group by 1
        ),
        compared as (
            select source_file, (moment not between first_moment - interval 1 minute
                and last_moment + interval 1 minute)::int as is_retimed
            from moments_rows join known using (thing)
        ),
        overall as (select avg(is_retimed) as share from compared having count(*) >= 10)
        -- of a file with few rows that were known the batch speaks
        select source_file, case when count(*) >= 10 then avg(is_retimed) else any_value(share) end
            as retimed_share
        from compared left join overall on true group by 1
        """,
    )


# ---------------------------------------------------------------------- places and copies


def _positions(con: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Share of positions outside their district as it was, half its size added on each side."""
    if not {"easting", "longitude"} & {column.name for column in DATASETS[dataset]}:
        return
    x, y = "nullif(coalesce(easting, longitude), 0)", "nullif(coalesce(northing, latitude), 0)"
    placed = f"coalesce(district, '') as district, {x} as x, {y} as y"
    _add(
        con,
        f"""
        with area as (
            select district,
                quantile_cont(x, [0.01, 0.99]) as xs, quantile_cont(y, [0.01, 0.99]) as ys
            from (select {placed} from earlier) group by 1 having count(x) >= {LEAST_ROWS}
        )
        select source_file, avg((
            x not between 1.5 * xs[1] - 0.5 * xs[2] and 1.5 * xs[2] - 0.5 * xs[1]
            or y not between 1.5 * ys[1] - 0.5 * ys[2] and 1.5 * ys[2] - 0.5 * ys[1]
        )::int) as far_share
        from (select source_file, {placed} from rows) join area using (district)
        group by 1 having count(x) >= {FEW_ROWS}
        """,
    )


def _twins(con: duckdb.DuckDBPyConnection, agency: Agency, dataset: str) -> None:
    """Share of rows that stand there under another number too, alike in all else.

    Without a time of day rows may be alike by chance.
    """
    timed = f"cast({_local(agency, dataset)} as time) <> time '00:00:00'"
    own = {name for c in DATASETS[dataset] if c.is_identity for name in c.outputs}
    rest = ", ".join(
        ident(name) for name in output_columns(dataset) if name not in own | {*LINEAGE}
    )
    _add(
        con,
        f"""
        with contents as (
            select source_file, row_id, {identity_expression(dataset)} as thing, hash({rest}) as content
            from rows where {timed}
        ),
        twins as (
            select content
            from (select thing, content from contents
                  union all select {identity_expression(dataset)}, hash({rest}) from earlier)
            group by 1 having count(distinct thing) > 1
        )
        select source_file, avg((content in (from twins))::int) as twin_share
        from contents group by 1 having count(*) >= {LEAST_ROWS}
        """,
    )
