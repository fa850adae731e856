"""The link job beside the same job in other tools: same input, same answer, own processes.

The job leads from the landing's Parquet of a simulated force-year (calls, their entries, crime
records) to the table of links, by the whole ladder of dbt_project/models/linkage. The weights are
given, and so is what the ladder asks of the words of calls: the models of `INPUT_ROOMS` are built
beforehand. Our own models run three times: by plain DuckDB with all tables in memory; by plain
DuckDB with those tables in a file that a build has in its file; and by dbt with all tables in a
file. polars has a port that was written by hand (`link_polars.py`) and keeps its tables in memory
too. Its answer is compared with ours link by link. Splink
(`splink_links.py`) links only the records that no reference links, and is compared with the truth.
Both run in an environment of their own, .venv-bench.

Input and answers stay in ``<state>/bench/link``; figures go to ``<state>/bench/results.json`` and
``<state>/bench/link_job.json``. SEED= chooses the force, ROUNDS= how often each tool runs.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import results

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.dbt import PART
from cdi.build.inputs import open_landing
from cdi.build.make import build_part
from cdi.build.prepare import FILE_NAME, prepare_project
from cdi.build.version import Version, plan_version
from cdi.files import read_json, write_json
from cdi.landing.batches import accepted_batches
from cdi.local.run import default_interval
from cdi.sql import connect, fetch_dicts, literal
from cdi.steps.extract import check_landing, extract
from cdi.steps.train import learn_links
from cdi.variant import Variant
from cdi_force.generate import ensure_force
from cdi_proofs.entrants import LINKING, write_question
from cdi_proofs.linkers import ask_links

BENCH = Path(__file__).parent
PYTHON = BENCH.parent / ".venv-bench" / "bin" / "python"
ROUNDS = int(os.environ.get("ROUNDS") or 3)
SEED = int(os.environ.get("SEED") or 1)
DATASETS = ("calls", "log_actions", "crime_records")
MODEL = "links"
# The folders of models that are no part of the job: what the ladder reads of them is given.
INPUT_ROOMS = ("disclosure",)
# What the port reads besides the landing and the models of `INPUT_ROOMS`. The weights are the
# agency's own if it has learnt any, and otherwise those that are shipped.
TABLES = {
    **{name: f"from codes.{name}" for name in ("call_types", "closures", "offences")},
    "rulesets": "from rules.rulesets",
    "weights": "select comparison, level, weight from landing.link_weights union all "
    "select comparison, level, weight from rules.default_link_weights "
    "where not exists (from landing.link_weights)",
}
JOB = results.name_result("links, force-year", f"seed {SEED}" if SEED != 1 else "")
OURS = f"{JOB}: DuckDB"


def job_folder() -> Path:
    """Folder of the job's input and answers."""
    return paths.home() / "bench" / "link"


def input_folder() -> Path:
    """Folder of the Parquet files that the port reads."""
    return job_folder() / "input"


def prepared_file() -> Path:
    """The file that our two runs start from: views over the landing, code maps, rules, inputs."""
    return job_folder() / "prepared" / FILE_NAME


def answer_file(tool: str) -> Path:
    """The links that a tool found."""
    return job_folder() / f"{tool}.parquet"


def land_force_year() -> None:
    """Land the force-year and learn the weights from it, unless that has been done."""
    ensure_force(print)
    agency = load_agency(paths.SIMULATED)
    for dataset in DATASETS:
        extracted = extract(agency.agency, dataset, default_interval(agency))
        if extracted.result:
            check_landing(agency.agency, dataset, extracted.result)
    learn_links(agency.agency)


def prepare_input() -> dict[str, int]:
    """Write what the tools read: Parquet of the landing and of small tables, and the models' SQL.

    Returns:
        Number of rows of each table of the landing, and of each input that was built.
    """
    shutil.rmtree(job_folder(), ignore_errors=True)
    input_folder().mkdir(parents=True)
    prepared_file().parent.mkdir()
    version = plan_version(load_agency(paths.SIMULATED))
    rows = {}
    for dataset in DATASETS:
        (batch,) = accepted_batches(paths.SIMULATED, dataset)
        (input_folder() / f"{dataset}.parquet").symlink_to(batch.rows)
        rows[dataset] = int(batch.manifest["accepted"])
    run_dbt("parse")
    ladder, inputs = split_models()
    shutil.copy(prepare_project(PART) / FILE_NAME, prepared_file())
    build_inputs(version, inputs)
    with connect(prepared_file(), read_only=True) as con:
        for name, query in (TABLES | {name: f"from disclosure.{name}" for name in inputs}).items():
            file = input_folder() / f"{name}.parquet"
            (count,) = con.execute(f"copy ({query}) to {literal(str(file))}").fetchall()[0]
            if name in inputs:
                rows[name] = count
    # The models are compiled as dbt runs them on these rows, and not as on an empty file.
    copy_prepared_file("dbt-run")
    run_dbt("run", "--select", *ladder)
    write_json(job_folder() / "models.json", read_compiled_models(ladder))
    return rows


def split_models() -> tuple[list[str], list[str]]:
    """Find the models of the ladder, each after all that it reads, and those that are its inputs.

    Returns:
        The names of both.
    """
    nodes = read_manifest_nodes()
    ladder: list[str] = []
    inputs: list[str] = []

    def visit_model(name: str) -> None:
        node = nodes.get(f"model.cdi.{name}")
        if node is None or name in ladder + inputs:  # a source, a seed, or known
            return
        if node["fqn"][1] in INPUT_ROOMS:
            inputs.append(name)
            return
        for needed in node["depends_on"]["nodes"]:
            visit_model(needed.rpartition(".")[2])
        ladder.append(name)

    visit_model(MODEL)
    return ladder, inputs


def build_inputs(version: Version, inputs: list[str]) -> None:
    """Build what the ladder reads of other rooms, and put it into the prepared file.

    Args:
        version: What is built.
        inputs: Names of the models.
    """
    with (
        build_part(version, *inputs, variables=PART) as built,
        connect(prepared_file()) as con,
    ):
        open_landing(con, version)
        con.execute(f"attach {literal(str(built))} as built (read_only)")
        con.execute("create schema disclosure")
        for name in inputs:
            con.execute(f"create table disclosure.{name} as from built.disclosure.{name}")


def run_dbt(command: str, *options: str) -> None:
    """Run dbt in a process of its own, and show what it prints if it fails."""
    done = subprocess.run(
        dbt_command(command, *options),
        env={**os.environ, **dbt_environment()},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def dbt_command(command: str, *options: str) -> list[str]:
    """A dbt command line for this project."""
    target = str(job_folder() / "dbt")
    return [
        *(sys.executable, "-m", "cdi.build.dbt_process", "--quiet", "--log-path", target, command),
        *("--project-dir", str(paths.DBT_PROJECT), "--profiles-dir", str(paths.DBT_PROJECT)),
        *("--target-path", target),
        *("--vars", PART),  # all models in the file: some are compiled, some read
        *options,
    ]


def dbt_environment() -> dict[str, str]:
    """The variable that names the file in which dbt works.

    It is the same for all runs, as dbt parses the project anew if a variable changes.
    """
    return {"CDI_BUILD_FILE": str(job_folder() / "dbt-run" / FILE_NAME)}


def read_manifest_nodes() -> dict[str, Any]:
    """What dbt knows of each model since it last ran."""
    nodes: dict[str, Any] = read_json(job_folder() / "dbt" / "manifest.json")["nodes"]
    return nodes


def read_compiled_models(ladder: list[str]) -> list[dict[str, str]]:
    """The compiled models, in the order in which they are to be run."""
    nodes = read_manifest_nodes()
    return [
        {
            "database": node["config"]["database"] or "file",
            "relation": f"{node['schema']}.{node['alias']}",
            "schema": node["schema"],
            "kind": node["config"]["materialized"],
            "sql": node["compiled_code"],
        }
        for node in (nodes[f"model.cdi.{name}"] for name in ladder)
    ]


def copy_prepared_file(run: str) -> Path:
    """Copy the prepared file for one run, so that each run begins from the same state."""
    file = job_folder() / run / FILE_NAME
    shutil.rmtree(file.parent, ignore_errors=True)
    file.parent.mkdir(parents=True)
    shutil.copy(prepared_file(), file)
    return file


def measure_duckdb(place: str) -> results.Cost:
    """Run the compiled models by plain DuckDB.

    Args:
        place: Where its tables are: in "memory", or where a "build" has them.
    """
    script, models = str(BENCH / "link_sql.py"), str(job_folder() / "models.json")
    file, answer = str(copy_prepared_file(place)), str(answer_file(place))
    return results.run_measured([sys.executable, script, file, models, answer, place])


def measure_dbt() -> results.Cost:
    """Run the same models by dbt; its start and its reading of the project are measured too."""
    file = copy_prepared_file("dbt-run")
    ladder, _ = split_models()
    cost = results.run_measured(dbt_command("run", "--select", *ladder), dbt_environment())
    with connect(file, read_only=True) as con:
        con.execute(f"copy main.{MODEL} to $file", {"file": str(answer_file("dbt"))})
    return cost


def measure_polars() -> results.Cost:
    """Run the port to polars."""
    script = str(BENCH / "link_polars.py")
    return results.run_measured(
        [str(PYTHON), script, str(input_folder()), str(answer_file("polars"))]
    )


def measure_splink() -> results.Cost:
    """Run Splink on the records that no reference proves; it is given their candidates."""
    question = job_folder() / "linking"
    shutil.rmtree(question, ignore_errors=True)
    with connect() as con:
        ask_links(con, job_folder() / "dbt-run" / FILE_NAME)
        write_question(con, LINKING, question)
    script = str(BENCH / "splink_links.py")
    return results.run_measured([str(PYTHON), script, str(question), str(answer_file("splink"))])


RUNS: dict[str, Callable[[], results.Cost]] = {
    OURS: partial(measure_duckdb, "memory"),
    f"{JOB}: DuckDB, tables placed as in a build": partial(measure_duckdb, "build"),
    f"{JOB}: DuckDB with dbt": measure_dbt,
    f"{JOB}: polars": measure_polars,
    f"{JOB}: Splink, only what no reference links": measure_splink,
}


def compare_answers(tool: str) -> dict[str, Any]:
    """Count how a tool's answer differs from that of plain DuckDB, link by link."""
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
            {"ours": str(answer_file("memory")), "theirs": str(answer_file(tool))},
        )[0]


def compare_with_truth() -> dict[str, dict[str, float]]:
    """Precision and recall on the crimes that no reference links, of our ladder and of Splink."""
    with connect(job_folder() / "dbt-run" / FILE_NAME, read_only=True) as con:
        files = {
            "crimes": str(paths.truth() / "crimes.parquet"),
            "logs": str(paths.truth() / "logs.parquet"),
            "splink": str(answer_file("splink")),
        }
        rows = fetch_dicts(con, TRUTH, files)
    return {row.pop("linker"): row for row in rows}


# The truth names the first log of an incident, so a call that was found counts as that log.
TRUTH = """
    with records as (
        select r.crime_record_id, r.published_record_id from staging.stg_crime_records as r
        semi join linkage.int_linkage__subjects as s using (crime_record_id)
    ),
    due as (
        select r.crime_record_id, crimes.call_id from read_parquet($crimes) as crimes
        inner join records as r on crimes.crime_id = r.published_record_id
        where crimes.call_id is not null
    ),
    found as (
        select 'the ladder' as linker, s.crime_record_id, s.call_id, s.probability
        from linkage.int_linkage__scored as s
        semi join linkage.int_linkage__records as r
            on s.crime_record_id = r.crime_record_id and r.is_crime_record
        union all
        select
            'Splink' as linker, cast(record_id as ubigint) as crime_record_id,
            cast(call_id as ubigint) as call_id, probability
        from read_parquet($splink)
    )
    select
        linker,
        count(*) as links,
        (select count(*) from due) as true_links,
        round(count(due.crime_record_id) / count(*), 5) as precision,
        round(count(due.crime_record_id) / (select count(*) from due), 5) as recall
    from found
    semi join records on found.crime_record_id = records.crime_record_id
    inner join staging.stg_calls as calls on found.call_id = calls.call_id
    inner join read_parquet($logs) as logs on calls.published_call_id = logs.call_id
    left join due
        on found.crime_record_id = due.crime_record_id and logs.primary_call_id = due.call_id
    where found.probability >= (
        select min_link_probability from rules.rulesets where ruleset = 'standard'
    )
    group by linker
"""


def choose_median(costs: list[results.Cost]) -> results.Cost:
    """The run of median CPU time, which other work on the machine changes less than wall time."""
    cpu = statistics.median_low(cost.cpu_s for cost in costs)
    return next(cost for cost in costs if cost.cpu_s == cpu)


def measure_all(rows: dict[str, int]) -> list[dict[str, Any]]:
    """Run all tools in turns, round by round, so that other work on the machine hits all alike.

    Args:
        rows: Number of rows of each dataset.

    Returns:
        The results as they were kept.
    """
    costs: dict[str, list[results.Cost]] = {name: [] for name in RUNS}
    for number in range(ROUNDS):
        for name, measure in RUNS.items():
            cost = measure()
            costs[name].append(cost)
            print(f"round {number + 1} of {ROUNDS}: {name}: {cost.cpu_s:.2f} CPU s", flush=True)
    return [
        results.keep_result(name, rows, choose_median(costs[name]), None if name == OURS else OURS)
        for name in RUNS
    ]


def main() -> None:
    """Measure, compare, print and keep the figures."""
    if not PYTHON.is_file():
        sys.exit("polars and Splink have an environment of their own: make .venv-bench/bench.stamp")
    variant = Variant(paths.DEFAULT_SCENARIO, 12, SEED)
    with variant.selected():
        land_force_year()
        rows = prepare_input()
        figures = {
            "results": measure_all(rows),
            "differences": {tool: compare_answers(tool) for tool in ("build", "dbt", "polars")},
            "leftovers": compare_with_truth(),
        }
    write_json(results.results_file().with_name("link_job.json"), figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
