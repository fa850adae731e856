"""The pipeline's published result against the truth: `make scorecard`.

Compared at as_of, on what was reported at least 30 days before it; what is too recent is left out
on both sides, and so is what stood in an unparseable row. Counts are taken per incident: a crime
found on a duplicate of its log is found. All figures are fractions.
"""

import json
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.sql import fetch_dicts, scalar
from cdi.variant import Variant
from cdi_proofs.linkers import compare_linkers
from cdi_proofs.moments import score_moments
from cdi_proofs.readers import read_by_all

MATURE_DAYS = 30
TOP = 400
YIELD_RANKS = (50, 100, 200, 400, 800, 1600, 3200)
RULESETS = ("strict", "standard", "inclusive")
DUE = "('recorded', 'wrongly_cancelled', 'unrecorded')"

# what both sides speak of: incidents that are mature and whose rows can be read
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
    bool_or(is_in_frame and not is_duplicate) as is_in_frame
from known_logs where is_compared group by all;

create temp table known_crimes as
select c.*, i.incident
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
"""

UNIVERSES = {"frame": "is_in_frame", "all": "true", "no_link": "crimes_recorded = 0",
             "half_a": "half = 'A'", "half_b": "half = 'B'"}  # fmt: skip


def _precision_recall(
    con: duckdb.DuckDBPyConnection, column: str, condition: str, table: str = "named"
) -> dict[str, float | None]:
    row = fetch_dicts(
        con,
        f"select sum(least({column}, crimes_due)) as hit, sum({column}) as named, "
        f"sum(crimes_due) as due from {table} where {condition}",
    )[0]
    return {"precision": _share(row["hit"], row["named"]), "recall": _share(row["hit"], row["due"])}


def _share(part: Any, whole: Any) -> float | None:
    return round(float(part) / float(whole), 5) if whole else None


def _readers(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, dict[str, float | None]]]:
    """Simpler readers beside the pipeline (last), on the same incidents."""
    scored = {}
    for reader in read_by_all(con):
        con.execute(f"""
            create or replace temp table read_incidents as
            select i.*, coalesce(sum(r.named), 0) as read
            from incidents as i
            left join known_logs as l on i.incident = l.primary_call_id and l.is_compared
            left join readings as r on l.call_id = r.call_id and r.reader = '{reader}'
            group by all
        """)
        scored[reader] = {
            name: _precision_recall(con, "read", condition, "read_incidents")
            for name, condition in UNIVERSES.items()
        }
    scored["pipeline"] = _reported(con)
    return scored


def _reported(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, float | None]]:
    return {
        name: _precision_recall(con, "named", condition) for name, condition in UNIVERSES.items()
    }


def _links(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Links that count in the standard ruleset, against the true pairs known at as_of."""
    con.execute("""
        create temp table found_links as
        select
            k.crime_record_id, k.link_rung, l.primary_call_id as incident,
            t.call_id is not null and t.call_id = l.primary_call_id as is_right,
            coalesce(t.has_reference, false) as has_reference
        from links as k
        inner join known_logs as l on k.call_id = l.call_id and l.is_compared
        left join truth_crimes as t on k.crime_record_id = t.crime_id
        where k.is_crime_record and k.link_probability >= 0.8;

        create temp table true_links as
        select k.*, f.crime_record_id is not null and f.is_right as is_found
        from known_crimes as k
        left join found_links as f on k.crime_id = f.crime_record_id
        where k.crime_id is not null and k.recorded_at < (select as_of from release);
    """)

    def both(condition: str) -> dict[str, float | None]:
        found = fetch_dicts(con, f"select count(*) filter (where is_right) as hit, count(*) as n "
                                 f"from found_links where {condition}")[0]  # fmt: skip
        true = fetch_dicts(con, f"select count(*) filter (where is_found) as hit, count(*) as n "
                                f"from true_links where {condition}")[0]  # fmt: skip
        return {"precision": _share(found["hit"], found["n"]),
                "recall": _share(true["hit"], true["n"])}  # fmt: skip

    rungs = fetch_dicts(
        con,
        "select link_rung, count(*) as links, avg(is_right::int) as precision "
        "from found_links group by all order by link_rung",
    )
    return {
        **both("true"),
        "no_reference": both("not has_reference"),
        "rungs": {
            row["link_rung"]: {"links": row["links"], "precision": round(row["precision"], 5)}
            for row in rungs
        },
    }


def _rates(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    groups = {"all": "is_headline", "rape": "is_rape", "domestic_abuse": "is_domestic_abuse"}
    names = con.execute("select distinct offence_group from known_crimes order by all").fetchall()
    groups |= {name: f"offence_group = '{name}'" for (name,) in names}
    rates: dict[str, Any] = {}
    for universe, is_true, is_found in (
        ("frame", "universe = 'frame'", "is_in_frame"),
        ("all", "true", "true"),
    ):
        rates[universe] = {}
        for group, condition in groups.items():
            row: dict[str, float | None] = {
                "truth": _rate(con, "known_crimes", "outcome_as_of", f"{is_true} and {condition}")
            }
            for ruleset in RULESETS:
                where = f"{is_found} and {condition}"
                row[ruleset] = _rate(con, "found_crimes", f"outcome_{ruleset}", where)
            rates[universe][group] = row
    return rates


def _rate(con: duckdb.DuckDBPyConnection, table: str, outcome: str, condition: str) -> float | None:
    row = fetch_dicts(
        con,
        f"select count(*) filter (where {outcome} = 'recorded') as recorded, "
        f"count(*) filter (where {outcome} in {DUE}) as due "
        f"from {table} inner join offence_groups using (offence_group) where {condition}",
    )[0]
    return _share(row["recorded"], row["due"])


def _worklist(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The list in its published order; a row is right while its incident has misses left."""
    con.execute("""
        create temp table misses as
        select
            incident, is_rape, is_domestic_abuse,
            row_number() over (partition by incident order by ordinal) as number
        from known_crimes where outcome_as_of = 'unrecorded';

        create temp table listed as
        select w.*, l.primary_call_id as incident, date_trunc('month', w.reported_at) as month
        from unrecorded_crimes as w
        inner join known_logs as l on w.call_id = l.call_id and l.is_compared
        where w.status <> 'dismissed';

        create temp table judged as
        select
            listed.*,
            row_number() over (partition by listed.incident order by list_place)
                <= coalesce(counts.n, 0) as is_right,
            row_number() over (partition by month order by list_place) as rank_in_month
        from listed
        left join (select incident, count(*) as n from misses group by all) as counts
            on listed.incident = counts.incident;
    """)
    return {
        "top_400_precision": _precision(con, f"rank_in_month <= {TOP}"),
        "precision": _precision(con, "true"),
        "recall": _found(con, "true", "true"),
        "likely": {"precision": _precision(con, "is_likely"),
                   "recall": _found(con, "is_likely", "true")},
        "recall_of": {
            "rape": _found(con, "true", "is_rape"),
            "domestic_abuse": _found(con, "true", "is_domestic_abuse"),
            "rape_or_domestic_abuse": _found(con, "true", "is_rape or is_domestic_abuse"),
        },
        "yield_curve": [_yield(con, rank) for rank in YIELD_RANKS],
    }  # fmt: skip


def _precision(con: duckdb.DuckDBPyConnection, rows: str) -> float | None:
    """Share of some rows of the list that are right."""
    found = fetch_dicts(con, f"select count(*) filter (where is_right) as hit, count(*) as n "
                             f"from judged where {rows}")[0]  # fmt: skip
    return _share(found["hit"], found["n"])


def _found(con: duckdb.DuckDBPyConnection, rows: str, misses: str) -> float | None:
    """Share of some misses that some rows of the list hold."""
    found = fetch_dicts(
        con,
        f"""
        with held as (
            select incident, count(*) as n from judged where is_right and {rows} group by all
        )
        select count(*) filter (where number <= held.n) as hit, count(*) as n
        from misses left join held on misses.incident = held.incident
        where {misses}
        """,
    )[0]
    return _share(found["hit"], found["n"])


def _yield(con: duckdb.DuckDBPyConnection, rank: int) -> dict[str, Any]:
    """What reading the first rows of each month brings."""
    read = scalar(con, f"select count(distinct call_id) from judged where rank_in_month <= {rank}")
    recovered = scalar(
        con, f"select count(*) from judged where is_right and rank_in_month <= {rank}"
    )
    return {
        "first_rows_a_month": rank,
        "logs_read": read,
        "crimes_recovered": recovered,
        "share_of_misses": _found(con, f"rank_in_month <= {rank}", "true"),
    }


def _outcomes(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """True outcome against found outcome, crime by crime: by record first, then in order."""
    rows = fetch_dicts(
        con,
        """
        with by_record as (
            select t.incident, t.crime_id, t.outcome_as_of as truth, f.outcome_standard as found
            from known_crimes as t
            inner join found_crimes as f on t.crime_id = f.crime_record_id
            where t.incident = f.incident
        ),
        true_rest as (
            select incident, outcome_as_of as truth,
                row_number() over (partition by incident order by ordinal) as n
            from known_crimes
            where crime_id is null or crime_id not in (select crime_id from by_record)
        ),
        found_rest as (
            select incident, outcome_standard as found,
                row_number() over (partition by incident order by reported_crime_id) as n
            from found_crimes
            where (crime_record_id is null
                or crime_record_id not in (select crime_id from by_record))
                and outcome_standard is not null
        ),
        paired as (
            select truth, found from by_record
            union all
            select t.truth, f.found
            from true_rest as t full join found_rest as f on t.incident = f.incident and t.n = f.n
        )
        select coalesce(truth, 'none') as truth, coalesce(found, 'none') as found, count(*) as n
        from paired group by all order by all
        """,
    )
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        table.setdefault(row["truth"], {})[row["found"]] = row["n"]
    return table


def score_recording(recording: Path, truth: Path) -> dict[str, Any]:
    """Compare a published file with the truth.

    Args:
        recording: A recording.duckdb.
        truth: Folder of the truth.

    Returns:
        The scorecard; see the module.
    """
    with duckdb.connect() as con:
        con.execute(f"attach '{recording}' as published (read_only)")
        for table in ("fct_reported_crimes", "unrecorded_crimes", "links", "release",
                      "offence_groups"):  # fmt: skip
            schema = scalar(
                con,
                "select schema_name from duckdb_columns() where database_name = 'published' "
                "and table_name = ? limit 1", [table],
            )  # fmt: skip
            con.execute(f"create view {table} as from published.{schema}.{table}")
        for name in ("crimes", "logs"):
            con.from_parquet(str(truth / f"{name}.parquet")).create_view(f"truth_{name}")
        con.execute(PREPARE)
        return {
            "incidents": scalar(con, "select count(*) from incidents"),
            "crimes_due": int(scalar(con, "select sum(crimes_due) from incidents")),
            "link": {**_links(con), **compare_linkers(con, recording)},
            "reported": _reported(con),
            "readers": _readers(con),
            "rate": _rates(con),
            "worklist": _worklist(con),
            "outcomes": _outcomes(con),
            "bayes_ceiling": {
                name: _precision_recall(con, "posterior", UNIVERSES[name])
                for name in ("frame", "all", "no_link")
            },
        }


def run_scorecard() -> dict[str, Any]:
    """Score the published version of the chosen variant; also to ``<state>/scorecard.json``."""
    recording = paths.published(paths.SIMULATED) / "current" / "recording.duckdb"
    variant = Variant.chosen()
    scored = {
        "is_simulated": True,
        "scenario": Path(variant.scenario).name,
        "months": variant.months,
        "seed": variant.seed,
        **score_recording(recording, paths.truth()),
        "fresh_misses": score_moments(),
    }
    text = json.dumps(scored, indent=2)
    (paths.home() / "scorecard.json").write_text(text + "\n", encoding="utf-8")
    return scored
