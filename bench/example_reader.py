"""A reader to begin with: `example_reader.py <folder> <answer.parquet>`; docs/benchmark.md.

It reads no word. Of each pair of closing and result code it learns from the audited logs how many
of them report a crime, and names one crime in a log whose pair does so more often than not. A pair
that nobody audited goes by its opening code.
"""

import sys
from pathlib import Path

import duckdb

ANSWER = """
with taught as (
    select final_type_code, disposition_code, avg((crimes > 0)::int) as crime_share
    from logs inner join audited using (call_id)
    group by all
)
select logs.call_id, 1 as crimes
from logs
inner join call_types on logs.initial_type_code = call_types.code
left join taught
    on logs.final_type_code is not distinct from taught.final_type_code
    and logs.disposition_code is not distinct from taught.disposition_code
where logs.is_asked
    and coalesce(taught.crime_share, (call_types.offence_group is not null)::int) > 0.5
"""


def main(folder: str, answer: str) -> None:
    """Answer how many crimes each log tells of."""
    con = duckdb.connect()
    for file in Path(folder).glob("*.parquet"):
        con.from_parquet(str(file)).create_view(file.stem)
    con.sql(ANSWER).to_parquet(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
