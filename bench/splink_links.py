"""Splink 5 on the records that no reference proves: `splink_links.py <folder> <answer.parquet>`.

`make scorecard` and `make benchmark` run it as a process in .venv-bench, as they run any command
that answers which log a record belongs to (docs/benchmark.md). It gets what the pipeline's scored
rung gets: the same records, the same calls, the same candidates. It learns its m probabilities from
the links that references prove and its u probabilities from random pairs, and it uses term
frequencies of surnames. One row is written per record: its best call.
"""

import sys
from pathlib import Path

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator

CALLS = """
select
    'calls' as source, c.call_id as unique_id, c.call_id as label, c.received_s as moment,
    c.easting_m, c.northing_m, c.address_line, c.postcode, c.surname, c.birth_date,
    list_distinct([c.initial_group, c.final_group]) as groups, p.pair_ids
from calls as c
left join (select call_id, list(pair_id) as pair_ids from pairs group by all) as p using (call_id)
"""
RECORDS = """
select
    'records' as source, r.record_id as unique_id, k.call_id as label, r.reported_s as moment,
    r.easting_m, r.northing_m, r.address_line, r.postcode, r.surname, r.birth_date,
    [r.offence_group] as groups, p.pair_ids
from records as r
left join proven as k using (record_id)
left join (select record_id, list(pair_id) as pair_ids from pairs group by all) as p
    using (record_id)
where p.pair_ids is not null or k.call_id is not null
"""
PAIRS = """
select row_number() over (order by record_id, call_id) as pair_id, record_id, call_id
from candidates
"""


def build_comparison(name: str, columns: list[str], levels: list[str]) -> dict[str, object]:
    """Build a comparison; where any of its columns is null, the pair gets the null level."""
    nulls = " or ".join(f"{column}_{side} is null" for column in columns for side in "lr")
    return {
        "output_column_name": name,
        "comparison_levels": [
            {"sql_condition": nulls, "label_for_charts": "null", "is_null_level": True},
            *({"sql_condition": sql, "label_for_charts": sql} for sql in levels),
            {"sql_condition": "ELSE", "label_for_charts": "else"},
        ],
    }


def build_settings(calls: int) -> SettingsCreator:
    """Build the model; it starts from the guess that half of the leftovers have a call."""
    lag = "abs(moment_l - moment_r)"
    metres = "sqrt(power(easting_m_l - easting_m_r, 2) + power(northing_m_l - northing_m_r, 2))"
    surname = build_comparison("surname", ["surname"], ["surname_l = surname_r"])
    surname["comparison_levels"][1]["tf_adjustment_column"] = "surname"  # type: ignore[index]
    return SettingsCreator(
        link_type="link_only",
        source_dataset_column_name="source",
        probability_two_random_records_match=0.5 / calls,
        blocking_rules_to_generate_predictions=[
            {
                "blocking_rule": "l.pair_ids = r.pair_ids",
                "sql_dialect": "duckdb",
                "arrays_to_explode": ["pair_ids"],
            }
        ],
        comparisons=[
            build_comparison(
                "time",
                ["moment"],
                [f"{lag} <= {s}" for s in (60, 900, 3600, 21600, 86400, 1209600)],
            ),
            build_comparison(
                "distance", ["easting_m"], [f"{metres} <= {m}" for m in (50, 150, 500, 2000)]
            ),
            build_comparison(
                "address",
                ["address_line"],
                ["address_line_l = address_line_r", "postcode_l = postcode_r"],
            ),
            build_comparison(
                "offence",
                ["groups"],
                [
                    "list_has_any(groups_l, groups_r)",
                    "list_contains(groups_l, 'none') or list_contains(groups_r, 'none')",
                ],
            ),
            surname,
            build_comparison("birth_date", ["birth_date"], ["birth_date_l = birth_date_r"]),
        ],
        retain_matching_columns=False,
    )


def main(folder: str, answer: str) -> None:
    """Train, predict, and write the best call of each record."""
    con = duckdb.connect()
    for file in sorted(Path(folder).glob("*.parquet")):
        con.from_parquet(str(file)).create_view(file.stem)
    con.execute(f"create table pairs as {PAIRS}")
    api = DuckDBAPI(connection=con)
    for name, query in (("calls", CALLS), ("records", RECORDS)):
        con.execute(f"create table {name}_side as {query}")
    (calls,) = con.execute("select count(*) from calls_side").fetchall()[0]
    sides = [
        api.register(f"{name}_side", dataset_display_name=name) for name in ("calls", "records")
    ]
    linker = Linker(sides, build_settings(calls), log_level="ERROR")
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    linker.training.estimate_m_from_label_column("label")
    predicted = linker.inference.predict(threshold_match_probability=0.01)
    con.execute(
        f"""
        copy (
            select
                case when source_l = 'records' then unique_id_l else unique_id_r end as record_id,
                max_by(
                    case when source_l = 'calls' then unique_id_l else unique_id_r end,
                    (match_weight, unique_id_l, unique_id_r)
                ) as call_id,
                max(match_probability) as probability
            from {predicted.physical_name} group by all
        ) to '{answer}' (format parquet)
        """
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
