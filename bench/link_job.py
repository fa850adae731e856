"""The link job beside the same job in other tools: same input, same answer, own processes.

The job: from the landing's Parquet of a simulated force-year (calls, their entries, crime records)
to the table of links, by the whole ladder of dbt_project/models/linkage, with weights given. Ours
runs twice: the compiled models by plain DuckDB, and by dbt. Each other tool has a hand-written port
(link_<tool>.py) in .venv-bench. The answers are compared link by link.

Input and answers stay in ``<state>/bench/link``; figures go to ``<state>/bench/results.json`` and
``<state>/bench/link_job.json``. SEED=, ROUNDS=, TOOLS='polars pandas' choose; PySpark needs Java.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import results

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.inputs import open_landing
from cdi.build.version import plan_version
from cdi.landing.batches import accepted_batches
from cdi.local.run import default_interval
from cdi.sql import connect, fetch_dicts
from cdi.steps.extract import check_landing, extract
from cdi.steps.train import learn_links
from cdi.variant import Variant
from cdi_force.generate import ensure_force

BENCH = Path(__file__).parent
PYTHON = BENCH.parent / ".venv-bench" / "bin" / "python"
ROUNDS = int(os.environ.get("ROUNDS") or 3)
PORTS = ("polars", "pandas", "recordlinkage", "pyspark")
TOOLS = os.environ.get("TOOLS", " ".join(PORTS)).split()
DATASETS = ("calls", "log_actions", "crime_records")
MODEL = "int_linkage__links"
# what the ports read besides the landing; the weights are the agency's own, or those shipped
TABLES = {
    **{name: f"from codes.{name}" for name in ("call_types", "closures", "offences")},
    "rulesets": "from rules.rulesets",
    "weights": "select comparison, level, weight from landing.link_weights union all "
    "select comparison, level, weight from rules.default_link_weights "
    "where not exists (from landing.link_weights)",
}
OURS, WITH_DBT = "links, force-year: DuckDB", "links, force-year: DuckDB with dbt"


def home() -> Path:
    """Folder of the job's input and answers."""
    return paths.home() / "bench" / "link"


# ---------------------------------------------------------------------- the job's input


def land() -> None:
    """The landing of the force-year and the weights learnt from it, unless they are there."""
    ensure_force(print)
    agency = load_agency(paths.SIMULATED)
    for dataset in DATASETS:
        extracted = extract(agency.agency, dataset, default_interval(agency))
        if extracted.result:
            check_landing(agency.agency, dataset, extracted.result)
    learn_links(agency.agency)


def prepare() -> dict[str, int]:
    """Write what the tools read: Parquet of the landing, small tables, and the models' SQL.

    Returns:
        Rows of the job.
    """
    shutil.rmtree(home(), ignore_errors=True)
    inputs = home() / "input"
    inputs.mkdir(parents=True)
    prepared().parent.mkdir()
    planned = plan_version(load_agency(paths.SIMULATED))
    rows = {}
    for dataset in DATASETS:
        (batch,) = accepted_batches(paths.SIMULATED, dataset)
        (inputs / f"{dataset}.parquet").symlink_to(batch.rows)
        rows[dataset] = int(batch.manifest["accepted"])
    with connect(prepared()) as con:
        open_landing(con, planned)
    dbt("seed", prepared())
    dbt("compile", prepared(), "--select", f"+{MODEL}")
    (home() / "models.json").write_text(json.dumps(_models(), indent=2), encoding="utf-8")
    with connect(prepared(), read_only=True) as con:
        for name, query in TABLES.items():
            con.execute(f"copy ({query}) to $file", {"file": str(inputs / f"{name}.parquet")})
    return rows


def prepared() -> Path:
    """The file that our two runs start from: views over the landing, code maps, rules."""
    return home() / "prepared" / "recording.duckdb"


def dbt(command: str, file: Path, *options: str) -> None:
    """Run dbt in a process of its own."""
    subprocess.run(
        dbt_command(command, *options), env=dbt_env(file), check=True, capture_output=True
    )


def dbt_command(command: str, *options: str) -> list[str]:
    """A dbt command line of this project."""
    target = str(home() / "dbt")
    return [
        sys.executable, "-m", "dbt.cli.main", "--quiet", "--log-path", target, command,
        "--project-dir", str(paths.DBT_PROJECT), "--profiles-dir", str(paths.DBT_PROJECT),
        "--target-path", target, *options,
    ]  # fmt: skip


def dbt_env(file: Path) -> dict[str, str]:
    """Where dbt works."""
    return {**os.environ, "CDI_BUILD_FILE": str(file)}


def _models() -> list[dict[str, str]]:
    """The compiled models in an order that dbt could have chosen."""
    nodes = json.loads((home() / "dbt" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    ordered: list[str] = []

    def visit(node: str) -> None:
        if node.startswith("model.") and node not in ordered:
            for needed in nodes[node]["depends_on"]["nodes"]:
                visit(needed)
            ordered.append(node)

    visit(f"model.cdi.{MODEL}")
    return [
        {
            "relation": nodes[n]["relation_name"],
            "schema": nodes[n]["schema"],
            "kind": nodes[n]["config"]["materialized"],
            "sql": nodes[n]["compiled_code"],
        }
        for n in ordered
    ]


# ---------------------------------------------------------------------- runs


def fresh(name: str) -> Path:
    """A copy of the prepared file for one run."""
    file = home() / name / "recording.duckdb"
    shutil.rmtree(file.parent, ignore_errors=True)
    file.parent.mkdir(parents=True)
    shutil.copy(prepared(), file)
    return file


def run_ours() -> results.Cost:
    """The compiled models, by plain DuckDB."""
    return results.run([
        sys.executable, str(BENCH / "link_sql.py"),
        str(fresh("sql")), str(home() / "models.json"), str(answer("sql")),
    ])  # fmt: skip


def run_dbt() -> results.Cost:
    """The same models, by dbt; its start and its reading of the project are part of it."""
    file = fresh("dbt-run")
    cost = results.run(dbt_command("run", "--select", f"+{MODEL}"), dbt_env(file))
    with connect(file, read_only=True) as con:
        con.execute(f"copy linkage.{MODEL} to $file", {"file": str(answer("dbt"))})
    return cost


def run_port(tool: str) -> results.Cost:
    """The port to another tool."""
    return results.run(
        [str(PYTHON), str(BENCH / f"link_{tool}.py"), str(home() / "input"), str(answer(tool))]
    )


def run_splink() -> results.Cost:
    """Splink on the records that no reference links; their candidates are given to it."""
    file = home() / "sql" / "recording.duckdb"
    return results.run(
        [str(PYTHON), str(BENCH / "splink_links.py"), str(file), str(answer("splink"))]
    )


def answer(tool: str) -> Path:
    """The links that a tool found."""
    return home() / f"{tool}.parquet"


def compare(tool: str) -> dict[str, Any]:
    """How a port's answer differs from ours, link by link."""
    with connect() as con:
        return fetch_dicts(
            con,
            """
            select
                count(*) filter (where ours.call_id = theirs.call_id) as same,
                count(*) filter (where ours.call_id <> theirs.call_id) as other_call,
                count(*) filter (where theirs.call_id is null) as only_ours,
                count(*) filter (where ours.call_id is null) as only_theirs,
                count(*) filter (where ours.link_rung <> theirs.link_rung) as other_rung,
                max(abs(ours.link_probability - theirs.link_probability)) as probability_gap
            from read_parquet($ours) as ours
            full join read_parquet($theirs) as theirs using (crime_record_id)
            """,
            {"ours": str(answer("sql")), "theirs": str(answer(tool))},
        )[0]


def against_truth() -> dict[str, dict[str, float]]:
    """Of the crimes that no reference links: precision and recall, ours and Splink's."""
    with connect(home() / "sql" / "recording.duckdb", read_only=True) as con:
        rows = fetch_dicts(con, TRUTH, {
            "crimes": str(paths.truth() / "crimes.parquet"),
            "logs": str(paths.truth() / "logs.parquet"),
            "splink": str(answer("splink")),
        })  # fmt: skip
    return {row.pop("linker"): row for row in rows}


# a call found counts as its incident's first log, which the truth names
TRUTH = """
    with due as (
        select crime_id, call_id from read_parquet($crimes)
        semi join linkage.int_linkage__subjects as s on crime_id = s.crime_record_id
        where call_id is not null
    ),
    found as (
        select 'the ladder' as linker, s.crime_record_id, s.call_id, s.probability
        from linkage.int_linkage__scored as s
        semi join linkage.int_linkage__records as r
            on s.crime_record_id = r.crime_record_id and r.is_crime_record
        union all
        select 'Splink' as linker, crime_record_id, call_id, probability from read_parquet($splink)
    )
    select
        linker,
        count(*) as links,
        (select count(*) from due) as true_links,
        round(count(due.crime_id) / count(*), 5) as precision,
        round(count(due.crime_id) / (select count(*) from due), 5) as recall
    from found
    semi join linkage.int_linkage__subjects as s on found.crime_record_id = s.crime_record_id
    inner join read_parquet($logs) as logs on found.call_id = logs.call_id
    left join due
        on found.crime_record_id = due.crime_id and logs.primary_call_id = due.call_id
    where found.probability >= 0.8
    group by linker
"""


def median(costs: list[results.Cost]) -> results.Cost:
    """The run of median wall time."""
    wall = statistics.median_low(cost.wall_s for cost in costs)
    return next(cost for cost in costs if cost.wall_s == wall)


def main() -> None:
    """Measure in turns, compare, print and keep the figures."""
    variant = Variant(paths.DEFAULT_SCENARIO, 12, int(os.environ.get("SEED") or 1))
    tools = list(TOOLS)
    if "pyspark" in tools and not shutil.which("java"):
        print("pyspark left out: it needs Java 17 or newer on the PATH, and there is no `java`")
        tools.remove("pyspark")
    with variant.selected():
        land()
        rows = prepare()
        kept = measure(rows, tools)
        differences = {tool: compare(tool) for tool in ("dbt", *tools)}
        leftovers = against_truth()
    told = json.dumps(
        {"results": kept, "differences": differences, "leftovers": leftovers}, indent=2
    )
    results.file().with_name("link_job.json").write_text(told + "\n", encoding="utf-8")
    print(told)


def measure(rows: dict[str, int], tools: list[str]) -> list[dict[str, Any]]:
    """Run all in turns, round by round; the results as kept."""
    runs = {
        OURS: run_ours,
        WITH_DBT: run_dbt,
        **{f"links, force-year: {t}": lambda tool=t: run_port(tool) for t in tools},
        "links, force-year: Splink, only what no reference links": run_splink,
    }
    costs: dict[str, list[results.Cost]] = {name: [] for name in runs}
    for n in range(ROUNDS):
        for name, run in runs.items():
            costs[name].append(run())
            print(f"round {n + 1} of {ROUNDS}: {name}: {costs[name][-1].wall_s:.2f} s", flush=True)
    return [
        results.keep(name, rows, median(costs[name]), None if name == OURS else OURS)
        for name in runs
    ]


if __name__ == "__main__":
    main()
