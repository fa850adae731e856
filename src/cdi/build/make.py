"""Make the private file of a version: the whole by one `dbt build`, or a part of it."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import yaml

from cdi import paths
from cdi.agency.datasets import READINGS
from cdi.audit.tables import create_audit_tables
from cdi.build.dbt import LEARNING, read_manifest, read_results, run_dbt, target_folder
from cdi.build.inputs import open_landing
from cdi.build.prepare import FILE_NAME, prepare_project
from cdi.build.version import Version, hash_code_parts, hash_reading_code
from cdi.files import remove_folder, sync_tree, take_lock, write_json
from cdi.landing.tombstones import read_tombstones
from cdi.learning.readings import keep_readings
from cdi.sql import comment, connect, create_table, fetch_dicts, scalar, write_database

# Seeds that the fact tables refer to are shown in `main` as dimensions.
DIMENSIONS = ("evidence_kinds", "offence_groups", "reasons", "rulesets")


def build_file(version: Version) -> Path:
    """Build the private file of a version.

    Args:
        version: What to build.

    Returns:
        The path of the file, closed and without a write-ahead log.

    Raises:
        BusyError: BUILD-BUSY if another build of the agency runs.
        BuildError: BUILD-DBT if dbt fails.
    """
    with take_lock(paths.published(version.agency.agency), version.agency.agency):
        remove_folder(version.folder)
        version.folder.mkdir(parents=True)
        prepared = prepare_project()
        shutil.copyfile(prepared / FILE_NAME, version.file)
        with connect(version.file) as con:
            open_landing(con, version)
        run_dbt(version, version.file, prepared)
        with write_database(version.file) as con:
            con.begin()  # else each of some hundred comments waits for the disk
            _keep_run_results(con, version, prepared)
            _keep_lineage(con, version)
            _keep_audits(con, version)
            keep_readings(con, version.agency.agency, hash_reading_code(version))
            _close_landing(con)
            _describe_codes(con)
            _open_views(con)
            con.commit()
        sync_tree(version.folder)
        # last of all: a folder with a version.json holds a whole build
        write_json(version.folder / "version.json", _describe_version(version), sort_keys=True)
    return version.file


@contextlib.contextmanager
def build_part(version: Version, *models: str, variables: str = LEARNING) -> Iterator[Path]:
    """Make a private file of some models and all that they need, for a reader of that part.

    Args:
        version: What to read.
        models: Names of the models; dbt tests nothing here.
        variables: dbt's variables: LEARNING, or PART where nothing is learnt from the models.

    Yields:
        The file; it is removed after the block.

    Raises:
        BusyError: BUILD-BUSY if another process makes the same part now.
        BuildError: BUILD-DBT if dbt fails.
    """
    home = paths.weights(version.agency.agency)
    with (
        take_lock(home, " ".join(models)),
        tempfile.TemporaryDirectory(dir=home, prefix=".") as folder,
    ):
        prepared = prepare_project(variables)
        file = Path(shutil.copy(prepared / FILE_NAME, folder))
        with connect(file) as con:
            open_landing(con, version)
        run_dbt(version, file, prepared, models, variables)
        with connect(file) as con:
            keep_readings(con, version.agency.agency, hash_reading_code(version))
        yield file


def _describe_version(version: Version) -> dict[str, Any]:
    """What the version's folder says of itself; `cdi.build.version` reads it back."""
    return {
        "agency": version.agency.agency,
        "version": version.name,
        "fingerprint": version.fingerprint,
        "as_of": version.as_of.isoformat(),
        "batches": {
            name: [batch.manifest["batch_id"] for batch in batches]
            for name, batches in version.batches.items()
        },
        "weights": {kind: learnt.version for kind, learnt in version.weights.items()},
        "code": hash_code_parts(version.agency),
        "erasures": len(read_tombstones(version.agency.agency)),
    }


def _close_landing(con: duckdb.DuckDBPyConnection) -> None:
    """Remove the schema `landing`, which reads files beside: the published file stands alone."""
    con.execute("drop schema landing cascade")


def _describe_codes(con: duckdb.DuckDBPyConnection) -> None:
    """Describe the agency's code maps as dbt describes them: they are its sources."""
    sources = yaml.safe_load((paths.DBT_PROJECT / "models" / "sources.yml").read_text("utf-8"))
    (codes,) = (source for source in sources["sources"] if source["name"] == "codes")
    for table in codes["tables"]:
        meanings = {column["name"]: column["description"] for column in table["columns"]}
        comment(con, f"codes.{table['name']}", table["description"], meanings)


def _open_views(con: duckdb.DuckDBPyConnection) -> None:
    """Show measures and dimensions in `main` as views, so that an analyst finds all in one schema.

    Each view takes over the descriptions of its table.
    """
    views = {
        f"measures.{name}": name
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'measures'"
        ).fetchall()
    }
    views |= {f"rules.{name}": f"dim_{name}" for name in DIMENSIONS}
    for table, view in views.items():
        con.execute(f"create view main.{view} as from {table}")
        text = scalar(
            con,
            "select comment from duckdb_tables() where schema_name || '.' || table_name = $table",
            {"table": table},
        )
        columns = con.execute(
            "select column_name, comment from duckdb_columns() "
            "where schema_name || '.' || table_name = $table and comment is not null",
            {"table": table},
        ).fetchall()
        comment(con, f"main.{view}", text, dict(columns), kind="view")


def _keep_run_results(con: duckdb.DuckDBPyConnection, version: Version, prepared: Path) -> None:
    """Make the table `run_results`: each model, seed and test, with its seconds and rows."""
    row_counts = dict(con.execute("from landing.row_counts").fetchall())
    rows = []
    for result in read_results(prepared) + read_results(target_folder(version)):
        kind, _, name = result["unique_id"].split(".", 2)
        if kind == "operation":  # a hook at the end of the run
            continue
        relation = (result.get("relation_name") or "").replace('"', "")
        if kind == "seed":  # dbt does not tell its relation
            relation = f"{version.file.stem}.rules.{name}"
        rows.append(
            {
                "node": name,
                "resource_type": kind,
                "status": result["status"],
                "execution_seconds": result["execution_time"],
                "row_count": row_counts.get(relation) if kind in ("model", "seed") else None,
                "failures": result.get("failures"),
            }
        )
    columns = {
        "node": "VARCHAR",
        "resource_type": "VARCHAR",
        "status": "VARCHAR",
        "execution_seconds": "DOUBLE",
        "row_count": "BIGINT",
        "failures": "BIGINT",
    }
    create_table(con, "measures.run_results", columns, rows)
    comment(
        con,
        "measures.run_results",
        "What dbt did in this build; the only table that differs between two equal builds. "
        "One row per model, seed and test.",
        {
            "node": "Name in the dbt project.",
            "resource_type": "model, seed or test.",
            "status": "What dbt says of it.",
            "execution_seconds": "Seconds it took; of a seed, in the first build with this code.",
            "row_count": "Rows of the model or seed; null for a view.",
            "failures": "Rows against a test.",
        },
    )


def _keep_lineage(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Make the table `lineage`: what each table is made from."""
    manifest = read_manifest(version)
    names = {
        key: f"{node['schema']}.{node.get('identifier') or node['alias']}"
        for key, node in (manifest["nodes"] | manifest["sources"]).items()
    }
    rows = [
        {"table_name": names[key], "made_from": names[parent]}
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
        for parent in node["depends_on"]["nodes"]
    ]
    create_table(con, "measures.lineage", {"table_name": "VARCHAR", "made_from": "VARCHAR"}, rows)
    comment(
        con,
        "measures.lineage",
        "What tables are made from; landing is not published. One row per table and what it reads.",
        {"table_name": "Schema and table.", "made_from": "Schema and table that it reads."},
    )


def _keep_audits(con: duckdb.DuckDBPyConnection, version: Version) -> None:
    """Make the tables of the audits, with rates and their intervals; empty before an audit."""
    rows = {}
    if version.batches.get(READINGS):
        from cdi.audit.results import result_rows  # scipy takes a second to import

        rows = result_rows(con, version.agency.agency, version.agency.cancelled_statuses)
    create_audit_tables(con, rows)


def summarise_build(version: Version) -> str:
    """Sum a build up for the task's note: models with rows and seconds, and the tests passed."""
    with connect(version.file, read_only=True) as con:
        models = fetch_dicts(
            con,
            "select node, row_count, execution_seconds from main.run_results "
            "where resource_type = 'model' and row_count is not null order by node",
        )
        test_count = scalar(
            con,
            "select count(*) from main.run_results "
            "where resource_type = 'test' and status = 'pass'",
        )
    lines = [f"version {version.name}, as of {version.as_of:%Y-%m-%d %H:%M} UTC"]
    lines += [
        f"- {model['node']}: {model['row_count']:,} rows, {model['execution_seconds']:.2f} s"
        for model in models
    ]
    return "\n".join([*lines, f"{test_count} dbt tests passed"])
