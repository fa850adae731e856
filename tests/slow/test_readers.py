"""Readers never wait, never fail and never see a half-built state."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb

from cdi.build.version import plan_version
from cdi.publish.publish import publish_folder
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes
from tests.slow.conftest import wait_for

READER = """
import json, sys, time, duckdb
seen, reads, problems = set(), 0, []
stop = sys.argv[2]
import os
is_last = False
while not is_last:
    is_last = os.path.exists(stop)  # then one more look, at the last version
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as con:
            calls = con.execute("select count(*) from fct_calls").fetchone()[0]
            placed = con.execute("select sum(current_count) from conservation "
                                 "where dataset = 'calls'").fetchone()[0]
            rules = con.execute("select count(*) from data_quality").fetchone()[0]
        reads += 1
        seen.add(calls)
        time.sleep(0.3)  # the runs need the core too
        if calls != placed or rules == 0:
            problems.append([calls, int(placed), rules])
    except Exception as error:
        problems.append(repr(error))
json.dump({"reads": reads, "seen": sorted(seen), "problems": problems}, sys.stdout)
"""


def test_a_reader_in_a_loop_during_three_runs(ran: SmallAgency, tmp_path: Path) -> None:
    """A build beside the reader neither locks the published file nor changes it.

    That many readers see many publications whole is what the next test proves, without builds.
    """
    rows = [row[:] for row in CALLS]
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(ran.published / "recording.duckdb"), str(stop)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for n in range(3):
            rows.append([f"T-1{n:03d}", *CALLS[2][1:]])
            ran.write("calls.csv", csv_bytes(CALL_HEADER, rows))
            assert ran.run()
    finally:
        stop.touch()
        output, _ = reader.communicate(timeout=60)
    told = json.loads(output)
    assert told["problems"] == []
    assert told["reads"] > 30
    assert told["seen"] == [5, 6, 7, 8]  # every version was seen, none in between


MANY = """
import json, os, sys, time, duckdb
seen, reads, problems = set(), 0, []
is_last = False
while not is_last:
    is_last = os.path.exists(sys.argv[2])  # then one more look, at the last version
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as con:
            marks = set()
            for query in (
                "select lexicon_version from release", "select distinct row_hash from fct_calls",
                "select distinct withheld_reason from recording_rate",
                "select lexicon_version from measures.release",
            ):
                marks |= set(con.execute(query).fetchall())
                time.sleep(0.6)  # most connections see a publication; publishing needs a core
        reads += 1
        seen |= {mark for (mark,) in marks}
        for name in (f"reader-{os.getpid()}", *seen):  # for who waits for it
            open(os.path.join(sys.argv[3], name), "w").close()
        if len(marks) != 1:
            problems.append(sorted(map(str, marks)))
    except Exception as error:
        problems.append(repr(error))
json.dump({"reads": reads, "seen": sorted(seen), "problems": problems}, sys.stdout)
"""
READERS, PUBLISHES = 50, 20


def test_fifty_readers_during_twenty_publishes_see_one_version_per_connection(
    ran: SmallAgency, tmp_path: Path
) -> None:
    """Each version is marked in three tables, which a reader asks one after the other.

    The versions are copies, made beforehand: publication alone is tried, not a build.
    """
    planned = plan_version(ran.agency)
    made = Path(shutil.copytree(ran.published.resolve(), tmp_path / "made"))

    def publish_marked(number: int) -> str:
        marked = replace(planned, fingerprint=f"{number:02d}{'0' * 62}")
        shutil.copytree(made, marked.folder)
        marked.file.chmod(0o644)
        with duckdb.connect(str(marked.file)) as con:
            for change in (
                "measures.release set lexicon_version = $version",
                "fct_calls set row_hash = $version",
                "recording_rate set withheld_reason = $version",
            ):
                con.execute(f"update {change}", {"version": marked.name})
        publish_folder(marked)
        return marked.name

    versions = [publish_marked(0)]
    stop, looks = tmp_path / "stop", tmp_path / "looks"
    looks.mkdir()
    published = str(ran.published / "recording.duckdb")
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, published, str(stop), str(looks)],
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(READERS)
    ]  # fmt: skip
    try:
        wait_for("a look by each reader", lambda: len(list(looks.glob("reader-*"))) == READERS)
        for number in range(1, PUBLISHES + 1):
            versions.append(publish_marked(number))
            wait_for("a look at the version", (looks / versions[-1]).exists)
    finally:
        stop.touch()
        told = [json.loads(reader.communicate(timeout=120)[0]) for reader in readers]
    assert [reader["problems"] for reader in told] == [[]] * READERS
    assert min(reader["reads"] for reader in told) > 1
    assert {mark for reader in told for mark in reader["seen"]} == set(versions)
