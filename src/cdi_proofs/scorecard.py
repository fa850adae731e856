"""The pipeline's published result against the truth: `make scorecard`.

`cdi_proofs.compared` says what is compared. All figures are fractions.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.errors import CdiError
from cdi.files import write_json
from cdi.sql import fetch_dicts, read_query, scalar
from cdi.variant import Variant
from cdi_proofs.compared import MATURE_DAYS, compare_with_truth, share
from cdi_proofs.linkers import PYTHON, compare_linkers, make_linking_inputs
from cdi_proofs.moments import score_moments
from cdi_proofs.readers import READERS, ask_crimes, count_by_incident

SQL = Path(__file__).parent / "sql"
TOP_ROWS = 400  # of the list of each month
YIELD_RANKS = (50, 100, 200, 400, 800, 1600, 3200)
RULESETS = ("strict", "standard", "inclusive")
DUE = "('recorded', 'wrongly_cancelled', 'unrecorded')"

UNIVERSES = {
    "frame": "is_in_frame",
    "all": "true",
    "no_link": "crimes_recorded = 0",
    "half_a": "half = 'A'",
    "half_b": "half = 'B'",
}


def _score_counts(
    con: duckdb.DuckDBPyConnection,
    column: str,
    condition: str,
    table: str = "named",
    due: str = "crimes_due",
) -> dict[str, float | None]:
    """Precision and recall of a column that says how many crimes there are, beside the truth's."""
    row = fetch_dicts(
        con,
        f"select sum(least({column}, {due})) as hit, sum({column}) as named, "
        f"sum({due}) as due from {table} where {condition}",
    )[0]
    return {"precision": share(row["hit"], row["named"]), "recall": share(row["hit"], row["due"])}


def _score_readers(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, dict[str, float | None]]]:
    """Score the readers on the same incidents; those that cannot be made are left out."""
    ask_crimes(con)
    return {
        reader.name: {
            name: _score_counts(con, "read", condition, "read_incidents")
            for name, condition in UNIVERSES.items()
        }
        for reader in READERS
        if count_by_incident(con, reader)
    }


def _score_reported(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, float | None]]:
    """Precision and recall of the crimes that the pipeline names, by universe."""
    return {name: _score_counts(con, "named", condition) for name, condition in UNIVERSES.items()}


def _score_reported_in_group(
    con: duckdb.DuckDBPyConnection,
) -> dict[str, dict[str, float | None]]:
    """The same where a crime is right only if its offence group is right as well."""
    return {
        name: _score_counts(con, "named_in_group", condition, "named_in_group", "due_in_group")
        for name, condition in UNIVERSES.items()
    }


def _score_links(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Compare the links that count in the standard ruleset with the true pairs known at as_of."""

    def score(condition: str) -> dict[str, float | None]:
        return {
            "precision": _share_where(con, "found_links", "is_right", condition),
            "recall": _share_where(con, "true_links", "is_found", condition),
        }

    rungs = fetch_dicts(
        con,
        "select link_rung, count(*) as links, avg(is_right::int) as precision "
        "from found_links group by all order by link_rung",
    )
    return {
        **score("true"),
        "no_reference": score("not has_reference"),
        "rungs": {
            row["link_rung"]: {"links": row["links"], "precision": round(row["precision"], 5)}
            for row in rungs
        },
    }


def compare_rates(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The true recording rates beside those that were found, by universe and offence group.

    The frame goes by the codes that the extract shows, on both sides: a crime whose log has no
    crime code is outside it, wherever the simulator drew it.

    Args:
        con: As `compare_with_truth` gives it.
    """
    groups = {"all": "is_headline", "rape": "is_rape", "domestic_abuse": "is_domestic_abuse"}
    names = con.execute("select distinct offence_group from known_crimes order by all").fetchall()
    groups |= {name: f"offence_group = '{name}'" for (name,) in names}
    rates: dict[str, Any] = {}
    for universe, is_true, is_found in (
        ("frame", "is_in_frame", "is_in_frame"),
        ("all", "true", "true"),
    ):
        rates[universe] = {}
        for group, condition in groups.items():
            row: dict[str, float | None] = {
                "truth": _read_rate(
                    con, "known_crimes", "outcome_as_of", f"{is_true} and {condition}"
                )
            }
            for ruleset in RULESETS:
                where = f"{is_found} and {condition}"
                row[ruleset] = _read_rate(con, "found_crimes", f"outcome_{ruleset}", where)
            rates[universe][group] = row
    return rates


def _read_rate(
    con: duckdb.DuckDBPyConnection, table: str, outcome: str, condition: str
) -> float | None:
    """Of the crimes due in a table the share whose outcome is `recorded`."""
    row = fetch_dicts(
        con,
        f"select count(*) filter (where {outcome} = 'recorded') as recorded, "
        f"count(*) filter (where {outcome} in {DUE}) as due "
        f"from {table} inner join offence_groups using (offence_group) where {condition}",
    )[0]
    return share(row["recorded"], row["due"])


def _score_worklist(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Score the list in its published order; a row is right while its incident has misses left."""
    con.execute(read_query(SQL / "scorecard_worklist.sql"))
    con.execute(read_query(SQL / "judged_rows.sql"))

    def precision(rows: str) -> float | None:
        return _share_where(con, "judged", "is_right", rows)

    return {
        "top_400_precision": precision(f"rank_in_month <= {TOP_ROWS}"),
        "precision": precision("true"),
        "recall": _share_of_misses(con, "true", "true"),
        "likely": {
            "precision": precision("is_likely"),
            "recall": _share_of_misses(con, "is_likely", "true"),
        },
        "recall_of": {
            "rape": _share_of_misses(con, "true", "is_rape"),
            "domestic_abuse": _share_of_misses(con, "true", "is_domestic_abuse"),
            "rape_or_domestic_abuse": _share_of_misses(con, "true", "is_rape or is_domestic_abuse"),
        },
        "yield_curve": [_measure_yield(con, rank) for rank in YIELD_RANKS],
        "likelihoods": fetch_dicts(
            con,
            "select likelihood, count(*) as row_count, "
            "count(*) filter (where is_right) as missed_count "
            "from judged group by all order by likelihood",
        ),
        "expected_yield": fetch_dicts(con, read_query(SQL / "scorecard_yield.sql")),
    }


def _share_where(
    con: duckdb.DuckDBPyConnection, table: str, column: str, condition: str
) -> float | None:
    """Of the rows of a table that meet a condition the share for which a column is true."""
    query = f"select count(*) filter (where {column}) as hits, count(*) as n from {table}"
    row = fetch_dicts(con, f"{query} where {condition}")[0]
    return share(row["hits"], row["n"])


def _share_of_misses(con: duckdb.DuckDBPyConnection, rows: str, misses: str) -> float | None:
    """The share of some misses that some rows of the list hold."""
    row = fetch_dicts(
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
    return share(row["hit"], row["n"])


def _measure_yield(con: duckdb.DuckDBPyConnection, rank: int) -> dict[str, Any]:
    """What reading the first rows of each month brings."""
    read = scalar(con, f"select count(distinct call_id) from judged where rank_in_month <= {rank}")
    recovered = scalar(
        con, f"select count(*) from judged where is_right and rank_in_month <= {rank}"
    )
    return {
        "first_rows_a_month": rank,
        "logs_read": read,
        "crimes_recovered": recovered,
        "share_of_misses": _share_of_misses(con, f"rank_in_month <= {rank}", "true"),
    }


def _cross_tabulate_outcomes(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Count crimes by their true and their found outcome."""
    rows = fetch_dicts(con, read_query(SQL / "scorecard_outcomes.sql"))
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        table.setdefault(row["truth"], {})[row["found"]] = row["n"]
    return table


def score_recording(
    recording: Path, truth: Path, linking_inputs: Path | None = None
) -> dict[str, Any]:
    """Compare a published file with the truth.

    Args:
        recording: A recording.duckdb; it is attached as `published`.
        truth: The folder of the truth.
        linking_inputs: As `make_linking_inputs` makes them; None leaves out other linkers.

    Returns:
        The scorecard, by subject.

    Raises:
        CdiError: SCORECARD-RECENT if nothing is old enough to be compared.
    """
    with compare_with_truth(recording, truth) as con:
        incidents = scalar(con, "select count(*) from incidents")
        if not incidents:
            raise CdiError(
                "SCORECARD-RECENT",
                f"no log was received {MATURE_DAYS} days or more before the end of the data, and "
                "what is younger is not compared",
                "give more months, e.g. MONTHS=2",
            )
        return {
            "incidents": incidents,
            "crimes_due": int(scalar(con, "select sum(crimes_due) from incidents")),
            "link": {**_score_links(con), **compare_linkers(con, linking_inputs)},
            "reported": _score_reported(con),
            "reported_in_group": _score_reported_in_group(con),
            "readers": _score_readers(con),
            "rate": compare_rates(con),
            "worklist": _score_worklist(con),
            "outcomes": _cross_tabulate_outcomes(con),
            "bayes_ceiling": {
                name: _score_counts(con, "posterior", UNIVERSES[name])
                for name in ("frame", "all", "no_link")
            },
        }


def run_scorecard() -> dict[str, Any]:
    """Score the published version of the chosen force; also to ``<state>/scorecard.json``."""
    recording = paths.current(paths.SIMULATED) / "recording.duckdb"
    variant = Variant.chosen()
    # Where Splink is not installed, the ladder is not compared with anything.
    with make_linking_inputs() if PYTHON.is_file() else nullcontext() as inputs:
        scores = score_recording(recording, paths.truth(), inputs)
    scored = {
        "is_simulated": True,
        "scenario": Path(variant.scenario).name,
        "months": variant.months,
        "seed": variant.seed,
        **scores,
        "fresh_misses": score_moments(),
    }
    write_json(paths.home() / "scorecard.json", scored)
    return scored
