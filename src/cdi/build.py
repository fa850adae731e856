"""The build: from the landing to a new private DuckDB file, by one `dbt build`."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml

from cdi import paths
from cdi.agency import code_maps
from cdi.agency.datasets import DATASETS, READINGS, output_columns
from cdi.agency.model import Agency
from cdi.audit.tables import create_audit_tables
from cdi.errors import BuildError
from cdi.files import sha256_of_json, take_lock
from cdi.landing import batches as landing_batches
from cdi.landing.batches import Batch, accepted_batches
from cdi.landing.tombstones import read_tombstones
from cdi.learning import weights as learning_weights
from cdi.learning.links import open_links_weights
from cdi.learning.text import open_text_weights
from cdi.learning.weights import Weights, find_newest_weights, read_weights
from cdi.sql import comment, connect, fetch_dicts, ident, literal, scalar

# of the files that any DuckDB 1.x opens
STORAGE_VERSION = "v1.0.0"
# landed rows from which on one model is built at a time: two would need more memory than both may
# have, and each fills all cores anyway
LARGE = 10_000_000
# rules that the facts refer to: shown in `main` as dimensions
DIMENSIONS = ("evidence_kinds", "offence_groups", "reasons", "rulesets")


@dataclass(frozen=True)
class Plan:
    """What a build would read, and the name of what it would make.

    Attributes:
        agency: The agency.
        as_of: UTC; the state of knowledge that the build speaks of.
        batches: The accepted batches it reads, by dataset.
        fingerprint: sha256 over all that determines the result.
        weights: What was learnt from the agency's data, by kind.
        learns_from: sha256 over all that determines what would be learnt from the same state.
    """

    agency: Agency
    as_of: datetime
    batches: dict[str, list[Batch]]
    fingerprint: str
    weights: dict[str, Weights] = field(default_factory=dict)
    learns_from: str = ""

    @property
    def version(self) -> str:
        """Name of the version: as_of and the fingerprint's start."""
        return f"{self.as_of:%Y%m%dT%H%M}-{self.fingerprint[:10]}"

    @property
    def rows(self) -> int:
        """How many rows the batches have."""
        return sum(batch.manifest["accepted"] for some in self.batches.values() for batch in some)

    @property
    def folder(self) -> Path:
        """The private folder that the version is built in."""
        return paths.published(self.agency.agency) / ".next"

    @property
    def file(self) -> Path:
        """The private DuckDB file."""
        return self.folder / "recording.duckdb"


def plan(agency: Agency, as_of: datetime | None = None) -> Plan:
    """Choose batches and as_of, and compute the fingerprint.

    Args:
        agency: The agency.
        as_of: UTC; default: the newest state that an accepted batch speaks of.

    Raises:
        BuildError: BUILD-NO-DATA if no calls were landed (up to as_of).
    """
    found = {name: accepted_batches(agency.agency, name) for name in agency.sources}
    if as_of is not None:
        found = {
            name: [b for b in some if _first_as_of(b) <= as_of] for name, some in found.items()
        }
    if not found["calls"]:
        raise BuildError(
            "BUILD-NO-DATA",
            f"no accepted batch of {agency.agency}/calls" + (f" up to {as_of}" if as_of else ""),
            f"extract first: make run AGENCY={agency.agency}, or look into refused batches",
        )
    newest = max(_as_of(b) for some in found.values() for b in some)
    chosen = as_of or newest
    state = {
        "batches": {
            name: [
                (b.manifest["batch_id"], b.manifest["seq"], b.manifest["content_sha256"])
                for b in some
            ]
            for name, some in found.items()
        },
        "as_of": chosen.isoformat(),
        "code": _code_parts(agency),
    }
    learnt = {
        kind: find_newest_weights(agency.agency, kind, as_of) for kind in learning_weights.KINDS
    }
    known = {kind: version for kind, version in learnt.items() if version is not None}
    made_of: dict[str, Any] = {"weights": {k: w.version for k, w in known.items()}}
    if found.get(READINGS):  # before there are findings a draw changes nothing
        from cdi.audit.register import register_fingerprint

        made_of["audit"] = register_fingerprint(agency.agency)
    fingerprint = sha256_of_json(state | made_of)
    return Plan(agency, chosen, found, fingerprint, known, sha256_of_json(state))


def resume(agency: Agency, version: str) -> Plan:
    """The plan of the build that stands in the private folder, for the steps after it.

    It is read back, not computed anew: a batch that was landed meanwhile belongs to the next build.

    Args:
        agency: The agency.
        version: The version that must stand there.

    Raises:
        BuildError: BUILD-GONE if another build, or none, stands there.
    """
    folder = paths.published(agency.agency) / ".next"
    found: dict[str, Any] = {"version": "none"}
    if (folder / "version.json").is_file():
        found = described(folder)
    if found["version"] != version:
        raise BuildError(
            "BUILD-GONE",
            f"the private build of {agency.agency} is {found['version']}, not {version}",
            "run the build again",
        )
    return Plan(
        agency,
        datetime.fromisoformat(found["as_of"]),
        {
            name: [
                b for b in accepted_batches(agency.agency, name) if b.manifest["batch_id"] in ids
            ]
            for name, ids in found["batches"].items()
        },
        found["fingerprint"],
        {
            kind: read_weights(agency.agency, kind, version)
            for kind, version in found["weights"].items()
        },
    )


def _as_of(batch: Batch) -> datetime:
    return datetime.fromisoformat(batch.manifest["as_of"])


def _first_as_of(batch: Batch) -> datetime:
    return min(datetime.fromisoformat(file["as_of"]) for file in batch.manifest["files"])


def _code_parts(agency: Agency) -> dict[str, str]:
    """All that is not data and can change a result, by part: a sha256 each."""
    dbt = paths.DBT_PROJECT
    parts: dict[str, tuple[Path, tuple[str, ...]]] = {
        "rules": (dbt, ("seeds/*",)),
        "models": (dbt, ("dbt_project.yml", "models/**/*", "macros/*", "tests/*")),
        "checks": (paths.EXPECTATIONS, ("**/*.yaml",)),
        "library": (Path(__file__).parent, ("**/*.py", "**/*.j2")),
        "agency": (agency.folder, ("agency.yaml", "*.csv")),
    }
    found = {}
    for part, (folder, patterns) in parts.items():
        digest = hashlib.sha256()
        for file in sorted({f for p in patterns for f in folder.glob(p) if f.is_file()}):
            if file.parent.name == "unit_tests":
                continue  # a test changes no result
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
        found[part] = digest.hexdigest()
    return found


def described(folder: Path) -> dict[str, Any]:
    """What a version's folder says of itself (version.json)."""
    return dict(json.loads((folder / "version.json").read_text(encoding="utf-8")))


def current(agency: str) -> dict[str, Any] | None:
    """What the published version says of itself, or None if there is none."""
    folder = paths.published(agency) / "current"
    is_whole = (folder / "version.json").is_file() and (folder / "recording.duckdb").is_file()
    return described(folder) if is_whole else None


def is_current(planned: Plan) -> bool:
    """Whether the published version is what this plan would make."""
    published = current(planned.agency.agency)
    return published is not None and published["fingerprint"] == planned.fingerprint


def build(planned: Plan) -> Path:
    """Build the private file.

    Returns:
        Path of the file, closed and without a write-ahead log.

    Raises:
        BusyError: BUILD-BUSY if another build of the agency runs.
        BuildError: BUILD-DBT if dbt fails.
    """
    with take_lock(paths.published(planned.agency.agency), planned.agency.agency):
        shutil.rmtree(planned.folder, ignore_errors=True)
        planned.folder.mkdir(parents=True)
        _create(planned.file)
        with connect(planned.file) as con:
            _open_landing(con, planned)
        _run_dbt(planned, planned.file)
        with connect(planned.file) as con:
            _keep_run_results(con, planned)
            _keep_lineage(con, planned)
            _keep_audits(con, planned)
            _close_landing(con)
            _describe_codes(con)
            _open_views(con)
        (planned.folder / "version.json").write_text(
            json.dumps(_describe(planned), indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
    return planned.file


def _create(file: Path) -> None:
    """Make the empty file: it keeps the storage version that it is made with."""
    with connect() as con:
        con.execute(f"attach {literal(str(file))} as made (storage_version '{STORAGE_VERSION}')")


@contextlib.contextmanager
def part(planned: Plan, *models: str) -> Iterator[Path]:
    """A private file of some models and what they need, for learning; removed after the block.

    Args:
        planned: What to read.
        models: Names of the models; dbt tests nothing here.

    Raises:
        BusyError: BUILD-BUSY if the same is being made already.
        BuildError: BUILD-DBT if dbt fails.
    """
    home = paths.weights(planned.agency.agency)
    with (
        take_lock(home, " ".join(models)),
        tempfile.TemporaryDirectory(dir=home, prefix=".") as folder,
    ):
        file = Path(folder) / planned.file.name
        with connect(file) as con:
            _open_landing(con, planned)
        _run_dbt(planned, file, models)
        yield file


def _describe(planned: Plan) -> dict[str, Any]:
    return {
        "agency": planned.agency.agency,
        "version": planned.version,
        "fingerprint": planned.fingerprint,
        "as_of": planned.as_of.isoformat(),
        "batches": {
            name: [b.manifest["batch_id"] for b in some] for name, some in planned.batches.items()
        },
        "weights": {kind: learnt.version for kind, learnt in planned.weights.items()},
        "code": _code_parts(planned.agency),
        "erasures": len(read_tombstones(planned.agency.agency)),
    }


# ---------------------------------------------------------------------- what dbt reads


def _open_landing(con: duckdb.DuckDBPyConnection, planned: Plan) -> None:
    """Make the schemas `landing` (views over Parquet) and `codes` (the agency's code maps)."""
    con.execute("create schema landing")
    con.execute("create schema codes")
    agency = planned.agency
    for dataset in DATASETS:
        _view_rows(con, planned, dataset)
    _table(con, "landing.batches", BATCH_COLUMNS, _batch_rows(planned))
    _table(con, "landing.batch_files", FILE_COLUMNS, _file_rows(planned))
    _collect_quarantine(con, planned)
    open_links_weights(con, planned.weights.get("links"))
    open_text_weights(con, planned.weights.get("text"), sha256_of_json(_code_parts(agency))[:10])
    newest = {
        name: max((_as_of(b) for b in some), default=None) for name, some in planned.batches.items()
    }
    _table(
        con,
        "landing.settings",
        SETTINGS_COLUMNS,
        [
            {
                "agency": agency.agency,
                "agency_name": agency.name,
                "is_simulated": agency.is_simulated,
                "calls": agency.calls,
                "timezone": agency.timezone,
                "licence": agency.licence,
                "cancelled_statuses": list(agency.cancelled_statuses),
                "as_of": _naive(planned.as_of),
                "calls_as_of": _naive(newest["calls"]),
                "crime_records_as_of": _naive(newest["crime_records"]),
            }
        ],
    )
    for name, columns in (code_maps.CODE_MAPS | code_maps.OPTIONAL_MAPS).items():
        kinds = {c: "BOOLEAN" if c.startswith(("is_", "expects_")) else "VARCHAR" for c in columns}
        file = agency.folder / f"{name}.csv"
        if not file.is_file():
            _table(con, f"codes.{name}", kinds, [])
            continue
        con.execute(
            f"create table codes.{name} as from read_csv($file, columns = $columns, "
            "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"')",
            {"file": str(file), "columns": kinds},
        )


def _close_landing(con: duckdb.DuckDBPyConnection) -> None:
    """Remove what reads the landing: the published file stands alone."""
    for (view,) in con.execute(
        "select view_name from duckdb_views() where schema_name = 'staging'"
    ).fetchall():
        con.execute(f"drop view staging.{ident(view)}")
    con.execute("drop schema landing cascade")


def _describe_codes(con: duckdb.DuckDBPyConnection) -> None:
    """Comments on the agency's code maps, from where dbt knows them as sources."""
    sources = yaml.safe_load((paths.DBT_PROJECT / "models" / "sources.yml").read_text("utf-8"))
    (codes,) = (source for source in sources["sources"] if source["name"] == "codes")
    for table in codes["tables"]:
        meanings = {column["name"]: column["description"] for column in table["columns"]}
        comment(con, f"codes.{table['name']}", table["description"], meanings)


def _open_views(con: duckdb.DuckDBPyConnection) -> None:
    """Show in `main`, as views, what is not one of its few tables: measures and dimensions."""
    shown = {
        f"measures.{name}": name
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'measures'"
        ).fetchall()
    }
    shown |= {f"rules.{name}": f"dim_{name}" for name in DIMENSIONS}
    for table, view in shown.items():
        con.execute(f"create view main.{view} as from {table}")
        of = {"table": table}
        text = scalar(
            con,
            "select comment from duckdb_tables() where schema_name || '.' || table_name = $table",
            of,
        )
        columns = con.execute(
            "select column_name, comment from duckdb_columns() "
            "where schema_name || '.' || table_name = $table and comment is not null",
            of,
        ).fetchall()
        comment(con, f"main.{view}", text, dict(columns), kind="view")


BATCH_COLUMNS = {
    "dataset": "VARCHAR", "batch_id": "VARCHAR", "seq": "INTEGER", "delivery": "VARCHAR",
    "as_of": "TIMESTAMP",
}  # fmt: skip
FILE_COLUMNS = {
    "dataset": "VARCHAR", "batch_id": "VARCHAR", "seq": "INTEGER", "source_file": "VARCHAR",
    "sha256": "VARCHAR", "as_of": "TIMESTAMP", "read_count": "BIGINT", "accepted_count": "BIGINT",
    "quarantined_count": "BIGINT", "duplicate_count": "BIGINT", "erased_count": "BIGINT",
}  # fmt: skip
SETTINGS_COLUMNS = {
    "agency": "VARCHAR", "agency_name": "VARCHAR", "is_simulated": "BOOLEAN", "calls": "VARCHAR",
    "timezone": "VARCHAR", "licence": "VARCHAR", "cancelled_statuses": "VARCHAR[]",
    "as_of": "TIMESTAMP", "calls_as_of": "TIMESTAMP", "crime_records_as_of": "TIMESTAMP",
}  # fmt: skip


def _naive(moment: datetime | None) -> datetime | None:
    """UTC without the zone, as the file's timestamps are."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def _table(
    con: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str], rows: list[dict[str, Any]]
) -> None:
    con.execute(f"create table {name} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
    if rows:
        marks = ", ".join(f"${column}" for column in columns)
        con.executemany(f"insert into {name} values ({marks})", rows)


def _batch_rows(planned: Plan) -> list[dict[str, Any]]:
    return [
        {
            "dataset": name,
            "batch_id": batch.manifest["batch_id"],
            "seq": batch.manifest["seq"],
            "delivery": batch.manifest["delivery"],
            "as_of": _naive(_as_of(batch)),
        }
        for name, some in planned.batches.items()
        for batch in some
    ]


def _file_rows(planned: Plan) -> list[dict[str, Any]]:
    return [
        {
            "dataset": name,
            "batch_id": batch.manifest["batch_id"],
            "seq": batch.manifest["seq"],
            "source_file": file["name"],
            "sha256": file["sha256"],
            "as_of": _naive(datetime.fromisoformat(file["as_of"])),
            "read_count": file["read"],
            "accepted_count": file["accepted"],
            "quarantined_count": file["quarantined"],
            "duplicate_count": file["duplicates"],
            "erased_count": file.get("erased", 0),
        }
        for name, some in planned.batches.items()
        for batch in some
        for file in batch.manifest["files"]
        if datetime.fromisoformat(file["as_of"]) <= planned.as_of
    ]


def _view_rows(con: duckdb.DuckDBPyConnection, planned: Plan, dataset: str) -> None:
    """A view over the dataset's accepted rows, with the place of each batch in the order.

    It has no rows if the agency has no such dataset. What a batch has no column for, as it was
    landed before the column was known, is null.
    """
    columns = output_columns(dataset)
    nulls = {name: f"cast(null as {kind}) as {ident(name)}" for name, kind in columns.items()}
    parts = []
    for batch in planned.batches.get(dataset, []):
        landed = batch.manifest["columns"]
        names = ", ".join(ident(name) if name in landed else nulls[name] for name in columns)
        parts.append(
            f"select {names}, {int(batch.manifest['seq'])} as batch_seq "
            f"from read_parquet({literal(str(batch.rows))})"
        )
    # as-of questions: what a later file brought was not known yet
    known = f"where source_as_of <= {literal(str(_naive(planned.as_of)))}::timestamp"
    if not parts:
        parts, known = [f"select {', '.join(nulls.values())}, 0 as batch_seq"], "where false"
    con.execute(f"create view landing.{dataset} as from ({' union all '.join(parts)}) {known}")


def _collect_quarantine(con: duckdb.DuckDBPyConnection, planned: Plan) -> None:
    columns = {"dataset": "VARCHAR", "batch_id": "VARCHAR", **landing_batches.QUARANTINE_COLUMNS}
    _table(con, "landing.quarantined_rows", columns, [])
    for name, some in planned.batches.items():
        for batch in some:
            # what is published never held the encrypted originals, not even for a moment
            con.execute(
                "insert into landing.quarantined_rows by name select $dataset as dataset, "
                "$batch as batch_id, * exclude (original_encrypted) from read_parquet($file)",
                {"dataset": name, "batch": batch.manifest["batch_id"],
                 "file": str(batch.quarantine)},
            )  # fmt: skip


# ---------------------------------------------------------------------- dbt


def _run_dbt(planned: Plan, private: Path, models: tuple[str, ...] = ()) -> None:
    """One `dbt build` in a process of its own: no lock outlives it.

    With models: these and what they need, to learn from; nothing is tested then.
    """
    target = _dbt_target(planned, models)
    # what dbt has parsed names the files of its checkout: another's is not taken over
    checkout = target / "project_folder.txt"
    if target.is_dir() and (
        not checkout.is_file() or checkout.read_text(encoding="utf-8") != str(paths.DBT_PROJECT)
    ):
        shutil.rmtree(target)
    target.mkdir(parents=True, exist_ok=True)
    checkout.write_text(str(paths.DBT_PROJECT), encoding="utf-8")
    (target / "run_results.json").unlink(missing_ok=True)
    # the rules' own tests hold for every build alike: `make test` runs them
    chosen = ["--exclude", "tag:learning", "path:seeds/*.yml,resource_type:test"]
    if models:
        chosen = ["--exclude-resource-type", "test", "--vars", '{"is_learning": true}',
                  "--select", *(f"+{model}" for model in models)]  # fmt: skip
    command = [
        sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "--log-path", str(target),
        "--log-level-file", "info",  # each statement stands in compiled/ and run/ already
        "build", "--project-dir", str(paths.DBT_PROJECT), "--profiles-dir", str(paths.DBT_PROJECT),
        "--target-path", str(target), "--exclude-resource-type", "unit_test", *chosen,
        *(["--threads", "1"] if planned.rows > LARGE else []),
    ]  # fmt: skip
    env = {
        **os.environ,
        "CDI_BUILD_FILE": private.name,  # in the folder where dbt runs: one name, one parse for all
    }
    done = subprocess.run(
        command, cwd=private.parent, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(
            "BUILD-DBT",
            f"dbt build failed for {planned.agency.agency}:\n{_failures(target, done.stdout)}",
            f"read {target / 'dbt.log'}; the published version is untouched",
        )


def _dbt_target(planned: Plan, models: tuple[str, ...] = ()) -> Path:
    return paths.home() / "dbt" / ".".join((planned.agency.agency, *models))


def _results(target: Path) -> list[dict[str, Any]]:
    file = target / "run_results.json"
    if not file.is_file():
        return []
    return list(json.loads(file.read_text(encoding="utf-8"))["results"])


def _failures(target: Path, output: str) -> str:
    failed = [r for r in _results(target) if r["status"] in ("error", "fail")]
    told = [f"    {r['unique_id']}: {r['message']}" for r in failed]
    return "\n".join(told) or output[-2000:]


def _keep_run_results(con: duckdb.DuckDBPyConnection, planned: Plan) -> None:
    """The table `run_results`: each model, seed and test of the build, with seconds and rows."""
    rows = []
    for result in _results(_dbt_target(planned)):
        kind, _, name = result["unique_id"].split(".", 2)
        relation = result.get("relation_name")
        is_table = kind in ("model", "seed") and relation
        rows.append(
            {
                "node": name,
                "resource_type": kind,
                "status": result["status"],
                "execution_seconds": result["execution_time"],
                "row_count": scalar(con, f"select count(*) from {relation}") if is_table else None,
                "failures": result.get("failures"),
            }
        )
    columns = {
        "node": "VARCHAR", "resource_type": "VARCHAR", "status": "VARCHAR",
        "execution_seconds": "DOUBLE", "row_count": "BIGINT", "failures": "BIGINT",
    }  # fmt: skip
    _table(con, "measures.run_results", columns, rows)
    comment(
        con,
        "measures.run_results",
        "What dbt did in this build; the only table that differs between two equal builds. "
        "One row per model, seed and test.",
        {
            "node": "Name in the dbt project.",
            "resource_type": "model, seed or test.",
            "status": "What dbt says of it.",
            "execution_seconds": "Seconds it took.",
            "row_count": "Rows of the model or seed.",
            "failures": "Rows against a test.",
        },
    )


def manifest(planned: Plan) -> dict[str, Any]:
    """What dbt knows of the project since the build."""
    file = _dbt_target(planned) / "manifest.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _keep_lineage(con: duckdb.DuckDBPyConnection, planned: Plan) -> None:
    """The table `lineage`: what each table is made from."""
    known = manifest(planned)
    names = {
        key: f"{node['schema']}.{node.get('identifier') or node['alias']}"
        for key, node in (known["nodes"] | known["sources"]).items()
    }
    rows = [
        {"table_name": names[key], "made_from": names[parent]}
        for key, node in known["nodes"].items()
        if node["resource_type"] == "model"
        for parent in node["depends_on"]["nodes"]
    ]
    _table(con, "measures.lineage", {"table_name": "VARCHAR", "made_from": "VARCHAR"}, rows)
    comment(
        con,
        "measures.lineage",
        "What tables are made from; landing is not published. One row per table and what it reads.",
        {"table_name": "Schema and table.", "made_from": "Schema and table that it reads."},
    )


def _keep_audits(con: duckdb.DuckDBPyConnection, planned: Plan) -> None:
    """The tables of the audits: rates with intervals."""
    rows = {}
    if planned.batches.get(READINGS):
        from cdi.audit.results import result_rows  # scipy takes a second to import

        rows = result_rows(con, planned.agency.agency, planned.agency.cancelled_statuses)
    create_audit_tables(con, rows)


def evidence(planned: Plan) -> str:
    """A few lines for the task's note: models with rows and seconds, tests passed."""
    with connect(planned.file, read_only=True) as con:
        models = fetch_dicts(
            con, "select node, row_count, execution_seconds from main.run_results "
            "where resource_type = 'model' order by node"
        )  # fmt: skip
        tests = scalar(
            con, "select count(*) from main.run_results where resource_type = 'test' "
            "and status = 'pass'"
        )  # fmt: skip
    lines = [f"version {planned.version}, as of {planned.as_of:%Y-%m-%d %H:%M} UTC"]
    lines += [
        f"- {m['node']}: {m['row_count']:,} rows, {m['execution_seconds']:.2f} s" for m in models
    ]
    return "\n".join([*lines, f"{tests} dbt tests passed"])
