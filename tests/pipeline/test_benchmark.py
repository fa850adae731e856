"""The benchmark on a small force from a folder, with the commands to begin with."""

import csv
import gzip
import json
import sys
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cdi import paths
from cdi_proofs import linkers
from cdi_proofs.__main__ import app
from tests.conftest import make_once

# A force of 15,000 logs a year that speaks as `plain_speech` does.
SCENARIO = """
extends: plain_speech
title: A small force
volumes:
  logs: 15000
  records: 1868
  violence_records: 494
  hidden_crimes: 250
  frame_no_crime_logs: 650
  non_crime_occurrences: 2550
  addresses: 4500
audit: {frame: 200, others: 100}
"""
AS_OF = datetime(2017, 6, 30, 23)  # the end of the scenario's year, in UTC


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `state` after a benchmark of two months, and beside it `questions`."""

    def run(folder: Path) -> None:
        scenario = folder / "small_force"
        scenario.mkdir()
        (scenario / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CDI_HOME", str(folder / "state"))
            patch.setattr(linkers, "PYTHON", folder / "none")  # whether or not Splink is here
            for name in ("SCENARIO", "MONTHS", "SEED"):
                patch.setenv(name, "")  # restored after the command has set it
            reader, linker = (
                f"{sys.executable} {paths.REPO / 'bench' / f'example_{kind}.py'}"
                for kind in ("reader", "linker")
            )
            options = {
                "--scenario": str(scenario),
                "--months": "2",
                "--seed": "6",
                "--reader": reader,
                "--linker": linker,
                "--questions": str(folder / "questions"),
            }
            words = [word for option in options.items() for word in option]
            done = CliRunner().invoke(app, ["benchmark", *words])
        assert done.exit_code == 0, done.output
        (folder / "output.txt").write_text(done.output, encoding="utf-8")

    return make_once(tmp_path_factory, "benchmark", run)


def _figures(ran: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((ran / "state" / "benchmark.json").read_text())
    return figures


def test_each_entrant_has_a_row_of_each_universe(ran: Path) -> None:
    figures = _figures(ran)
    assert figures["is_simulated"] is True
    assert (figures["months"], figures["seed"]) == (2, 6)
    (force,) = figures["scenarios"]
    assert (force["scenario"], force["title"]) == ("small_force", "A small force")
    assert force["cpu_s_published"] > 1
    readers = ["opening_code", "tf_idf", "lexicon", "text_model", "pipeline_without_links"]
    readers += ["pipeline", "example_reader", "bayes_ceiling"]
    told = [(row["entrant"], row["universe"]) for row in figures["rows"]]
    assert told == [
        *((reader, universe) for reader in readers for universe in ("frame", "no_record")),
        *((name, "leftovers") for name in ("reference_as_typed", "ladder", "splink")),
        ("example_linker", "leftovers"),
    ]
    output = (ran / "output.txt").read_text(encoding="utf-8")
    assert "SIMULATED" in output
    assert "not installed" in output


def test_the_table_in_csv_is_the_one_in_json(ran: Path) -> None:
    with (ran / "state" / "benchmark.csv").open(newline="", encoding="utf-8") as handle:
        in_csv = list(csv.DictReader(handle))
    in_json = _figures(ran)["rows"]
    assert len(in_csv) == 20
    blank = {None: ""}
    assert in_csv == [
        {name: blank.get(value, str(value)) for name, value in row.items()} for row in in_json
    ]


def test_a_figure_lies_between_its_limits(ran: Path) -> None:
    seen = 0
    for row in _figures(ran)["rows"]:
        for figure in ("precision", "recall", "rate_error"):
            if row[figure] is not None:
                seen += 1
                assert row[f"{figure}_low"] <= row[figure] <= row[f"{figure}_high"]
                if figure != "rate_error":
                    assert 0 <= row[f"{figure}_low"] < row[f"{figure}_high"] <= 1
    assert seen > 30


def test_the_figures_of_the_opening_code_are_those_of_the_files(ran: Path) -> None:
    """A second computation: from the source files and the truth's Parquet, without any SQL."""
    home = ran / "state" / "benchmark" / "small_force-2-6"
    (truth,), (sources,) = ((home / name).iterdir() for name in ("truth", "sources"))
    incidents = defaultdict(list)
    for log in pq.read_table(truth / "logs.parquet").to_pylist():
        incidents[log["primary_call_id"]].append(log)
    compared = {
        incident: [log for log in logs if log["received_at"] <= AS_OF - timedelta(days=30)]
        for incident, logs in incidents.items()
        if all(log["is_readable"] for log in logs)
    }
    named: Counter[str] = Counter()
    incident_of = {log["call_id"]: key for key, logs in compared.items() for log in logs}
    for file in sources.glob("calls-*.csv.gz"):
        with gzip.open(file, "rt", encoding="latin-1", newline="") as text:
            for row in csv.DictReader(text, delimiter="|"):
                is_crime = row["Initial Classification"].startswith("CR")
                if is_crime and row["Log Number"] in incident_of:
                    named[incident_of[row["Log Number"]]] += 1
    counts: dict[str, Counter[str]] = {"frame": Counter(), "no_record": Counter()}
    for incident, logs in compared.items():
        due = max((log["crimes_due"] for log in logs), default=0)
        recorded = max((log["crimes_recorded"] for log in logs), default=0)
        in_frame = any(log["is_in_frame"] and not log["is_duplicate"] for log in logs)
        for universe, is_in in (("frame", in_frame), ("no_record", recorded == 0)):
            if logs and is_in:
                count = counts[universe]
                count["due"] += due
                count["named"] += named[incident]
                count["hits"] += min(due, named[incident])
                count["recorded"] += recorded
                count["reported"] += max(recorded, named[incident])
    rows = {row["universe"]: row for row in _figures(ran)["rows"][:2]}
    for universe, count in counts.items():
        row = rows[universe]
        assert count["due"] > 20
        assert (row["named"], row["due"]) == (count["named"], count["due"])
        assert row["precision"] == pytest.approx(count["hits"] / count["named"], abs=1e-5)
        assert row["recall"] == pytest.approx(count["hits"] / count["due"], abs=1e-5)
    frame = counts["frame"]
    error = frame["recorded"] / frame["reported"] - frame["recorded"] / frame["due"]
    assert rows["frame"]["rate_error"] == pytest.approx(error, abs=1e-5)


def test_the_links_of_the_first_linker_are_those_of_the_tables(ran: Path) -> None:
    """A second computation of who is named; its precision is one of counts that are checked."""
    folder = ran / "questions" / "small_force" / "linking"
    records, calls, candidates = (
        pq.read_table(folder / f"{name}.parquet").to_pylist()
        for name in ("records", "calls", "candidates")
    )
    received = {call["call_id"]: call["received_s"] for call in calls}
    reported = {row["record_id"]: row["reported_s"] for row in records if row["is_asked"]}
    near = {
        pair["record_id"]
        for pair in candidates
        if abs(received[pair["call_id"]] - reported[pair["record_id"]]) <= 3600
    }
    (row,) = (row for row in _figures(ran)["rows"] if row["entrant"] == "example_linker")
    # those to logs that are too recent are not judged
    assert 10 < row["named"] < len(near)
    assert row["due"] > 10
    proven = {r["record_id"] for r in pq.read_table(folder / "proven.parquet").to_pylist()}
    assert len(proven) > 100
    assert not proven & set(reported)


def test_what_is_asked_about_was_not_audited(ran: Path) -> None:
    folder = ran / "questions" / "small_force" / "reading"
    logs = pq.read_table(folder / "logs.parquet").to_pylist()
    audited = {row["call_id"] for row in pq.read_table(folder / "audited.parquet").to_pylist()}
    assert len(audited) == 300
    assert audited == {log["call_id"] for log in logs if not log["is_asked"]}
    assert len(logs) > 2000
    told = {row["call_id"] for row in pq.read_table(folder / "entries.parquet").to_pylist()}
    assert len(told & audited) > 250
