"""What a published file found beside what is true: the tables that scorecard and benchmark count.

They are compared at as_of, on what was reported at least 30 days before it. What is too recent is
left out on both sides, and so is what stood in a row that cannot be parsed. Counts are taken per
incident: a crime that is found on a duplicate of its log is found.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from cdi.audit.predictions import MATURE_DAYS
from cdi.sql import read_query, scalar

SQL = Path(__file__).parent / "sql"
TABLES = (
    *("fct_reported_crimes", "unrecorded_crimes", "worklist_yield", "links", "release"),
    *("offence_groups", "rulesets"),
)

# What is compared: incidents that are mature and whose rows can be read.
PREPARE = f"""
create temp table known_logs as
select l.*, l.received_at <= (select as_of from release) - interval {MATURE_DAYS} day
    and bool_and(l.is_readable) over (partition by l.primary_call_id) as is_compared
from truth_logs as l;

create temp table incidents as
select
    primary_call_id as incident,
    max(crimes_due) as crimes_due,
    max(crimes_recorded) as crimes_recorded,
    sum(posterior) as posterior,
    any_value(half) as half,
    min(received_at)::date as day,
    bool_or(is_in_frame and not is_duplicate) as is_in_frame
from known_logs where is_compared group by all;

create temp table known_crimes as
select c.*, i.incident, i.is_in_frame
from truth_crimes as c
inner join incidents as i on c.call_id = i.incident
where c.is_readable;

create temp table found_crimes as
select f.*, l.primary_call_id as incident
from fct_reported_crimes as f
inner join known_logs as l on f.call_id = l.call_id and l.is_compared;

-- per incident: how many crimes were named, and how many there are
create temp table named as
select
    i.*,
    count(f.reported_crime_id) filter (where f.outcome_standard <> 'justified') as named
from incidents as i left join found_crimes as f on i.incident = f.incident
group by all;

-- the same per incident and offence group
create temp table named_in_group as
with named as (
    select incident, offence_group, count(*) as named
    from found_crimes where outcome_standard <> 'justified' group by all
),
due as (
    select incident, offence_group, count(*) as due
    from known_crimes where outcome_as_of <> 'justified' group by all
)
select
    i.*,
    coalesce(named.named, 0) as named_in_group,
    coalesce(due.due, 0) as due_in_group
from named full join due using (incident, offence_group)
inner join incidents as i using (incident);

-- the same logs by the number that the published file has for them, as text
create temp table compared_logs as
select cast(c.call_no as varchar) as number, i.incident, i.day
from published.main.fct_calls as c
inner join known_logs as l on c.call_id = l.call_id and l.is_compared
inner join incidents as i on l.primary_call_id = i.incident;
"""

LEFTOVERS = """
-- the true pairs of the records that no reference proves; a linker that finds a duplicate is right
create temp table leftovers as
select cast(r.crime_record_id as varchar) as record_id, t.incident, i.day, t.has_reference
from true_links as t
inner join incidents as i on t.incident = i.incident
inner join published.staging.stg_crime_records as r on t.crime_id = r.published_record_id
semi join published.linkage.int_linkage__subjects as s on r.crime_record_id = s.crime_record_id;

create temp table candidates as
select distinct cast(c.crime_record_id as varchar) as record_id, l.incident
from published.linkage.int_linkage__comparisons as c
inner join compared_logs as l on cast(c.call_id as varchar) = l.number;
"""


@contextmanager
def compare_with_truth(recording: Path, truth: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file beside the truth.

    Args:
        recording: A recording.duckdb.
        truth: The folder of the truth.

    Yields:
        A connection to which the file is attached as ``published``. Its temporary tables are those
        made above, and those of ``sql/scorecard_links.sql``.
    """
    with duckdb.connect() as con:
        con.execute(f"attach '{recording}' as published (read_only)")
        for table in TABLES:
            schema = scalar(
                con,
                "select schema_name from duckdb_columns() "
                "where database_name = 'published' and table_name = ? limit 1",
                [table],
            )
            con.execute(f"create view {table} as from published.{schema}.{table}")
        for name in ("crimes", "logs"):
            con.from_parquet(str(truth / f"{name}.parquet")).create_view(f"truth_{name}")
        con.execute(PREPARE)
        con.execute(read_query(SQL / "scorecard_links.sql"))
        con.execute(LEFTOVERS)
        yield con


def share(part: Any, whole: Any) -> float | None:
    """A part of a whole as a fraction; None of nothing."""
    return round(float(part) / float(whole), 5) if whole else None
