"""The extract of the command and control system: logs, and their timed entries by author."""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi_force.columns import ADDRESS, Columns, stamp_sql, texts_of
from cdi_force.details import NEVER, QUALIFIERS
from cdi_force.facts import call_taker
from cdi_force.narrative import PARTS
from cdi_force.texts import Bank
from cdi_force.year import CHANNELS, DUPLICATE, take_rows

CRIMES = "crime_1, also, crime_2, crime_3"
FIRST_ACCOUNT = (
    f"case when is_told_later then opener else concat_ws(' ', opener, burial, {CRIMES}) end"
)
LATER_ACCOUNT = f"case when is_told_later then concat_ws(' ', burial, {CRIMES}) end"
FIRST_AMENDMENT = "'CLASSIFICATION AMENDED FROM ' || opening || ' TO ' || first_closing"
LAST_RESULT = "'CLASSIFICATION AMENDED TO ' || closing || ' ' || closing_text"


def select_calls(
    columns: Columns, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]
) -> tuple[str, NDArray[Any]]:
    """Register some logs as a table, and give the query that shows them as the system exports them.

    Args:
        columns: Of the year.
        con: Where the table `rows` is registered.
        rows: Rows of `year.logs`, rising.

    Returns:
        The query, and for each row of its result how it is to be spoilt (`details`: breakage).
    """
    logs = columns.year.logs
    log = take_rows(logs, rows)
    victim = columns.person_names(log["victim"], log["has_victim"])
    caller = columns.person_names(log["caller"], np.ones(len(rows), bool))
    is_marked = (log["kind"] == DUPLICATE) & ~log["is_unmarked"]
    primary = columns.log_number(log["primary"])
    results = columns.year.scenario.closings.results
    combinations = [
        "/".join(q for bit, q in enumerate(QUALIFIERS) if mask >> bit & 1)
        for mask in range(1 << len(QUALIFIERS))
    ]
    table = pa.table(
        {
            **columns.log_number(rows),
            **columns.place_columns(log),
            "received": columns.local_times(log["received"]),
            "dispatched": columns.local_times(log["dispatched"]),
            "arrived": columns.local_times(log["arrived"]),
            "closed": columns.local_times(log["seen_closed"]),
            "channel": texts_of(log["channel"], CHANNELS),
            "grade": pa.array(log["grade"]),
            "opening": texts_of(log["opening"], columns.year.codes),
            "closing": texts_of(log["seen_closing"], columns.year.codes),
            "result": texts_of(log["seen_result"].astype(int), results),
            "qualifiers": texts_of(log["qualifiers"].astype(int), combinations),
            "caller_surname": caller["surname"],
            "caller_forename": caller["forename"],
            "phone": pa.array(log["caller"] % 1_000),  # the range kept for fiction
            "has_phone": pa.array(log["caller"] % 10 < 8),
            "victim_surname": victim["surname"],
            "victim_forename": victim["forename"],
            "birth_day": columns.birth_day(
                log["victim"], log["has_birth_date"] & log["has_victim"]
            ),
            "primary_day": primary["day"],
            "primary_serial": primary["serial"],
            "is_marked": pa.array(is_marked),
            "case_number": pa.array(log["case"], mask=log["case"] < 0),
            "breakage": pa.array(log["breakage"]),
        }
    )
    con.register("rows", table)
    query = f"""
    select
        {columns.log_number_sql("day", "serial")} as "Log Number",
        {stamp_sql("received", "breakage = 2")} as "Received",
        {stamp_sql("dispatched")} as "Despatched",
        {stamp_sql("arrived")} as "At Scene",
        {stamp_sql("closed")} as "Closed",
        channel as "Source",
        grade as "Response Category",
        opening as "Initial Classification",
        closing as "Final Classification",
        nullif(cast(qualifiers as varchar), '') as "Qualifiers",
        result as "Result Code",
        district as "Division",
        district || beat as "Beat Code",
        {ADDRESS} as "Location",
        nullif(x, 0) as "Grid Reference X",
        nullif(y, 0) as "Grid Reference Y",
        caller_surname || ', ' || caller_forename as "Caller Contact Name",
        case when has_phone then '07700 900' || printf('%03d', phone) end as "Caller Phone",
        victim_forename || ' ' || victim_surname as "Victim Name",
        strftime(birth_day, '%d/%m/%Y') as "Victim DOB",
        case when is_marked then {columns.log_number_sql("primary_day", "primary_serial")} end
            as "Cross References",
        {columns.occurrence_sql("case_number")} as "Case Reference"
    from rows order by day, serial"""
    return query, log["breakage"]


def select_entries(
    columns: Columns, bank: Bank, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]
) -> str:
    """Register some logs, and give the query that shows their entries in the order of their times.

    Args:
        columns: Of the year.
        bank: The variants of the phrases, which the logs name by number.
        con: Where the tables `rows`, `case_references` and `cross_references` are registered.
        rows: Rows of `year.logs`, rising.
    """
    logs, texts = columns.year.logs, bank.texts
    log = take_rows(logs, rows)
    span = log["closed"] - log["received"]
    entry_columns: dict[str, Any] = {
        **columns.log_number(rows),
        "is_upper": pa.array(log["is_upper"]),
        "is_told_later": pa.array(log["is_told_later"]),
        "opening": texts_of(log["opening"], columns.year.codes),
        "first_closing": texts_of(log["first_closing"], columns.year.codes),
        "closing": texts_of(log["closing"], columns.year.codes),
        "operator": pa.array(call_taker(log["address"])),
        "officer": pa.array(log["address"] % 500 + 1000),
    }
    entry_times = {
        "account_at": log["received"] + 60,
        "update_at": log["received"] + span // 3,
        "later_at": log["received"] + span // 2,
        "arrived_at": log["arrived"],
        "amended_at": np.where(log["opening"] != log["first_closing"], log["closed"] - 60, NEVER),
        "closed_at": log["closed"],
        "reopened_at": np.where(log["reopened"] > 0, log["reopened"], NEVER),
        "reclosed_at": np.where(log["reopened"] > 0, log["reclosed"], NEVER),
    }
    entry_columns |= {
        name: columns.local_times(entry_time) for name, entry_time in entry_times.items()
    }
    for part in (*PARTS, "closing_text", "first_closing_text", "update", "reopening"):
        entry_columns[part] = texts_of(log[part], texts)
    con.register("rows", pa.table(entry_columns))
    _register_references(columns, con, rows)
    # time of the entry, its place among entries of one time, author, kind, and text
    entries = [
        ("account_at", "1", "operator", "FIRST ACCOUNT", FIRST_ACCOUNT),
        ("update_at", "2", "officer", "UPDATE", "update"),
        ("arrived_at", "3", "operator", "SYSTEM", "'UNIT AT SCENE'"),
        ("later_at", "4", "officer", "UPDATE", LATER_ACCOUNT),
        ("amended_at", "5", "operator", "AMENDED", FIRST_AMENDMENT),
        ("closed_at", "6", "officer", "RESULT", "first_closing_text"),
        ("reopened_at", "7", "operator", "REOPENED", "reopening"),
        ("reclosed_at", "8", "officer", "RESULT", LAST_RESULT),
    ]
    parts = [
        f"select day, serial, {moment} as moment, {place} as place, "
        f"cast({author} as varchar) as author, '{kind}' as kind, "
        f"case when is_upper then upper({text}) else {text} end as text "
        f"from rows where {moment} is not null and {text} is not null"
        for moment, place, author, kind, text in entries
    ]
    parts += [
        "select day, serial, moment, 9, 'NICHE', 'CASE REFERENCE', "
        f"'CASE REFERENCE UPDATED TO ' || {columns.occurrence_sql('number')} from case_references",
        "select day, serial, moment, 0, 'SYSTEM', 'CROSS REFERENCE', "
        "'CROSS REFERENCED BY INCIDENT '"
        f" || {columns.log_number_sql('other_day', 'other_serial')} from cross_references",
    ]
    return f"""
    select
        {columns.log_number_sql("day", "serial")} as "Log Number",
        row_number() over (partition by day, serial order by moment, place, text) as "Sequence",
        {stamp_sql("moment")} as "Date Time",
        author as "AuthorId",
        kind as "Event",
        text as "Text"
    from ({" union all ".join(parts)}) order by day, serial, "Sequence" """


def _register_references(
    columns: Columns, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]
) -> None:
    """Register what entries tell of numbers: records written back, and duplicates of a log."""
    logs, records = columns.year.logs, columns.year.records
    inside = np.zeros(len(logs["kind"]), bool)
    inside[rows] = True
    written_at = records["recorded"] + 120
    written_back = np.flatnonzero(
        records["is_written_back"]
        & (written_at < columns.year.as_of)
        & inside[np.maximum(records["log"], 0)]
        & (records["log"] >= 0)
    )
    con.register(
        "case_references",
        pa.table(
            {
                **columns.log_number(records["log"][written_back]),
                "moment": columns.local_times(written_at[written_back]),
                "number": pa.array(records["number"][written_back]),
            }
        ),
    )
    marked = np.flatnonzero((logs["kind"] == DUPLICATE) & ~logs["is_unmarked"])
    crossed = marked[inside[logs["primary"][marked]]]
    other_number = columns.log_number(crossed)
    con.register(
        "cross_references",
        pa.table(
            {
                **columns.log_number(logs["primary"][crossed]),
                "other_day": other_number["day"],
                "other_serial": other_number["serial"],
                "moment": columns.local_times(
                    np.minimum(logs["closed"][crossed], columns.year.as_of - 1)
                ),
            }
        ),
    )
