"""Writes a year as source-shaped extracts, month by month: what two systems of a force export.

``calls-<month>.csv.gz``        the command and control system's logs (delimiter ``|``)
``log_actions-<month>.csv.gz``  their timed entries, by author
``crimes-<month>.csv.gz``       the records system's occurrences, by month of report

Each file shows the state at as_of. A row's place in the files depends on its time alone.
"""

import gzip
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cdi_force import names
from cdi_force.closings import RESULTS
from cdi_force.details import NEVER, OUTCOMES, QUALIFIERS
from cdi_force.names import typing_errors
from cdi_force.narrative import PARTS
from cdi_force.texts import Bank
from cdi_force.year import BLANK, CHANNELS, DUPLICATE, MISTYPED, ODD, Table, Year, take_rows

SURNAMES = names.SURNAMES + typing_errors(names.SURNAMES)
ROUTES = ("CALL", "BUREAU", "COUNTER", "ONLINE", "PARTNER", "OFFICER")
DECIDERS = ("DDM", "FCR", "OIC", "SUPERVISOR")
FLAGS = ("", "DA", "HATE", "DA/ALCOHOL", "ALCOHOL", "ONLINE")


def _words(numbers: NDArray[Any], words: tuple[str, ...] | list[str]) -> pa.DictionaryArray:
    """Words by number; a negative number is null."""
    index = pa.array(numbers.astype(np.int32), mask=numbers < 0)
    return pa.DictionaryArray.from_arrays(index, pa.array(list(words)))


class Writer:
    """Writes the files of one year."""

    def __init__(self, year: Year, bank: Bank) -> None:
        """Nothing is drawn here, and nothing written before `write`.

        Args:
            year: With phrases and details.
            bank: The phrases' variants.
        """
        self.year = year
        self.bank = bank
        self.clock = year.clock
        self.force = year.scenario.settings.force

    def write(self, folder: Path, first: int, threads: int = 2) -> dict[str, int]:
        """Write all months from a moment on.

        Args:
            folder: Made if absent.
            first: Seconds since 1970; what was reported before is left out.
            threads: Of DuckDB.

        Returns:
            Rows written, by dataset.
        """
        logs, records = self.year.logs, self.year.records
        started = logs["received"][logs["primary"]] >= first
        reported = np.where(
            records["log"] >= 0, logs["received"][records["log"]], records["reported"]
        )
        seen = (reported >= first) & (records["recorded"] < self.year.as_of)
        log_month, record_month = self._month(logs["received"]), self._month(reported)
        counts = dict.fromkeys(("calls", "log_actions", "crimes"), 0)
        with duckdb.connect(config={"threads": threads}) as con:
            for month in np.unique(log_month[started]):
                written = self.write_some(
                    con, folder, str(np.datetime64(int(month), "M")),
                    np.flatnonzero(started & (log_month == month)),
                    np.flatnonzero(seen & (record_month == month)),
                )  # fmt: skip
                counts = {name: counts[name] + written[name] for name in counts}
        return counts

    def show(self, con: duckdb.DuckDBPyConnection, logs: NDArray[np.int64]) -> None:
        """Make temporary tables `shown_calls` and `shown_log_actions`: logs as a screen shows them.

        Args:
            con: Any DuckDB connection.
            logs: Rows of `year.logs`, rising.
        """
        for dataset, make in (("calls", self._calls), ("log_actions", self._actions)):
            query, _ = make(con, logs)
            con.execute(f"create temp table shown_{dataset} as {query}")

    def write_some(
        self,
        con: duckdb.DuckDBPyConnection,
        folder: Path,
        label: str,
        logs: NDArray[np.int64],
        records: NDArray[np.int64],
    ) -> dict[str, int]:
        """Write some logs, their entries and some records, each to one file.

        Args:
            con: Any DuckDB connection.
            folder: Made if absent.
            label: Of the files.
            logs: Rows of `year.logs`, rising.
            records: Rows of `year.records`, rising.

        Returns:
            Rows written, by dataset.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written = {}
        for dataset, make, rows in (
            ("calls", self._calls, logs),
            ("log_actions", self._actions, logs),
            ("crimes", self._crimes, records),
        ):
            query, broken = make(con, rows)
            written[dataset] = _copy(con, query, folder / f"{dataset}-{label}.csv.gz", broken)
        return written

    def _month(self, moments: NDArray[np.int64]) -> NDArray[np.int64]:
        local = self.clock.local(moments).astype("datetime64[s]")
        return np.asarray(local.astype("datetime64[M]").astype(np.int64))

    def _when(self, moments: NDArray[np.int64]) -> pa.Array:
        """Local wall-clock time; null for what has not happened by as_of."""
        unknown = moments >= self.year.as_of
        local = self.clock.local(np.where(unknown, self.clock.start, moments))
        return pa.array(local.astype("datetime64[s]"), mask=unknown)

    def _person(
        self, ids: NDArray[np.int64], is_known: NDArray[Any], has_error: Any = False
    ) -> dict[str, Any]:
        count = len(names.SURNAMES)
        surname = (ids % 999_983) ** 2 // 999_983 * count // 999_983  # some names are common
        surname = np.minimum(surname, count - 1) + np.where(has_error, count, 0)
        forename = ids // 1_000_003 % len(names.FORENAMES)
        return {
            "surname": _words(np.where(is_known, surname, -1), SURNAMES),
            "forename": _words(np.where(is_known, forename, -1), names.FORENAMES),
        }

    def _birth_day(self, ids: NDArray[np.int64], is_known: NDArray[Any]) -> pa.Array:
        days = (np.datetime64("1935-01-01") + (ids // 7919 % 25_500)).astype("datetime64[D]")
        return pa.array(days, mask=~is_known)

    def _place(self, table: Table) -> dict[str, Any]:
        districts = self.force.districts
        street = table["address"] * 31 % len(names.STREETS)
        return {
            "house": pa.array(table["address"] % 173 + 1),
            "street": _words(street, names.STREETS),
            "town": _words(table["district"].astype(int), [d.name.upper() for d in districts]),
            "sector": pa.array(table["address"] % 9 + 1),
            "unit": pa.array(table["address"] // 9 % 676),
            "district": _words(table["district"].astype(int), [d.code for d in districts]),
            "beat": pa.array(table["beat"] + 1),
            "x": pa.array(table["x"]),
            "y": pa.array(table["y"]),
        }

    def _log_number(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        logs = self.year.logs
        return {
            "day": pa.array(logs["local_day"][rows].astype("datetime64[D]")),
            "serial": pa.array(logs["serial"][rows]),
        }

    def _calls(self, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]) -> tuple[str, Any]:
        logs = self.year.logs
        log = take_rows(logs, rows)
        victim = self._person(log["victim"], log["has_victim"])
        caller = self._person(log["caller"], np.ones(len(rows), bool))
        is_marked = (log["kind"] == DUPLICATE) & ~log["is_unmarked"]
        primary = self._log_number(log["primary"])
        combinations = [
            "/".join(q for bit, q in enumerate(QUALIFIERS) if mask >> bit & 1)
            for mask in range(1 << len(QUALIFIERS))
        ]
        table = pa.table(
            {
                **self._log_number(rows),
                **self._place(log),
                "received": self._when(log["received"]),
                "dispatched": self._when(log["dispatched"]),
                "arrived": self._when(log["arrived"]),
                "closed": self._when(log["seen_closed"]),
                "channel": _words(log["channel"], CHANNELS),
                "grade": pa.array(log["grade"]),
                "opening": _words(log["opening"], self.year.codes),
                "closing": _words(log["seen_closing"], self.year.codes),
                "result": _words(log["seen_result"].astype(int), RESULTS),
                "qualifiers": _words(log["qualifiers"].astype(int), combinations),
                "caller_surname": caller["surname"],
                "caller_forename": caller["forename"],
                "phone": pa.array(log["caller"] % 1_000),  # the range kept for fiction
                "has_phone": pa.array(log["caller"] % 10 < 8),
                "victim_surname": victim["surname"],
                "victim_forename": victim["forename"],
                "birth_day": self._birth_day(
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
            {self._number("day", "serial")} as "Log Number",
            {_stamp("received", "breakage = 2")} as "Received",
            {_stamp("dispatched")} as "Despatched",
            {_stamp("arrived")} as "At Scene",
            {_stamp("closed")} as "Closed",
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
            case when is_marked then {self._number("primary_day", "primary_serial")} end
                as "Cross References",
            {self._occurrence("case_number")} as "Case Reference"
        from rows order by day, serial"""
        return query, log["breakage"]

    def _number(self, day: str, serial: str) -> str:
        prefix = self.force.log_prefix
        return f"'{prefix}-' || strftime({day}, '%Y%m%d') || '-' || printf('%04d', {serial})"

    def _occurrence(self, number: str) -> str:
        """Force, year and serial: eleven digits."""
        return f"'{self.force.occurrence_prefix}' || printf('%09d', {number})"

    def _actions(self, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]) -> tuple[str, Any]:
        """Timed entries of some logs, in the order of their times."""
        logs, texts = self.year.logs, self.bank.texts
        log = take_rows(logs, rows)
        span = log["closed"] - log["received"]
        columns: dict[str, Any] = {
            **self._log_number(rows),
            "is_upper": pa.array(log["is_upper"]),
            "is_told_later": pa.array(log["is_told_later"]),
            "opening": _words(log["opening"], self.year.codes),
            "first_closing": _words(log["first_closing"], self.year.codes),
            "closing": _words(log["closing"], self.year.codes),
            "operator": pa.array(log["address"] % 40 + 100),
            "officer": pa.array(log["address"] % 500 + 1000),
        }
        moments = {
            "account_at": log["received"] + 60,
            "update_at": log["received"] + span // 3,
            "later_at": log["received"] + span // 2,
            "arrived_at": log["arrived"],
            "amended_at": np.where(
                log["opening"] != log["first_closing"], log["closed"] - 60, NEVER
            ),
            "closed_at": log["closed"],
            "reopened_at": np.where(log["reopened"] > 0, log["reopened"], NEVER),
            "reclosed_at": np.where(log["reopened"] > 0, log["reclosed"], NEVER),
        }
        columns |= {name: self._when(at) for name, at in moments.items()}
        for part in (*PARTS, "closing_text", "first_closing_text", "update", "reopening"):
            columns[part] = _words(log[part], texts)
        con.register("rows", pa.table(columns))
        self._register_links(con, rows)
        crimes = "crime_1, also, crime_2, crime_3"
        entries = (
            ("account_at", "1", "operator", "FIRST ACCOUNT",
             "case when is_told_later then opener "
             f"else concat_ws(' ', opener, burial, {crimes}) end"),
            ("update_at", "2", "officer", "UPDATE", "update"),
            ("arrived_at", "3", "operator", "SYSTEM", "'UNIT AT SCENE'"),
            ("later_at", "4", "officer", "UPDATE",
             f"case when is_told_later then concat_ws(' ', burial, {crimes}) end"),
            ("amended_at", "5", "operator", "AMENDED",
             "'CLASSIFICATION AMENDED FROM ' || opening || ' TO ' || first_closing"),
            ("closed_at", "6", "officer", "RESULT", "first_closing_text"),
            ("reopened_at", "7", "operator", "REOPENED", "reopening"),
            ("reclosed_at", "8", "officer", "RESULT",
             "'CLASSIFICATION AMENDED TO ' || closing || ' ' || closing_text"),
        )  # fmt: skip
        parts = [
            f"select day, serial, {at} as moment, {place} as place, "
            f"cast({author} as varchar) as author, '{kind}' as kind, "
            f"case when is_upper then upper({text}) else {text} end as text "
            f"from rows where {at} is not null and {text} is not null"
            for at, place, author, kind, text in entries
        ]
        parts += [
            "select day, serial, moment, 9, 'NICHE', 'CASE REFERENCE', "
            f"'CASE REFERENCE UPDATED TO ' || {self._occurrence('number')} from case_references",
            "select day, serial, moment, 0, 'SYSTEM', 'CROSS REFERENCE', "
            "'CROSS REFERENCED BY INCIDENT '"
            f" || {self._number('other_day', 'other_serial')} from cross_references",
        ]
        query = f"""
        select
            {self._number("day", "serial")} as "Log Number",
            row_number() over (partition by day, serial order by moment, place, text) as "Sequence",
            {_stamp("moment")} as "Date Time",
            author as "AuthorId",
            kind as "Event",
            text as "Text"
        from ({" union all ".join(parts)}) order by day, serial, "Sequence" """
        return query, None

    def _register_links(self, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]) -> None:
        logs, records = self.year.logs, self.year.records
        inside = np.zeros(len(logs["kind"]), bool)
        inside[rows] = True
        at = records["recorded"] + 120
        back = np.flatnonzero(
            records["is_written_back"] & (at < self.year.as_of)
            & inside[np.maximum(records["log"], 0)] & (records["log"] >= 0)
        )  # fmt: skip
        con.register("case_references", pa.table({
            **self._log_number(records["log"][back]),
            "moment": self._when(at[back]),
            "number": pa.array(records["number"][back]),
        }))  # fmt: skip
        marked = np.flatnonzero((logs["kind"] == DUPLICATE) & ~logs["is_unmarked"])
        crossed = marked[inside[logs["primary"][marked]]]
        other = self._log_number(crossed)
        con.register("cross_references", pa.table({
            **self._log_number(logs["primary"][crossed]),
            "other_day": other["day"],
            "other_serial": other["serial"],
            "moment": self._when(np.minimum(logs["closed"][crossed], self.year.as_of - 1)),
        }))  # fmt: skip

    def _crimes(self, con: duckdb.DuckDBPyConnection, rows: NDArray[Any]) -> tuple[str, Any]:
        s = self.year.scenario.settings
        record = take_rows(self.year.records, rows)
        victim = self._person(record["victim"], record["has_victim"], record["has_error"])
        target = np.maximum(record["target"], 0)
        day, serial = self._typed(target, record)
        previous = [o.offence_class for o in s.offences]
        new = [o.offence_class for o in s.offences]
        old = [o.class_before_april_2017 or o.offence_class for o in s.offences]
        is_new = self.clock.local(record["recorded"]).astype("datetime64[s]") >= np.datetime64(
            "2017-04-01"
        )
        offence = record["offence"]
        has_reference = (record["target"] >= 0) & (record["form"] != BLANK)
        hidden = record["cancelled"] >= self.year.as_of
        cancel = np.where(hidden, -1, record["cancel_code"])
        none = np.full(len(rows), -1)
        table = pa.table(
            {
                **self._place(record),
                "number": pa.array(record["number"]),
                "kind": _words(record["type"].astype(int), ("CRIME", "NON-CRIME", "N100")),
                "day": pa.array(day.astype("datetime64[D]")),
                "serial": pa.array(serial),
                "form": pa.array(np.where(
                    has_reference, np.where(record["form"] == ODD, record["odd"], 9), -1)),
                "route": _words(record["route"], ROUTES),
                "reported": self._when(record["reported"]),
                "recorded": self._when(record["recorded"]),
                "occurred": self._when(record["occurred"]),
                "code": _words(offence.astype(int), [o.code for o in s.offences]),
                "class": _words(
                    np.where(offence < 0, -1, offence + np.where(is_new, 0, len(new))), new + old
                ),
                "previous": _words(record["previous"], previous),
                "reclassified": self._when(record["reclassified"]),
                "victim_surname": victim["surname"],
                "victim_forename": victim["forename"],
                "birth_day": self._birth_day(record["victim"], record["has_victim"]),
                "outcome": _words(record["outcome"], OUTCOMES),
                "cancel_code": _words(
                    np.where(cancel > 0, cancel - 1, -1), ("C1", "C2", "C3", "C4", "C5")
                ),
                "cancelled": self._when(record["cancelled"]),
                "decider": _words(np.where(cancel > 0, record["decider"], none), DECIDERS),
                "told": self._when(np.where(cancel > 0, record["told"], NEVER)),
                "other_force": pa.array(record["other_force"],
                                        mask=(record["other_force"] < 0) | (cancel <= 0)),
                "survivor": pa.array(record["survivor"],
                                     mask=(record["survivor"] < 0) | (cancel <= 0)),
                "flag": _words(record["flag"], FLAGS),
                "is_typed_anew": pa.array(record["is_typed_anew"]),
                "is_slipped": pa.array(record["is_slipped"]),
                "next_street": _words(
                    np.where(record["is_junction"],
                             (record["address"] * 31 + 1) % len(names.STREETS), -1),
                    names.STREETS),
                "has_postcode": pa.array(record["has_postcode"]),
                "has_town": pa.array(record["has_town"]),
                "flat": pa.array(record["flat"]),
                "breakage": pa.array(record["breakage"]),
            }
        )  # fmt: skip
        con.register("rows", table)
        prefix = self.force.log_prefix
        reference = f"""case form
            when 9 then {self._number("day", "serial")}
            when 0 then lower('{prefix}') || strftime(day, ' %Y%m%d ') || printf('%04d', serial)
            when 1 then strftime(day, '%Y%m%d-') || printf('%04d', serial)
            when 2 then '{prefix}/' || strftime(day, '%y%m%d/') || printf('%04d', serial)
            when 3 then 'LOG ' || serial || strftime(day, ' OF %d/%m/%Y')
            when 4 then '{prefix}' || strftime(day, '%Y%m%d') || printf('%04d', serial)
            when 5 then '{prefix}-' || strftime(day, '%Y%m%d-') || serial end"""
        query = f"""
        select
            {self._occurrence("number")} as "Occurrence Number",
            kind as "Occurrence Type",
            {reference} as "Log Reference",
            route as "How Reported",
            {_stamp("reported", "breakage = 2")} as "Reported",
            {_stamp("recorded")} as "Created",
            coalesce(cast(code as varchar), case kind when 'N100' then '100/02' else 'NC/01' end)
                as "HO Code",
            class as "HO Class",
            {_stamp("occurred")} as "Offence From",
            {_stamp("reported")} as "Offence To",
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
            {_stamp("reclassified")} as "Reclassified",
            cancel_code as "Cancellation Code",
            {_stamp("cancelled")} as "Cancelled",
            decider as "Cancelled By",
            {_stamp("told")} as "Victim Told",
            case when other_force is not null then printf('F%02d/', other_force) || number end
                as "Other Force Reference",
            {self._occurrence("survivor")} as "Surviving Occurrence",
            nullif(cast(flag as varchar), '') as "Flags"
        from rows order by number"""
        return query, record["breakage"]

    def _typed(self, target: NDArray[Any], record: Table) -> tuple[NDArray[Any], NDArray[Any]]:
        """Day and serial as they were typed: a slip usually hits another valid log."""
        logs = self.year.logs
        day, serial = logs["local_day"][target], logs["serial"][target]
        slipped = record["form"] == MISTYPED
        last = serial % 10 * 10 + serial // 10 % 10 + serial // 100 * 100
        last = np.where(last == serial, serial + 1, last)
        ways = [last, serial, serial + 10, serial + 100]
        new = np.select([record["slip"] == way for way in range(4)], ways)
        new = np.where(new == 0, 1, new)
        moved = np.where(record["slip"] == 1, day + 1, day)
        return np.where(slipped, moved, day), np.where(slipped, new, serial)


POSTCODE = (
    "'NM' || sector || ' ' || (unit % 9 + 1) || "
    "chr(cast(65 + unit // 26 % 26 as integer)) || chr(cast(65 + unit % 26 as integer))"
)
ADDRESS = f"house || ' ' || street || ', ' || town || ', ' || {POSTCODE}"
# as another clerk types it: two letters of the name swapped, words cut short, parts left out
_SLIPPED = "street[1] || street[3] || street[2] || street[4:]"
_SHORT = f"case when is_slipped then {_SLIPPED} else street end"
for _word, _cut in (("ROAD", "RD"), ("STREET", "ST"), ("LANE", "LN"), ("AVENUE", "AVE"),
                    ("CLOSE", "CL"), ("DRIVE", "DR")):  # fmt: skip
    _SHORT = f"replace({_SHORT}, ' {_word}', ' {_cut}')"
TYPED_ADDRESS = f"""case when not is_typed_anew then {ADDRESS} else concat_ws(', ',
    case when flat > 0 then 'FLAT ' || flat end,
    case when next_street is null then house || ' ' || {_SHORT}
        else next_street || ' / ' || {_SHORT} end,
    case when has_town then town end,
    case when has_postcode then {POSTCODE} end) end"""


def _stamp(column: str, is_broken: str | None = None) -> str:
    text = f"strftime({column}, '%d/%m/%Y %H:%M:%S')"
    return (
        f"case when {is_broken} then '31/02/' || {text}[7:] else {text} end" if is_broken else text
    )


def _copy(
    con: duckdb.DuckDBPyConnection, query: str, file: Path, broken: NDArray[Any] | None
) -> int:
    """Write a query as gzipped CSV, the same bytes for the same rows; spoil the broken rows."""
    plain = file.with_suffix(".plain")
    written = con.execute(
        f"copy ({query}) to '{plain}' (format csv, delimiter '|', header true)"
    ).fetchall()[0][0]
    content = plain.read_bytes()
    plain.unlink()
    if broken is not None and broken.any():
        lines = content.split(b"\n")
        for row in np.flatnonzero(np.isin(broken, (1, 3))).tolist():
            # rows are in the order of their numbers, as the table's are; line 0 is the header
            lines[row + 1] += b"|" if broken[row] == 1 else b" \xa3"
        content = b"\n".join(lines)
    with file.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        packed.write(content)
    return int(written)
