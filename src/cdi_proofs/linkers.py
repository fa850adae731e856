"""Linkers of records that no reference proves, for scorecard and benchmark.

All get the same records, calls and candidates in plain tables (`LINKING`). Splink runs by
``bench/splink_links.py`` as anybody's command would, in an environment of its own that `make
scorecard` and `make benchmark` make.

``reference_as_typed``  the log whose number the record bears, whatever contradicts it
``ladder``              the scored rung of the pipeline's ladder (docs/linking.md)
``splink``              Splink, from its probability on
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.dbt import PART
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.sql import fetch_dicts, read_query, scalar
from cdi_proofs.compared import share
from cdi_proofs.entrants import LINKING, Entrant, answer_by_query, run_command

SQL = Path(__file__).parent / "sql"
# The least probability of a link that counts.
STANDARD = "(select min_link_probability from rulesets where ruleset = 'standard')"
# Recall is also measured at the lowest threshold that reaches this precision.
PRECISION = 0.995
PYTHON = paths.REPO / ".venv-bench" / "bin" / "python"
SPLINK = paths.REPO / "bench" / "splink_links.py"
INPUT_MODELS = ("int_linkage__comparisons", "int_linkage__proven")

REFERENCE_AS_TYPED = """
    select named.record_id, named.call_id, 1.0 as probability
    from linking.named as named
    inner join linking.records as records on named.record_id = records.record_id
    where named.is_named_by_record and records.is_asked
    qualify row_number() over (partition by named.record_id order by named.call_id) = 1
"""
LADDER = """
    select
        cast(scored.crime_record_id as varchar) as record_id,
        cast(scored.call_id as varchar) as call_id,
        scored.probability
    from published.linkage.int_linkage__scored as scored
    inner join published.linkage.int_linkage__records as records
        on scored.crime_record_id = records.crime_record_id
    where records.is_crime_record
"""


def _link_by_splink(con: duckdb.DuckDBPyConnection) -> pa.Table | None:
    """Let Splink answer, if its environment is there."""
    if not PYTHON.is_file():
        return None
    return run_command(con, LINKING, [str(PYTHON), str(SPLINK)], "splink")


LINKERS = (
    Entrant("reference_as_typed", answer_by_query(REFERENCE_AS_TYPED)),
    Entrant("ladder", answer_by_query(LADDER)),
    Entrant("splink", _link_by_splink, "not installed: .venv-bench"),
)


@contextmanager
def make_linking_inputs() -> Iterator[Path]:
    """Make a file of what the question's tables are views of, as no published file has all of it.

    Yields:
        The file; it is removed after the block.
    """
    version = plan_version(load_agency(paths.SIMULATED))
    with build_part(version, *INPUT_MODELS, variables=PART) as inputs:
        yield inputs


def ask_links(con: duckdb.DuckDBPyConnection, inputs: Path) -> None:
    """Make the tables of the question `LINKING`.

    Args:
        con: Any connection.
        inputs: As `make_linking_inputs` makes them.
    """
    con.execute(f"attach '{inputs}' as inputs (read_only)")
    con.execute(read_query(SQL / "linking_question.sql"))


def judge_linker(con: duckdb.DuckDBPyConnection, linker: Entrant) -> bool:
    """Compare what a linker answers with the truth.

    The temporary table ``judged_links`` is made: the probability of each link to a compared log,
    the log's incident and day, whether the record came from that incident, and whether it does so
    without a usable reference.

    Args:
        con: From `compare_with_truth`, with the tables of the question.
        linker: Who answers.

    Returns:
        Whether the linker could be made.
    """
    answer = linker.answer(con)
    if answer is None:
        return False
    con.register("answer", answer)
    con.execute(read_query(SQL / "judged_links.sql"))
    con.unregister("answer")
    return True


def compare_linkers(con: duckdb.DuckDBPyConnection, inputs: Path | None) -> dict[str, Any]:
    """Compare the linkers on the records that no reference proves.

    Args:
        con: From `compare_with_truth`.
        inputs: As `make_linking_inputs` makes them; None leaves out all linkers but the ladder.

    Returns:
        `blocks`: share of the true pairs of these records, and of those without a reference, that
        are among the candidates: none of the linkers here finds more. `leftovers`: by linker
        precision and recall from the standard probability on, and the recall at `PRECISION`.
    """
    linkers = [linker for linker in LINKERS if inputs or linker.name == "ladder"]
    if inputs:
        ask_links(con, inputs)
    totals = {
        "all": scalar(con, "select count(*) from leftovers"),
        "no_reference": scalar(con, "select count(*) from leftovers where not has_reference"),
    }
    among_candidates = fetch_dicts(
        con,
        """
        select count(c.incident) as all, count(c.incident) filter (not has_reference)
            as no_reference
        from leftovers as t left join candidates as c
            on t.record_id = c.record_id and t.incident = c.incident
        """,
    )[0]
    return {
        "blocks": {name: share(among_candidates[name], total) for name, total in totals.items()},
        "leftovers": {
            linker.name: _score_links(con, totals)
            for linker in linkers
            if judge_linker(con, linker)
        },
    }


def _score_links(con: duckdb.DuckDBPyConnection, totals: dict[str, int]) -> dict[str, float | None]:
    """Precision and recall of the linker that was judged last."""
    row = fetch_dicts(
        con,
        f"""
        with ranked as (
            select
                *,
                count(*) filter (is_right) over best as right_count,
                count(*) over best as link_count
            from judged_links window best as (order by probability desc)
        )
        select
            count(*) filter (probability >= {STANDARD}) as links,
            count(*) filter (probability >= {STANDARD} and is_right) as right_links,
            count(*) filter (probability >= {STANDARD} and is_right and is_without_reference)
                as right_without,
            max(right_count) filter (right_count >= $precision * link_count) as right_at_precision
        from ranked
        """,
        {"precision": PRECISION},
    )[0]
    return {
        "precision": share(row["right_links"], row["links"]),
        "recall": share(row["right_links"], totals["all"]),
        "recall_no_reference": share(row["right_without"], totals["no_reference"]),
        "recall_at_precision_995": share(row["right_at_precision"] or 0, totals["all"]),
    }
