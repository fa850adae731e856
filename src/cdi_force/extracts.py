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
from numpy.typing import NDArray

from cdi_force.call_extract import select_calls, select_entries
from cdi_force.columns import Columns
from cdi_force.crime_extract import select_crimes
from cdi_force.texts import Bank
from cdi_force.year import Year


class Writer:
    """Writes the files of one year."""

    def __init__(self, year: Year, bank: Bank) -> None:
        """Draw nothing, and write nothing yet.

        Args:
            year: With phrases and details.
            bank: The phrases' variants.
        """
        self.year = year
        self.bank = bank
        self.columns = Columns(year)

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
        is_recorded = (reported >= first) & (records["recorded"] < self.year.as_of)
        log_month, record_month = self._month_of(logs["received"]), self._month_of(reported)
        counts = dict.fromkeys(("calls", "log_actions", "crimes"), 0)
        with duckdb.connect(config={"threads": threads}) as con:
            for month in np.unique(log_month[started]):
                written = self.write_some(
                    con,
                    folder,
                    str(np.datetime64(int(month), "M")),
                    np.flatnonzero(started & (log_month == month)),
                    np.flatnonzero(is_recorded & (record_month == month)),
                )
                counts = {name: counts[name] + written[name] for name in counts}
        return counts

    def show(self, con: duckdb.DuckDBPyConnection, logs: NDArray[np.int64]) -> None:
        """Make temporary tables `shown_calls` and `shown_log_actions`: logs as a screen shows them.

        Args:
            con: Any DuckDB connection.
            logs: Rows of `year.logs`, rising.
        """
        calls, _ = select_calls(self.columns, con, logs)
        con.execute(f"create temp table shown_calls as {calls}")
        entries = select_entries(self.columns, self.bank, con, logs)
        con.execute(f"create temp table shown_log_actions as {entries}")

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

        def write_file(dataset: str, query: str, spoilt: NDArray[Any] | None = None) -> None:
            file = folder / f"{dataset}-{label}.csv.gz"
            written[dataset] = _write_packed(con, query, file, spoilt)

        # Each query reads a registered table `rows`, so one is written before the next is made.
        write_file("calls", *select_calls(self.columns, con, logs))
        write_file("log_actions", select_entries(self.columns, self.bank, con, logs))
        write_file("crimes", *select_crimes(self.columns, con, records))
        return written

    def _month_of(self, moments: NDArray[np.int64]) -> NDArray[np.int64]:
        local = self.year.clock.local(moments).astype("datetime64[s]")
        return np.asarray(local.astype("datetime64[M]").astype(np.int64))


def _write_packed(
    con: duckdb.DuckDBPyConnection, query: str, file: Path, spoilt: NDArray[Any] | None
) -> int:
    """Write a query's result as gzipped CSV, and make the rows to be spoilt unreadable.

    The same rows make the same bytes: DuckDB writes the text, and Python packs it without a time.
    """
    plain = file.with_suffix(".plain")
    written = con.execute(
        f"copy ({query}) to '{plain}' (format csv, delimiter '|', header true)"
    ).fetchall()[0][0]
    content = plain.read_bytes()
    plain.unlink()
    if spoilt is not None and spoilt.any():
        lines = content.split(b"\n")
        for row in np.flatnonzero(np.isin(spoilt, (1, 3))).tolist():
            # rows are in the order of their numbers, as the table's are; line 0 is the header
            lines[row + 1] += b"|" if spoilt[row] == 1 else b" \xa3"
        content = b"\n".join(lines)
    with file.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        packed.write(content)
    return int(written)
