"""Opens the sources of an agency, and asks each what a run would find: `check-agency --connect`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from cdi.agency.datasets import BY_PEOPLE
from cdi.agency.interval import Interval
from cdi.agency.model import Agency, Source
from cdi.errors import SourceError
from cdi.onboarding.findings import (
    Finding,
    count_rows,
    describe_refused,
    fix_refused,
    judge_refused,
)
from cdi.onboarding.recent import AHEAD_DAYS, choose_recent
from cdi.onboarding.source_codes import check_codes
from cdi.onboarding.source_columns import (
    Columns,
    check_columns,
    describe_unexpected,
    describe_unfit,
    is_time,
    list_missing,
)
from cdi.onboarding.source_content import (
    Loaded,
    check_days_of_keys,
    check_keys,
    check_values,
    list_needed,
    load_rows,
)
from cdi.onboarding.source_times import check_counts, check_times
from cdi.scratch import scratch_folder
from cdi.sources.access import Access, read_access
from cdi.sources.fetch import open_live
from cdi.sources.files import FetchedFile, fetch_files
from cdi.sources.reader import Open, Reader, State, Window
from cdi.sources.spool import spool_window
from cdi.sql import connect

# Errors that a person mends in the connection; all others, in what agency.yaml says of the source.
_OF_CONNECTION = ("SRC-ACCESS", "SRC-CONNECTION", "SRC-KIND")
_ALWAYS = Interval(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


def check_sources(agency: Agency) -> Iterator[Finding]:
    """Open each source of an agency, and answer what a run would ask of it.

    Rows are read into a folder for scratch. Of a live source it reads references, codes and times
    alone; of files, the newest.

    Args:
        agency: The agency.

    Yields:
        An answer to each question, as soon as it is known. What stops one source does not stop the
        others.
    """
    loaded: dict[str, Loaded] = {}
    since = _ALWAYS.start  # a record is looked at if its call may be among those that were read
    with connect() as con:
        for dataset, source in agency.sources.items():
            if dataset in BY_PEOPLE:
                continue
            with scratch_folder() as folder:
                kind = _SourceCheck if source.is_live else _FileCheck
                checker = kind(con, agency, dataset, folder, since)
                try:
                    yield from checker.run()
                except SourceError as error:
                    yield _describe_error(dataset, source, error)
            if checker.loaded and checker.loaded.row_count:  # without rows nothing is to be asked
                loaded[dataset] = checker.loaded
            if dataset == "calls":
                since = checker.start
        yield from check_keys(con, agency, loaded)
        yield from check_codes(con, agency, loaded)


def _describe_error(dataset: str, source: Source, error: SourceError) -> Finding:
    part = "connection" if error.rule_id in _OF_CONNECTION else source.kind
    told = f"{error.message} ({error.rule_id})"
    return Finding("stop", f"sources.{dataset}.{part}", told, error.fix)


class _SourceCheck:
    """The check of one source, if it is live.

    Args:
        con: A DuckDB connection in memory, which gets the table of the dataset.
        agency: The agency.
        dataset: The dataset.
        folder: A folder for the rows.
        since: Older rows are not read.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        agency: Agency,
        dataset: str,
        folder: Path,
        since: datetime,
    ) -> None:
        self.con, self.agency, self.dataset, self.folder = con, agency, dataset, folder
        self.source = agency.sources[dataset]
        self.name = f"{agency.agency}/{dataset}"
        self.moment = self.source.moment(dataset) if self.source.delivery == "days" else None
        self.start = since
        self.loaded: Loaded | None = None

    def run(self) -> Iterator[Finding]:
        """Answer the questions, in the order in which a person would ask them."""
        access = read_access(self.source.connection)
        opened = open_live(self.agency, self.dataset, access)
        with opened() as reader:
            state, present = reader.version(), reader.columns()
            yield _describe_access(self.dataset, self.source, access, state)
            yield from check_columns(self.dataset, self.source, present)
            readable = self._drop_unreadable(present)
            wanted = list_needed(self.dataset, readable)
            problem = self._find_obstacle(present, list(wanted))
            if problem:
                yield problem
                return
            window = Window(_ALWAYS, None, self.agency.timezone)
            if self.moment:
                yield from check_counts(reader, self.agency, self.dataset, state.now)
                window = self._choose_window(reader, state)
            else:
                yield self._describe_whole(reader)
        needed = {name: readable.columns[name] for name in wanted}
        yield from self._look_at_rows(
            opened, window, state, readable.model_copy(update={"columns": needed})
        )

    def _find_obstacle(self, present: Columns, wanted: list[str]) -> Finding | None:
        """Say why no row can be looked at; None if rows can."""
        if self.moment and not (self.moment in present and is_time(present[self.moment])):
            why = f"{self.moment}, which gives the day of a row, cannot be asked"
        elif not wanted:
            why = "none of their columns can be read"
        else:
            return None
        told = f"times, references and codes were not looked at, as {why}"
        return Finding("look", f"sources.{self.dataset}", told, "correct it, and check again")

    def _choose_window(self, reader: Reader, state: State) -> Window:
        recent = choose_recent(reader, self.agency, state.now)
        if self.start < recent.end:
            recent = Interval(max(self.start, recent.start), recent.end)
        self.start = recent.start
        return Window(recent, self.moment, self.agency.timezone)

    def _look_at_rows(
        self, opened: Open, window: Window, state: State, source: Source
    ) -> Iterator[Finding]:
        """Read the newest rows, and answer what they tell of times; keep their other columns.

        Args:
            opened: Opens the source.
            window: Which rows.
            state: What the source said of itself.
            source: The source with the mappings alone that are needed.
        """
        extra = [self.moment, source.rows.source if source.rows else None]
        mapped = [name for mapping in source.columns.values() for name in mapping.sources]
        columns = list(dict.fromkeys([*filter(None, extra), *mapped]))
        spool = spool_window(self.name, opened, window, columns, self.folder)
        if self.moment:
            yield from check_times(self.con, self.agency, self.dataset, spool.file, state)
        file = FetchedFile(self.name, spool.file, "", None)
        self.loaded = load_rows(self.con, self.agency, self.dataset, source, file)
        yield self._describe_read(window, self.loaded.row_count)
        if self.moment and self.loaded.row_count:
            yield from check_days_of_keys(self.con, self.dataset, source)

    def _drop_unreadable(self, present: Columns) -> Source:
        """The source with the mappings alone that can be read, so that the others are asked."""
        missing = list_missing(self.source, present)
        columns = {
            name: mapping
            for name, mapping in self.source.columns.items()
            if name not in missing
            and not any(describe_unfit(present[column]) for column in mapping.sources)
        }
        return self.source.model_copy(update={"columns": columns})

    def _describe_whole(self, reader: Reader) -> Finding:
        count = reader.count(_ALWAYS)
        told = f"a run would read all {count_rows(count)}"
        if count:
            return Finding("fine", f"sources.{self.dataset}.delivery", told)
        fix = "see whether it is the right table, and whether the login sees its rows"
        return Finding("look", f"sources.{self.dataset}.delivery", told, fix)

    def _describe_read(self, window: Window, row_count: int) -> Finding:
        length = len(window.interval.days(self.agency)) - AHEAD_DAYS if self.moment else 0
        days = f" of the last {count_rows(length, 'day')}" if length else ""
        key = f"sources.{self.dataset}"
        if not row_count:
            told = f"there is no row{days}, so references and codes were not looked at"
            fix = "see whether the source still gets rows, and whether the login sees them"
            return Finding("look", key, told, fix)
        told = f"{count_rows(row_count)}{days} were read for the answers about references and codes"
        return Finding("fine", key, told)


class _FileCheck(_SourceCheck):
    """The check of one source of files: its newest file is read whole, as a run would read it."""

    def run(self) -> Iterator[Finding]:
        """Answer the questions that a file answers; a run checks how fresh files are."""
        key = f"sources.{self.dataset}.files"
        root = self.agency.root_of(self.dataset)
        if "://" in root:
            yield Finding("fine", key, "files at another place, which a run fetches and checks")
            return
        end = self.agency.last_moment or datetime.now(UTC)
        # the file of a day comes when the day is over, and yesterday's may not have come yet
        days = Interval(end - timedelta(days=2), end)
        files, _ = fetch_files(self.agency, self.dataset, days, self.folder)
        if not files:  # each is of a day, as in files of weeks, and none of these days has one
            told = "no file is of yesterday or the day before, so none was read; a run reads each"
            yield Finding("fine", key, f"{told} on its day")
            return
        self.loaded = load_rows(self.con, self.agency, self.dataset, self.source, files[-1])
        told = f"{files[-1].name} has all mapped columns, and {count_rows(self.loaded.row_count)}"
        yield Finding("fine", key, f"{told}; a run checks the rest")
        if refused := self.loaded.refused:
            told = f"{files[-1].name}: {describe_refused(refused, self.loaded.row_count)}"
            count = sum(refused.values())
            level = judge_refused(count, count + self.loaded.row_count)
            yield Finding(level, key, told, fix_refused(refused))
        yield from check_values(self.con, self.agency, self.dataset, self.loaded.row_count)
        yield from describe_unexpected(self.dataset, self.loaded.unexpected)


def _describe_access(dataset: str, source: Source, access: Access | None, state: State) -> Finding:
    """Say that a source can be reached, and with what rights."""
    key = f"sources.{dataset}.connection"
    login = f" as {access.login}" if access and access.login else ""
    name = source.connection or "none is needed"
    if state.warning:
        fix = "have the database's owner give a login that may only read these tables or views"
        return Finding("look", key, f"{name}: reached{login}, but {state.warning}", fix)
    rights = ", which may only read" if source.kind == "sql" else ""
    return Finding("fine", key, f"{name}: reached{login}{rights}")
