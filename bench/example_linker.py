"""A linker to begin with: `example_linker.py <folder> <answer.parquet>`; docs/benchmark.md.

A record belongs to the candidate that was received nearest to the time of its report, if that is
within an hour.
"""

import sys
from pathlib import Path

import duckdb

ANSWER = """
select
    records.record_id,
    arg_min(calls.call_id, (abs(calls.received_s - records.reported_s), calls.call_id)) as call_id,
    1.0 as probability
from records
inner join candidates on records.record_id = candidates.record_id
inner join calls on candidates.call_id = calls.call_id
where records.is_asked and abs(calls.received_s - records.reported_s) <= 3600
group by records.record_id
"""


def main(folder: str, answer: str) -> None:
    """Answer which log each record belongs to."""
    con = duckdb.connect()
    for file in Path(folder).glob("*.parquet"):
        con.from_parquet(str(file)).create_view(file.stem)
    con.sql(ANSWER).to_parquet(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
