"""Records that no reference links: what the ladder finds of them, and what Splink does.

Both get the same records, the same candidates and the same columns. Splink runs by
``bench/splink_links.py`` in an environment of its own, which `make scorecard` makes. Without that
environment Splink is left out.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.dbt import PART
from cdi.build.make import build_part
from cdi.build.version import plan_version
from cdi.sql import fetch_dicts, scalar

# The least probability of a link that counts.
STANDARD = "select min_link_probability from rulesets where ruleset = 'standard'"
# Recall is also measured at the lowest threshold that reaches this precision.
PRECISION = 0.995
PYTHON = paths.REPO / ".venv-bench" / "bin" / "python"
SPLINK_MODELS = ("int_linkage__comparisons", "int_linkage__proven")

PREPARE = """
-- the truth knows records and logs by the texts that stand for their numbers
create temp table linked_records as
select r.crime_record_id, r.published_record_id from published.staging.stg_crime_records as r
semi join published.linkage.int_linkage__subjects as s on r.crime_record_id = s.crime_record_id;

create temp table linked_logs as
select c.call_no, l.call_id, l.primary_call_id, l.is_compared
from published.main.fct_calls as c inner join known_logs as l on c.call_id = l.call_id;

create temp table leftovers as
select t.*, r.crime_record_id from true_links as t
inner join linked_records as r on t.crime_id = r.published_record_id;

create temp table candidates as
select distinct c.crime_record_id, l.primary_call_id as incident
from published.linkage.int_linkage__comparisons as c
inner join linked_logs as l on c.call_id = l.call_no;

-- the best call that each linker finds for each leftover crime
create temp table guesses as
select 'ladder' as linker, s.crime_record_id, s.call_id, s.probability
from published.linkage.int_linkage__scored as s
inner join published.linkage.int_linkage__records as r on s.crime_record_id = r.crime_record_id
where r.is_crime_record;
"""

# Whether each compared guess is right, and how many are among it and all more probable ones.
JUDGE = """
create or replace temp table judged_guesses as
select
    g.linker, g.probability, coalesce(t.incident = l.primary_call_id, false) as is_right,
    not coalesce(t.has_reference, false) as is_without_reference,
    count(*) filter (where coalesce(t.incident = l.primary_call_id, false)) over best
        as right_count,
    count(*) over best as guess_count
from guesses as g
inner join linked_logs as l on g.call_id = l.call_no and l.is_compared
left join leftovers as t on g.crime_record_id = t.crime_record_id
window best as (partition by g.linker order by g.probability desc);
"""


@contextmanager
def make_splink_inputs() -> Iterator[Path | None]:
    """Make a file of what Splink reads of the simulated force, as no published file has all of it.

    Yields:
        The file; None where Splink's environment is absent.
    """
    if not PYTHON.is_file():
        yield None
        return
    version = plan_version(load_agency(paths.SIMULATED))
    with build_part(version, *SPLINK_MODELS, variables=PART) as inputs:
        yield inputs


def compare_linkers(
    con: duckdb.DuckDBPyConnection, splink_inputs: Path | None = None
) -> dict[str, Any]:
    """Compare the linkers on the leftovers.

    Args:
        con: The scorecard's connection, with `published`, `known_logs` and `true_links`.
        splink_inputs: As `make_splink_inputs` makes them; None leaves Splink out.

    Returns:
        `blocks`: share of the true pairs of leftovers, and of those without a reference, that are
        among the candidates: no linker can find more. `leftovers`: by linker precision and recall
        from the standard probability on, and the recall at `PRECISION`.
    """
    con.execute(PREPARE)
    linkers = ["ladder"]
    if splink_inputs:
        _add_splink_guesses(con, splink_inputs)
        linkers.append("splink")
    con.execute(JUDGE)
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
            on t.crime_record_id = c.crime_record_id and t.incident = c.incident
        """,
    )[0]
    return {
        "blocks": {name: _share(among_candidates[name], total) for name, total in totals.items()},
        "leftovers": {linker: _score_linker(con, linker, totals) for linker in linkers},
    }


def _add_splink_guesses(con: duckdb.DuckDBPyConnection, inputs: Path) -> None:
    """Run Splink and add its guesses to those of the ladder."""
    program = paths.REPO / "bench" / "splink_links.py"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "links.parquet"
        subprocess.run([str(PYTHON), str(program), str(inputs), str(out)], check=True)
        con.execute("insert into guesses select 'splink', * from read_parquet(?)", [str(out)])


def _score_linker(
    con: duckdb.DuckDBPyConnection, linker: str, totals: dict[str, int]
) -> dict[str, float | None]:
    """Precision and recall of one linker."""
    row = fetch_dicts(
        con,
        """
        select
            count(*) filter (probability >= $standard) as guesses,
            count(*) filter (probability >= $standard and is_right) as right_guesses,
            count(*) filter (probability >= $standard and is_right and is_without_reference)
                as right_without,
            max(right_count) filter (right_count >= $precision * guess_count) as right_at_precision
        from judged_guesses where linker = $linker
        """,
        {"standard": scalar(con, STANDARD), "precision": PRECISION, "linker": linker},
    )[0]
    return {
        "precision": _share(row["right_guesses"], row["guesses"]),
        "recall": _share(row["right_guesses"], totals["all"]),
        "recall_no_reference": _share(row["right_without"], totals["no_reference"]),
        "recall_at_precision_995": _share(row["right_at_precision"] or 0, totals["all"]),
    }


def _share(part: Any, whole: Any) -> float | None:
    """A part of a whole as a fraction; None of nothing."""
    return round(float(part) / float(whole), 5) if whole else None
