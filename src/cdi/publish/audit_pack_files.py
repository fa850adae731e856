"""The files of an inspector's pack: copies, and tables as CSV, which everybody can read.

The files of the folder ``pack/`` beside this module are in each pack as they are.
"""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from cdi import paths
from cdi.agency.model import Agency
from cdi.audit.draws import PREDICTED, SECOND, Draw
from cdi.audit.register import Register
from cdi.files import read_whole_lines
from cdi.people.audit_sheet import write_csv_sheet
from cdi.people.worksheets import list_all_sheets
from cdi.sealed_files import SUMS
from cdi.sql import connect, ident, literal

SHIPPED = Path(__file__).parent / "pack"
OF_VERSION = ("report.html", "figures.json", "version.json")
# Tables that name logs are packed for this draw alone, the others whole.
OF_DRAW = ("audited_logs", "audit_strata")
WHOLE = ("audits", "audited_rates", "audited_changes", "release", "codes.offences")
AS_CSV = "format csv, header true, delimiter ',', quote '\"', escape '\"'"


def copy_files(agency: Agency, draw: Draw, version: Path, folder: Path) -> None:
    """Put all files of a pack into a folder, but for the page and the list of hashes.

    Args:
        agency: Whose audit.
        draw: Its draw, proven to be unchanged.
        version: The folder of the published version.
        folder: The folder to make.
    """
    for part in ("draw", "sheets", "findings", "tables", "rules", "version"):
        (folder / part).mkdir(parents=True)
    for file in (file for file in SHIPPED.iterdir() if file.is_file()):
        shutil.copyfile(file, folder / file.name)
    for name in OF_VERSION:
        shutil.copyfile(version / name, folder / "version" / name)
    # Files in folders may have numbers of calls in their names, which the check does not need.
    sums = (version / SUMS).read_text(encoding="utf-8").splitlines(keepends=True)
    short = "".join(line for line in sums if "/" not in line)
    (folder / "version" / SUMS).write_text(short, encoding="utf-8")
    facts = {
        "agency": agency.agency,
        "draw_id": draw.draw_id,
        "version": version.name,
        "is_simulated": agency.is_simulated,
    }
    (folder / "pack.json").write_text(f"{json.dumps(facts, indent=2)}\n", encoding="utf-8")
    home = paths.audit(agency.agency)
    _write_register(agency, draw, folder / "register.jsonl")
    _write_draw(draw, home / draw.draw_id, folder / "draw")
    for sheet in list_all_sheets(agency, draw.draw_id):
        write_csv_sheet(folder / "sheets", sheet.facts, sheet.logs)
    for file in paths.findings(agency.agency).glob(f"{draw.draw_id}_*.csv"):
        shutil.copyfile(file, folder / "findings" / file.name)
    with connect(version / "recording.duckdb", read_only=True) as con:
        _write_tables(con, draw, folder)


def _write_register(agency: Agency, draw: Draw, file: Path) -> None:
    """Write the register from its beginning to the last line about a draw."""
    register = Register(agency.agency)
    draw_ids = [line["draw_id"] for line in register.entries()]
    count = len(draw_ids) - draw_ids[::-1].index(draw.draw_id)
    lines = read_whole_lines(register.file)[:count]
    file.write_bytes(b"".join(line + b"\n" for line in lines))


def _write_draw(draw: Draw, home: Path, folder: Path) -> None:
    """Write what was frozen and drawn. Of a log that was not drawn there is the hash alone."""
    logs = draw.frame.logs.select(["leaf", "stratum", "district", *PREDICTED]).to_pylist()
    _write_csv(folder / "frame.csv", [{"position": n, **log} for n, log in enumerate(logs)])
    # as it was hashed for the register
    crimes = json.dumps(draw.frame.crimes.to_pylist(), sort_keys=True)
    (folder / "crimes.json").write_text(crimes, encoding="utf-8")
    sizes = zip(draw.strata.population.tolist(), draw.strata.audited.tolist(), strict=True)
    strata = [
        {"stratum": n, "log_count": logs, "drawn_count": drawn}
        for n, (logs, drawn) in enumerate(sizes)
    ]
    _write_csv(folder / "strata.csv", strata)
    row_hashes = draw.frame.logs["row_hash"].to_pylist()
    sample = pq.read_table(home / "sample.parquet").to_pylist()
    for row, call_id in zip(sample, draw.call_ids, strict=True):
        row |= {"call_id": call_id, "row_hash": row_hashes[row["position"]]}
    _write_csv(folder / "sample.csv", sample)
    if draw.first_counts is not None:
        second = pq.read_table(home / SECOND).to_pylist()
        rows = zip(draw.call_ids, second, strict=True)
        _write_csv(folder / "second.csv", [{"call_id": call_id, **row} for call_id, row in rows])


def _write_csv(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        out = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def _write_tables(con: duckdb.DuckDBPyConnection, draw: Draw, folder: Path) -> None:
    """Write tables of the published file as CSV, and the SQL that opens them in DuckDB."""
    mine = f"where draw_id = {literal(draw.draw_id)}"
    load = ["create schema codes;", "create schema rules;"]
    for table in (*OF_DRAW, *WHOLE):
        file = f"tables/{table.rpartition('.')[2]}.csv"
        load.append(_write_table(con, table, mine if table in OF_DRAW else "", folder, file))
    rules = "select table_name from duckdb_tables() where schema_name = 'rules' order by all"
    for (name,) in con.execute(rules).fetchall():
        load.append(_write_table(con, f"rules.{ident(name)}", "", folder, f"rules/{name}.csv"))
    second = "draw/sample.csv" if draw.first_counts is None else "draw/second.csv"
    load += [
        _select_texts("readings", "*", "findings/*.csv"),
        _select_texts("sample", "call_id, auditor as auditor_code", "draw/sample.csv"),
        _select_texts("second_readers", "call_id, second_auditor as auditor_code", second),
        "delete from second_readers where coalesce(auditor_code, '') = '';",
    ]
    text = "".join(f"{statement}\n" for statement in load)
    (folder / "tables" / "load.sql").write_text(text, encoding="utf-8")


def _write_table(
    con: duckdb.DuckDBPyConnection, table: str, where: str, folder: Path, file: str
) -> str:
    """Write a table as CSV; returns the SQL that makes it again."""
    con.execute(
        f"copy (from {table} {where} order by all) to {literal(f'{folder / file}')} ({AS_CSV})"
    )
    columns = con.execute(f"select column_name, column_type from (describe {table})").fetchall()
    kinds = ", ".join(f"{ident(name)} {kind}" for name, kind in columns)
    return f"create table {table} ({kinds});\ncopy {table} from {literal(file)} ({AS_CSV});"


def _select_texts(table: str, columns: str, files: str) -> str:
    """The SQL that makes a table of CSV files whose columns are all texts."""
    read = (
        f"read_csv({literal(files)}, header = true, delim = ',', quote = '\"', all_varchar = true)"
    )
    return f"create table {table} as select {columns} from {read};"
