"""The link job by plain DuckDB: the compiled dbt models, one after another; see link_job.py."""

import json
import sys
from pathlib import Path

import duckdb


def main() -> None:
    """Run the models in a prepared file and write the links."""
    file, models, links = sys.argv[1:]
    with duckdb.connect(file) as con:
        con.execute("set timezone = 'UTC'")
        con.execute("set preserve_insertion_order = false")  # as dbt_project/profiles.yml has it
        for model in json.loads(Path(models).read_text(encoding="utf-8")):
            con.execute(f"create schema if not exists {model['schema']}")
            con.execute(f"create {model['kind']} {model['relation']} as {model['sql']}")
        con.execute(
            "copy (select crime_record_id, call_id, link_rung, link_probability "
            "from main.links) to $file",
            {"file": links},
        )


if __name__ == "__main__":
    main()
