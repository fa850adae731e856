"""Readers never wait, never fail and never see a half-built state."""

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes

READER = """
import json, sys, time, duckdb
seen, reads, problems = set(), 0, []
stop = sys.argv[2]
import os
while not os.path.exists(stop):
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as con:
            calls = con.execute("select count(*) from fct_calls").fetchone()[0]
            placed = con.execute("select sum(current_count) from conservation "
                                 "where dataset = 'calls'").fetchone()[0]
            rules = con.execute("select count(*) from data_quality").fetchone()[0]
        reads += 1
        seen.add(calls)
        if calls != placed or rules == 0:
            problems.append([calls, int(placed), rules])
    except Exception as error:
        problems.append(repr(error))
json.dump({"reads": reads, "seen": sorted(seen), "problems": problems}, sys.stdout)
"""


def test_a_reader_in_a_loop_during_ten_runs(small: SmallAgency, tmp_path: Path) -> None:
    rows = [row[:] for row in CALLS]
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    assert small.run()
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(small.published / "recording.duckdb"), str(stop)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for n in range(10):
            rows.append([f"T-1{n:03d}", *CALLS[2][1:]])
            small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
            assert small.run()
        time.sleep(1)  # the reader's look at the last version
    finally:
        stop.touch()
        output, _ = reader.communicate(timeout=60)
    told = json.loads(output)
    assert told["problems"] == []
    assert told["reads"] > 100
    assert told["seen"] == list(range(5, 16))  # every version was seen, none in between
