"""An inspector who has a pack and nothing else, and writes down once more what must hold of it.

It uses neither the project's code nor the pack's own check.
"""

import csv
import hashlib
import json
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np


def unpack(pack: Path, folder: Path) -> Path:
    """Unpack a pack into an empty folder; returns the one folder that is in it."""
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(folder)
    (unpacked,) = folder.iterdir()
    return unpacked


def sha256(*parts: bytes) -> str:
    """Hash bytes."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def list_files(folder: Path) -> dict[str, str]:
    """The hash of each file by its name."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): sha256(file.read_bytes()) for file in files}


def write_sums(folder: Path) -> None:
    """List the files as they are now, as somebody does who changed one of them."""
    files = {name: digest for name, digest in list_files(folder).items() if name != "SHA256SUMS"}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(files.items())]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def find_changed(folder: Path) -> set[str]:
    """Files that are not as they are listed, or in no list."""
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8", errors="replace").splitlines()
    listed = {(name, digest) for digest, _, name in (line.partition("  ") for line in lines)}
    there = {item for item in list_files(folder).items() if item[0] != "SHA256SUMS"}
    return {name for name, _ in listed ^ there}


def read_csv(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def read_register(folder: Path) -> list[dict[str, Any]]:
    """The lines of the register."""
    return list(map(json.loads, (folder / "register.jsonl").read_text("utf-8").splitlines()))


def find_broken_line(folder: Path) -> int | None:
    """The first line of the register that does not follow from the one before."""
    before = "0" * 64
    for number, line in enumerate(read_register(folder), 1):
        digest = line.pop("hash")
        said = json.dumps(line, sort_keys=True).encode()
        if line["previous"] != before or sha256(said, b"\x1f") != digest:
            return number
        before = digest
    return None


def draw_again(folder: Path, plan: dict[str, Any]) -> list[int]:
    """Positions of the logs that the seed draws from the frozen strata, by numpy."""
    strata = np.array([int(row["stratum"]) for row in read_csv(folder / "draw" / "frame.csv")])
    numbers = np.random.default_rng(plan["seed"])
    drawn = [
        numbers.choice(np.flatnonzero(strata == stratum), size, replace=False, shuffle=False)
        for stratum, size in enumerate(plan["audited"])
    ]
    return [int(position) for position in np.concatenate(drawn)]


def hash_frame(folder: Path) -> str:
    """The hash of the frozen frame."""
    leaves = [row["leaf"] for row in read_csv(folder / "draw" / "frame.csv")]
    return sha256(*(f"{leaf}\x1f".encode() for leaf in leaves))


def count_again(folder: Path) -> dict[str, tuple[int, int]]:
    """Crimes due and recorded in each audited log, from the readings; of A1 alone, see conftest."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for file in sorted((folder / "findings").iterdir()):
        for row in read_csv(file):
            if row["crime_number"] != "0" and row["offence_code"] == "A1":
                count = counts[row["call_reference"], row["auditor_code"]]
                count[0] += 1
                count[1] += row["recorded_code"] == "Y"
    second = {row["call_id"]: row["second_auditor"] for row in read_csv(folder / "draw/second.csv")}
    best = {}
    for row in read_csv(folder / "draw" / "sample.csv"):
        log = row["call_id"]
        first, other = counts[log, row["auditor"]], counts[log, second[log] or row["auditor"]]
        best[log] = first if first == other else counts[log, "FCR"]
    return {log: (due, recorded) for log, (due, recorded) in best.items()}


def open_tables(folder: Path) -> duckdb.DuckDBPyConnection:
    """The tables of the pack, as DuckDB opens them in its folder."""
    load = (folder / "tables" / "load.sql").read_text(encoding="utf-8")
    con = duckdb.connect()
    for part in ("tables", "rules", "findings", "draw"):
        load = load.replace(f"'{part}/", f"'{folder}/{part}/")
    con.execute(load)
    return con
