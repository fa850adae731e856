"""The extract of the records system: its occurrences, and how they name their logs."""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi_force import names
from cdi_force.columns import TYPED_ADDRESS, Columns, stamp_sql, texts_of
from cdi_force.details import NEVER, OUTCOMES
from cdi_force.year import BLANK, MISTYPED, ODD, Table, take_rows

ROUTES = ("CALL", "BUREAU", "COUNTER", "ONLINE", "PARTNER", "OFFICER")
DECIDERS = ("DDM", "FCR", "OIC", "SUPERVISOR")
FLAGS = ("", "DA", "HATE", "DA/ALCOHOL", "ALCOHOL", "ONLINE")


def select_crimes(
    columns: Columns, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]
) -> tuple[str, NDArray[Any]]:
    """Register some records, and give the query that shows them as the system exports them.

    What happens to a record after as_of (a cancellation, say) is not shown.

    Args:
        columns: Of the year.
        con: Where the table `rows` is registered.
        rows: Rows of `year.records`, rising.

    Returns:
        The query, and for each row of its result how it is to be spoilt (`details`: breakage).
    """
    offences = columns.year.scenario.settings.offences
    record = take_rows(columns.year.records, rows)
    victim = columns.person_names(record["victim"], record["has_victim"], record["has_error"])
    target = np.maximum(record["target"], 0)
    day, serial = _mistype_numbers(columns, target, record)
    previous = [o.offence_class for o in offences]
    classes = [o.offence_class for o in offences]
    classes_before_april_2017 = [o.class_before_april_2017 or o.offence_class for o in offences]
    has_new_class = columns.clock.local(record["recorded"]).astype(
        "datetime64[s]"
    ) >= np.datetime64("2017-04-01")
    offence = record["offence"]
    has_reference = (record["target"] >= 0) & (record["form"] != BLANK)
    hidden = record["cancelled"] >= columns.year.as_of
    cancel = np.where(hidden, -1, record["cancel_code"])
    none = np.full(len(rows), -1)
    shift = columns.year.scenario.settings.hardness.records_clock_minutes * 60
    table = pa.table(
        {
            **columns.place_columns(record),
            "number": pa.array(record["number"]),
            "kind": texts_of(record["type"].astype(int), ("CRIME", "NON-CRIME", "N100")),
            "day": pa.array(day.astype("datetime64[D]")),
            "serial": pa.array(serial),
            "form": pa.array(
                np.where(has_reference, np.where(record["form"] == ODD, record["odd"], 9), -1)
            ),
            "route": texts_of(record["route"], ROUTES),
            "reported": columns.local_times(record["reported"], shift),
            "recorded": columns.local_times(record["recorded"], shift),
            "occurred": columns.local_times(record["occurred"], shift),
            "code": texts_of(offence.astype(int), [o.code for o in offences]),
            "class": texts_of(
                np.where(offence < 0, -1, offence + np.where(has_new_class, 0, len(classes))),
                classes + classes_before_april_2017,
            ),
            "previous": texts_of(record["previous"], previous),
            "reclassified": columns.local_times(record["reclassified"], shift),
            "victim_surname": victim["surname"],
            "victim_forename": victim["forename"],
            "birth_day": columns.birth_day(
                record["victim"], record["has_victim"] & record["has_birth_date"]
            ),
            "outcome": texts_of(record["outcome"], OUTCOMES),
            "cancel_code": texts_of(
                np.where(cancel > 0, cancel - 1, -1), ("C1", "C2", "C3", "C4", "C5")
            ),
            "cancelled": columns.local_times(record["cancelled"], shift),
            "decider": texts_of(np.where(cancel > 0, record["decider"], none), DECIDERS),
            "told": columns.local_times(np.where(cancel > 0, record["told"], NEVER), shift),
            "other_force": pa.array(
                record["other_force"], mask=(record["other_force"] < 0) | (cancel <= 0)
            ),
            "survivor": pa.array(record["survivor"], mask=(record["survivor"] < 0) | (cancel <= 0)),
            "flag": texts_of(record["flag"], FLAGS),
            "is_typed_anew": pa.array(record["is_typed_anew"]),
            "is_slipped": pa.array(record["is_slipped"]),
            "next_street": texts_of(
                np.where(
                    record["is_junction"], (record["address"] * 31 + 1) % len(names.STREETS), -1
                ),
                names.STREETS,
            ),
            "has_postcode": pa.array(record["has_postcode"]),
            "has_town": pa.array(record["has_town"]),
            "has_number": pa.array(record["has_number"]),
            "flat": pa.array(record["flat"]),
            "breakage": pa.array(record["breakage"]),
        }
    )
    con.register("rows", table)
    prefix = columns.force.log_prefix
    reference = f"""case form
        when 9 then {columns.log_number_sql("day", "serial")}
        when 0 then lower('{prefix}') || strftime(day, ' %Y%m%d ') || printf('%04d', serial)
        when 1 then strftime(day, '%Y%m%d-') || printf('%04d', serial)
        when 2 then '{prefix}/' || strftime(day, '%y%m%d/') || printf('%04d', serial)
        when 3 then 'LOG ' || serial || strftime(day, ' OF %d/%m/%Y')
        when 4 then '{prefix}' || strftime(day, '%Y%m%d') || printf('%04d', serial)
        when 5 then '{prefix}-' || strftime(day, '%Y%m%d-') || serial end"""
    query = f"""
    select
        {columns.occurrence_sql("number")} as "Occurrence Number",
        kind as "Occurrence Type",
        {reference} as "Log Reference",
        route as "How Reported",
        {stamp_sql("reported", "breakage = 2")} as "Reported",
        {stamp_sql("recorded")} as "Created",
        coalesce(cast(code as varchar), case kind when 'N100' then '100/02' else 'NC/01' end)
            as "HO Code",
        class as "HO Class",
        {stamp_sql("occurred")} as "Offence From",
        {stamp_sql("reported")} as "Offence To",
        {TYPED_ADDRESS} as "Address",
        nullif(x, 0) as "Easting",
        nullif(y, 0) as "Northing",
        district as "District",
        district || beat as "Beat",
        victim_surname as "Victim Surname",
        victim_forename as "Victim Forename",
        strftime(birth_day, '%d-%b-%Y') as "Victim DOB",
        case when cancel_code is null then 'LIVE' else 'CANCELLED' end as "Status",
        nullif(cast(outcome as varchar), '') as "Outcome",
        case when reclassified is not null then previous end as "Previous Class",
        {stamp_sql("reclassified")} as "Reclassified",
        cancel_code as "Cancellation Code",
        {stamp_sql("cancelled")} as "Cancelled",
        decider as "Cancelled By",
        {stamp_sql("told")} as "Victim Told",
        case when other_force is not null then printf('F%02d/', other_force) || number end
            as "Other Force Reference",
        {columns.occurrence_sql("survivor")} as "Surviving Occurrence",
        nullif(cast(flag as varchar), '') as "Flags"
    from rows order by number"""
    return query, record["breakage"]


def _mistype_numbers(
    columns: Columns, target: NDArray[Any], record: Table
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Day and serial number of each named log as they were typed.

    Numbers are dense, so a slip usually hits another log that exists: for whoever joins by number
    alone, the crime is then recorded for the wrong call.
    """
    logs = columns.year.logs
    day, serial = logs["local_day"][target], logs["serial"][target]
    slipped = record["form"] == MISTYPED
    last = serial % 10 * 10 + serial // 10 % 10 + serial // 100 * 100
    last = np.where(last == serial, serial + 1, last)
    ways = [last, serial, serial + 10, serial + 100]
    mistyped_serial = np.select([record["slip"] == way for way in range(4)], ways)
    mistyped_serial = np.where(mistyped_serial == 0, 1, mistyped_serial)
    mistyped_day = np.where(record["slip"] == 1, day + 1, day)
    return np.where(slipped, mistyped_day, day), np.where(slipped, mistyped_serial, serial)
