"""New Orleans with hidden report numbers: how many links come back? `make hidden-keys DATA=...`.

Of the real reports 15%, drawn anew for each seed, lose the item number of their call. The others
keep it, and the weights are learnt from them. The truth is the number that was hidden. Figures go
to ``<state>/hidden_keys.json``.
"""

import json
import sys
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import mean
from typing import Any

import duckdb

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.build.dbt import LEARNING, PART, call_dbt
from cdi.build.inputs import open_landing
from cdi.build.prepare import FILE_NAME, prepare_project
from cdi.build.version import Version, plan_version
from cdi.files import read_json, write_json
from cdi.learning.links import MODELS
from cdi.sql import connect, fetch_dicts
from cdi.steps.run import land_directly

AGENCY = "nopd"
SEEDS = 20
PERCENT = 15
STANDARD = 0.8  # the least probability of a link that counts in the standard ruleset
LINKS = "int_linkage__links"
STAGED = (
    *("stg_calls", "stg_crime_records", "stg_record_variants"),
    *("stg_log_actions", "stg_decisions"),
    *("int_disclosure__text_contents", "int_disclosure__told_groups"),
)

HIDE = """
create or replace table staging.stg_crime_records as
select * replace (
    case when not list_contains($hidden, crime_record_id) then call_key end as call_key,
    case when not list_contains($hidden, crime_record_id) then call_no end as call_no
) from kept
"""
DRAW = """
select list(crime_record_id) from kept
where md5_number_lower(published_record_id || '/' || $seed) % 100 < $percent
"""
FIGURES = """
with records as (
    select kept.crime_record_id, kept.call_no as true_no, shown.call_no
    from kept inner join staging.stg_crime_records as shown using (crime_record_id)
),

hidden as (
    select records.crime_record_id, calls.call_id
    from records inner join staging.stg_calls as calls on records.true_no = calls.call_no
    where records.call_no is null
),

guesses as (
    select links.crime_record_id, links.call_id
    from linkage.int_linkage__links as links
    semi join (select * from records where call_no is null) as r using (crime_record_id)
    where links.link_probability >= $standard
),

crime_calls as (
    select calls.call_id in (
        select call_id from linkage.int_linkage__links where link_probability >= $standard
    ) as has_report
    from staging.stg_calls as calls
    inner join codes.call_types as types on calls.final_type_code = types.code
    where types.is_crime_type_word_list
),

counted as (
    select
        (select count(*) from hidden) as hidden,
        (select count(*) from guesses) as guesses,
        (select count(*) from guesses semi join hidden using (crime_record_id, call_id))
            as right_guesses,
        (select count(*) from linkage.int_linkage__comparisons
            semi join hidden using (crime_record_id, call_id)) as candidates
)

select
    hidden,
    right_guesses / guesses as precision,
    right_guesses / hidden as recall,
    candidates / hidden as blocks,
    (select 100 * avg(cast(has_report as integer)) from crime_calls) as any_report_percent
from counted
"""


def land_reports() -> Version:
    """Land the real files, unless that is done, and plan a version without learnt weights."""
    agency = load_agency(AGENCY)
    if agency.coverage is None:
        sys.exit(f"{AGENCY} has no coverage")
    interval = Interval.of_days(agency, agency.coverage.start, agency.coverage.end)
    land_directly(AGENCY, interval)
    return plan_version(agency)


def _run_dbt(file: Path, command: str, variables: str, *options: str) -> None:
    """Run dbt on a file, from what it has parsed of the project with these variables."""
    parsed = prepare_project(variables) / "partial_parse.msgpack"
    call_dbt(
        "hidden report numbers",
        file,
        file.parent / "target",
        command,
        *("--vars", variables, "--partial-parse-file-path", str(parsed)),
        *options,
    )


def _compile_ladder(file: Path, is_learning: bool) -> list[str]:
    """The models of the ladder as statements, each after those that it reads."""
    models = MODELS[:1] if is_learning else (LINKS,)
    variables = LEARNING if is_learning else PART
    selection = (f"+{model}" for model in models)
    _run_dbt(file, "compile", variables, "--select", *selection)
    manifest = read_json(file.parent / "target" / "manifest.json")
    nodes = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] == "linkage" and node.get("compiled")
    }
    order = TopologicalSorter({key: node["depends_on"]["nodes"] for key, node in nodes.items()})
    return [
        f"create or replace table linkage.{nodes[key]['name']} as {nodes[key]['compiled_code']}"
        for key in order.static_order()
        if key in nodes
    ]


def _run_seed(con: duckdb.DuckDBPyConnection, seed: int, learn: list[str], link: list[str]) -> Any:
    """Hide the numbers of one seed, learn from the others, link, and compare."""
    draw = {"seed": str(seed), "percent": PERCENT}
    con.execute(HIDE, {"hidden": con.execute(DRAW, draw).fetchall()[0][0]})
    con.execute("delete from landing.link_weights")
    for statement in learn:
        con.execute(statement)
    con.execute(
        f"insert into landing.link_weights by name select *, 'hidden' as weights_version "
        f"from linkage.{MODELS[0]}"
    )
    for statement in link:
        con.execute(statement)
    return fetch_dicts(con, FIGURES, {"standard": STANDARD})[0]


def measure(seeds: int = SEEDS) -> dict[str, Any]:
    """Run the experiment.

    Args:
        seeds: How many seeds: 0, 1, 2 and so on.

    Returns:
        `runs` (a row per seed) and their `mean`: precision and recall of the hidden links, the
        share of them among the candidates, and how many calls of a crime type have any report.
    """
    version = land_reports()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE_NAME
        with connect(file) as con:
            open_landing(con, version)
        inputs = ["resource_type:seed", *(f"+{model}" for model in STAGED)]
        no_tests = ["--exclude-resource-type", "test", "unit_test"]
        _run_dbt(file, "build", PART, *no_tests, "--select", *inputs)
        learn, link = (
            _compile_ladder(file, is_learning=True),
            _compile_ladder(file, is_learning=False),
        )
        with connect(file) as con:
            con.execute("create schema linkage")
            con.execute("create table kept as from staging.stg_crime_records")
            runs = [{"seed": seed, **_run_seed(con, seed, learn, link)} for seed in range(seeds)]
    names = [name for name in runs[0] if name != "seed"]
    return {"runs": runs, "mean": {name: round(mean(r[name] for r in runs), 4) for name in names}}


def main() -> None:
    """Measure, print and write the figures."""
    measured = measure()
    print(json.dumps(measured["mean"], indent=2))
    write_json(paths.home() / "hidden_keys.json", measured)


if __name__ == "__main__":
    main()
