"""Portals as sources, on a server that misbehaves: each fault that was seen, planted."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from cdi.agency.interval import Interval
from cdi.errors import SourceError
from cdi.sources.access import Access
from cdi.sources.arcgis import Layer, open_arcgis
from cdi.sources.ckan import open_ckan
from cdi.sources.days import list_days
from cdi.sources.http import Patience
from cdi.sources.opendatasoft import open_opendatasoft
from cdi.sources.reader import ROW_ID, SourceBusyError, State, Window
from cdi.sources.socrata import open_socrata
from cdi.sources.spool import READINGS, Spool, spool_window
from cdi.steps.extract import check_landing, extract
from tests import faulty_server
from tests.conftest import SmallAgency
from tests.faulty_server import DATASET, NOW, Fault, Handler, Portal, Row, open_portal

TOKEN = "a planted token/with=signs"
ZONE = "Europe/London"
# the two days around the end of summer time: 25 October 2026 has 25 hours
DAYS = [date(2026, 10, 24), date(2026, 10, 25)]
WINDOW = Window(
    Interval(datetime(2026, 10, 23, 23, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)),
    "received",
    ZONE,
)
COLUMNS = ["number", "received", "text"]
TEN = datetime(2026, 10, 24, 10)
ALL = ["socrata", "arcgis", "ckan", "ckan_search", "opendatasoft"]
PAGED = ["socrata", "arcgis", "ckan", "ckan_search"]
MAP_SERVER = "arcgis/rest/services/PublicSafety/MapServer"


class Source:
    """A portal, and what reads it."""

    def __init__(self, kind: str, portal: Portal) -> None:
        """Prepare the portal for a kind of API."""
        self.kind, self.portal = kind, portal
        portal.has_sql = kind != "ckan_search"
        self.waits: list[float] = []
        self.options: dict[str, Any] = {}
        if kind != "opendatasoft":
            self.options["page_rows"] = 100
        self.attempts, self.timeout = 3, 60.0
        self.sleep: Callable[[float], None] = self.waits.append
        self.layers: list[Layer] | None = None
        self.access = Access("http", password=TOKEN, connection="city_portal")

    def add(self, *times: datetime, text: str | None = "text") -> None:
        """Add rows."""
        for time in times:
            self.portal.rows.append(make_row(len(self.portal.rows) + 1, time, text))

    def fill(self, count: int) -> None:
        """Add rows of one day, a second apart."""
        self.add(*(TEN + timedelta(seconds=number) for number in range(count)))

    def open(self) -> Any:
        """Open it as a source."""
        patience = Patience(self.attempts, 0.001, 300, self.timeout, 1 << 20, 1 << 22, self.sleep)
        address = self.portal.address
        layers = self.layers or [Layer(f"{address}/{MAP_SERVER}/0")]
        opened, place = {
            "socrata": (open_socrata, (address, DATASET)),
            "arcgis": (open_arcgis, (layers,)),
            "ckan": (open_ckan, (address, DATASET)),
            "ckan_search": (open_ckan, (address, DATASET)),
            "opendatasoft": (open_opendatasoft, (address, "calls")),
        }[self.kind]
        return opened(
            self.access, "city/calls", *place, "received", ZONE, patience=patience, **self.options
        )

    def read(self, folder: Path, columns: list[str] = COLUMNS, window: Window = WINDOW) -> Spool:
        """Read the window."""
        return spool_window("city/calls", self.open, window, columns, folder)

    def fail(self, folder: Path, rule: str, columns: list[str] = COLUMNS) -> SourceError:
        """Read the window, which must fail under this rule."""
        with pytest.raises(SourceError) as caught:
            self.read(folder, columns)
        assert caught.value.rule_id == rule, caught.value
        assert TOKEN not in str(caught.value)
        return caught.value


def make_row(number: int, received: datetime | None, text: str | None = "text") -> Row:
    return {
        "_id": number, "number": str(number), "received": received, "text": text, "race": "secret",
    }  # fmt: skip


@pytest.fixture
def new_source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Source]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with contextlib.ExitStack() as stack:

        def new(kind: str) -> Source:
            moment = "moment" if kind in ("arcgis", "opendatasoft") else "local"
            columns = {"number": "text", "received": moment, "text": "text", "race": "text"}
            return Source(kind, stack.enter_context(open_portal(columns)))

        yield new


New = Callable[[str], Source]
each_kind = pytest.mark.parametrize("kind", ALL)
each_paged = pytest.mark.parametrize("kind", PAGED)


def numbers(spool: Spool) -> list[int]:
    if not spool.row_count:
        return []
    rows = duckdb.sql(f"select cast(number as integer) from '{spool.file}' order by 1").fetchall()
    return [number for (number,) in rows]


# What every kind does when nothing goes wrong


@each_kind
def test_all_rows_of_the_window_come_and_mapped_columns_alone(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.fill(250)
    source.add(TEN - timedelta(days=2), TEN + timedelta(days=2))
    spool = source.read(tmp_path)
    assert numbers(spool) == list(range(1, 251))
    assert (spool.row_count, spool.now, spool.unexpected) == (250, NOW, ("race",))
    assert duckdb.sql(f"from '{spool.file}'").columns == COLUMNS
    assert {question.headers["Cache-Control"] for question in source.portal.asked} == {"no-cache"}
    asked = [str(question.parameters) for question in source.portal.asked]
    assert not [question for question in asked if "race" in question or "*" in question.replace(
        "count(*)", "")]  # fmt: skip


@each_kind
def test_a_day_is_a_local_day_whatever_the_clock_did(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    local = ["2026-10-23 23:59:59", "2026-10-24 00:00", "2026-10-25 01:30", "2026-10-25 01:30",
             "2026-10-25 23:59:59", "2026-10-26 00:00"]  # fmt: skip
    moments = ["2026-10-23 22:59:59", "2026-10-23 23:00", "2026-10-25 00:30", "2026-10-25 01:30",
               "2026-10-25 23:59:59", "2026-10-26 00:00"]  # fmt: skip
    is_moment = source.portal.columns["received"] == "moment"
    source.add(*(datetime.fromisoformat(time) for time in (moments if is_moment else local)))
    source.portal.rows.append(make_row(7, None))
    spool = source.read(tmp_path)
    assert numbers(spool) == [2, 3, 4, 5]
    assert spool.undated == (0 if source.kind == "ckan_search" else 1)
    days = list_days(spool, WINDOW, DAYS, b"key")
    assert [(day.name, day.row_count) for day in days] == [(str(DAYS[0]), 1), (str(DAYS[1]), 3)]


@pytest.mark.parametrize("kind", ["socrata", "ckan", "ckan_search"])
def test_moments_are_asked_for_in_utc(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.portal.columns["received"] = "moment"
    source.add(datetime(2026, 10, 23, 22, 59, 59), datetime(2026, 10, 23, 23))
    assert numbers(source.read(tmp_path)) == [2]


def test_numbers_are_not_rounded(new_source: New, tmp_path: Path) -> None:
    source = new_source("arcgis")
    source.portal.columns["text"] = "number"
    source.add(TEN)
    body = (
        b'{"features": [{"attributes": {"OBJECTID": 1, "number": "1", "received": 1792836000000, '
        b'"text": 0.12345678901234567890}}]}'
    )

    def answer(handler: Handler) -> bool:
        handler.send(200, body)
        return True

    source.portal.faults = [None] * 4 + [answer]
    spool = source.read(tmp_path)
    ((number,),) = duckdb.sql(f"select text from '{spool.file}'").fetchall()
    assert number == "0.12345678901234567890"


def test_json_that_an_old_arcgis_calls_plain_text_is_read(new_source: New, tmp_path: Path) -> None:
    source = new_source("arcgis")
    source.portal.content_type = "text/plain;charset=utf-8"
    source.fill(3)
    assert source.read(tmp_path).row_count == 3


# The faults H1 to H19


@pytest.mark.parametrize("kind", ["socrata", "arcgis", "ckan"])
def test_h1_pages_without_an_order_are_noticed(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.fill(230)
    source.portal.has_order = False
    error = source.fail(tmp_path, "SRC-TWICE")
    assert not isinstance(error, SourceBusyError)


def test_h1_a_search_without_an_order_is_noticed(new_source: New, tmp_path: Path) -> None:
    """Paged by number of rows: rows come twice and rows are lost, and the count is right."""
    source = new_source("ckan_search")
    source.fill(230)
    source.portal.has_order = False
    source.fail(tmp_path, "SRC-ORDER")


class FakeReader:
    """A source that says that it has two rows, and gives others."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Keep what it gives."""
        self.batches = batches

    def columns(self) -> dict[str, pa.DataType]:
        """Two columns."""
        return {"number": pa.string(), "received": pa.timestamp("us")}

    def version(self) -> State:
        """Always the same."""
        return State("", NOW)

    def count(self, window: Interval) -> int:
        """Always two."""
        return 2

    def count_undated(self) -> int:
        """None."""
        return 0

    def rows(self, window: Interval, columns: Any) -> Iterator[pa.RecordBatch]:
        """What it gives."""
        return self.batches


def fake_batch(*ids: str, received: datetime = TEN) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"number": list(ids), "received": [received] * len(ids), ROW_ID: list(ids)},
        schema=pa.schema(
            [("number", pa.string()), ("received", pa.timestamp("us")), (ROW_ID, pa.string())]
        ),
    )


def fail_fake(folder: Path, *batches: pa.RecordBatch) -> SourceError:
    def opened() -> Any:
        return contextlib.nullcontext(FakeReader(iter(batches)))

    with pytest.raises(SourceError) as caught:
        spool_window("fake", opened, WINDOW, ["number", "received"], folder)
    return caught.value


def test_h1_a_row_twice_and_another_lost_is_noticed_though_the_count_is_right(
    tmp_path: Path,
) -> None:
    error = fail_fake(tmp_path, fake_batch("1"), fake_batch("1"))
    assert error.rule_id == "SRC-TWICE"
    assert "1 of 2 rows twice" in str(error)


def test_h1_rows_without_end_come_to_an_end(tmp_path: Path) -> None:
    given = []

    def give() -> Iterator[pa.RecordBatch]:
        for number in range(1000):
            given.append(number)
            yield fake_batch("1")

    with pytest.raises(SourceError, match="SRC-TWICE"):
        spool_window(
            "fake",
            lambda: contextlib.nullcontext(FakeReader(give())),
            WINDOW,
            ["number", "received"],
            tmp_path,
        )
    assert given == [0, 1, 2] * READINGS  # one more than it counted


@pytest.mark.parametrize(("seconds", "is_inside"), [(-1, False), (0, True), (86399, True)])
def test_a_row_of_another_day_is_noticed(tmp_path: Path, seconds: int, is_inside: bool) -> None:
    """The day is the agency's: in New York it begins four hours after it began in UTC."""
    day = datetime(2026, 10, 24)
    start = day.replace(tzinfo=UTC) + timedelta(hours=4)
    window = Window(Interval(start, start + timedelta(days=1)), "received", "America/New_York")
    batch = fake_batch("1", "2", received=day + timedelta(seconds=seconds))
    expected = (
        contextlib.nullcontext() if is_inside else pytest.raises(SourceError, match="SRC-WINDOW")
    )
    with expected:
        spool_window(
            "fake",
            lambda: contextlib.nullcontext(FakeReader(iter([batch]))),
            window,
            ["number", "received"],
            tmp_path,
        )


@each_paged
def test_h2_rows_of_one_time_come_all_and_once(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.add(*[TEN] * 250)
    assert numbers(source.read(tmp_path)) == list(range(1, 251))


def change_once(source: Source, change: Callable[[], None]) -> None:
    """Change the portal after its first page of rows."""

    def change_and_stop() -> None:
        source.portal.on_page = lambda: None
        change()

    source.portal.on_page = change_and_stop


@each_kind
@pytest.mark.parametrize("change", ["insert", "delete", "move"])
def test_h3_a_change_while_it_is_paged_is_read_again(
    new_source: New, tmp_path: Path, kind: str, change: str
) -> None:
    source = new_source(kind)
    source.fill(250)

    def spoil() -> None:
        rows = source.portal.rows
        if change == "insert":
            source.add(TEN)
        else:
            row = rows.pop(10)
        if change == "move":  # a row is written anew, and so gets another place
            rows.append(row | {"_id": 251})
        source.portal.edit()

    change_once(source, spoil)
    spool = source.read(tmp_path)
    now = sorted(int(row["number"]) for row in source.portal.rows)
    assert (numbers(spool), spool.row_count) == (now, len(now))


@each_paged
def test_h3_a_change_after_the_last_page_is_read_again_though_the_counts_agree(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    """One row goes after it was read and another comes; the portal notes no edit itself.

    Socrata always notes it; the others are known by their newest row.
    """
    source = new_source(kind)
    source.fill(250)
    if kind != "socrata":
        source.portal.edited = None
    pages = itertools.count(1)
    # three pages and an empty one; a search is paged for the count as well
    last = 8 if kind == "ckan_search" else 4

    def spoil() -> None:
        if next(pages) == last:
            source.portal.rows.pop(10)
            source.portal.rows.append(make_row(1000, TEN))
            if kind == "socrata":
                source.portal.edit()

    source.portal.on_page = spoil
    assert numbers(source.read(tmp_path)) == sorted({*range(1, 251), 1000} - {11})


def test_h3_a_search_that_ends_too_early_gives_nothing(new_source: New, tmp_path: Path) -> None:
    """The rows counted and the rows read would agree, as both are of the same pages."""
    source = new_source("ckan_search")
    source.fill(250)
    source.portal.row_limit = 200
    source.fail(tmp_path, "SRC-MOVED")


@each_kind
def test_h3_a_portal_that_never_stands_still_gives_nothing(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.fill(250)

    def spoil() -> None:
        source.portal.edit()
        source.portal.rows.pop()

    source.portal.on_page = spoil
    error = source.fail(tmp_path, "SRC-MOVED")
    assert isinstance(error, SourceBusyError)
    assert f"{READINGS} times in turn" in str(error)


@each_paged
def test_h4_pages_shorter_than_asked_are_not_the_last(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.fill(250)
    source.portal.page_limit = 70
    assert numbers(source.read(tmp_path)) == list(range(1, 251))


@each_kind
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200])
def test_h5_the_last_page_may_be_full_or_empty(
    new_source: New, tmp_path: Path, kind: str, count: int
) -> None:
    source = new_source(kind)
    source.fill(count)
    spool = source.read(tmp_path)
    assert numbers(spool) == list(range(1, count + 1))
    assert sum(day.row_count for day in list_days(spool, WINDOW, DAYS, b"key")) == count


@each_paged
@pytest.mark.parametrize("count", [50, 250])
def test_h6_a_portal_that_ignores_the_place_in_the_pages_is_left(
    new_source: New, tmp_path: Path, kind: str, count: int
) -> None:
    source = new_source(kind)
    source.fill(count)
    source.portal.knows_place = False
    error = source.fail(tmp_path, "SRC-ORDER")
    assert "the same page came again" in str(error)


def test_h7_more_rows_than_an_offset_may_have_are_asked_for_without_one(
    new_source: New, tmp_path: Path
) -> None:
    source = new_source("opendatasoft")
    source.fill(10_050)
    assert source.read(tmp_path).row_count == 10_050
    for question in source.portal.asked:
        assert "offset" not in question.parameters
        assert int(question.parameters.get("limit", 0)) == 0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("arcgis", {"error": {"code": 400, "message": "Invalid field", "details": ["racee"]}}),
        ("ckan", {"success": False, "error": {"__type": "x", "message": "Invalid field"}}),
        ("opendatasoft", {"error_code": "ODSQLError", "message": "Invalid field"}),
        ("socrata", {"code": "query.soql", "error": True, "message": "Invalid field"}),
    ],
)
def test_h8_an_error_in_the_body_of_a_success_is_an_error(
    new_source: New, tmp_path: Path, kind: str, body: Row
) -> None:
    source = new_source(kind)
    source.portal.always = faulty_server.say(body)
    error = source.fail(tmp_path, "SRC-HTTP")
    assert "Invalid field" in str(error)
    assert not isinstance(error, SourceBusyError)
    assert len(source.portal.asked) == 1


def test_h8_an_error_in_place_of_an_export_is_no_row(new_source: New, tmp_path: Path) -> None:
    source = new_source("opendatasoft")
    source.fill(1)
    source.portal.faults = [None] * 4 + [faulty_server.say({"error_code": "x", "message": "y"})]
    source.fail(tmp_path, "SRC-WINDOW")


def test_h8_a_busy_arcgis_that_says_so_in_a_success_is_asked_again(
    new_source: New, tmp_path: Path
) -> None:
    source = new_source("arcgis")
    source.fill(3)
    source.portal.faults = [faulty_server.say({"error": {"code": 504, "message": "Timed out"}})]
    assert numbers(source.read(tmp_path)) == [1, 2, 3]


@each_kind
def test_h8_a_page_of_html_is_no_answer(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.fill(3)
    source.portal.faults = [faulty_server.show_page_of_proxy] * 2
    assert numbers(source.read(tmp_path)) == [1, 2, 3]
    source.portal.always = faulty_server.show_page_of_proxy
    error = source.fail(tmp_path, "SRC-HTTP")
    assert "Maintenance until 5 o'clock" in str(error)
    assert isinstance(error, SourceBusyError)


def test_h8_rows_of_another_type_are_not_shown_in_the_error(
    new_source: New, tmp_path: Path
) -> None:
    source = new_source("socrata")

    def answer(handler: Handler) -> bool:
        handler.send(200, b"name,phone\nNobody,0161 496 0000\n", "text/csv")
        return True

    source.portal.always = answer
    error = source.fail(tmp_path, "SRC-HTTP")
    assert "an answer of type text/csv" in str(error)
    assert "0161" not in str(error)


PASSING = {
    "429 with a wait": faulty_server.refuse(429, Retry_After="7"),
    "429": faulty_server.refuse(429),
    "503": faulty_server.refuse(503),
    "202": faulty_server.refuse(202),
    "cut body": faulty_server.cut,
    "half of the JSON": faulty_server.truncate,
}


@pytest.mark.parametrize("fault", PASSING)
@each_kind
def test_h9_what_passes_is_waited_for_and_no_longer_than_that(
    new_source: New, tmp_path: Path, kind: str, fault: str
) -> None:
    source = new_source(kind)
    source.fill(150)
    check_patience(source, tmp_path, PASSING[fault])
    assert min(source.waits) >= 7 if fault == "429 with a wait" else max(source.waits) < 1


@pytest.mark.parametrize("kind", ["socrata", "opendatasoft"])
def test_h9_no_answer_is_waited_for_and_no_longer_than_that(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.fill(150)
    source.timeout = 1.0
    check_patience(source, tmp_path, faulty_server.hang)


def check_patience(source: Source, folder: Path, fault: Fault) -> None:
    """The fault comes and goes, also in place of the rows; then it stays."""
    source.portal.faults = [fault, fault, None, None, None, fault]
    assert source.read(folder).row_count == 150
    assert len(source.waits) == 3

    source.portal.asked.clear()
    source.portal.always = fault
    error = source.fail(folder, "SRC-HTTP")
    assert isinstance(error, SourceBusyError)
    assert f"after {source.attempts} attempts" in str(error)
    assert len(source.portal.asked) == source.attempts


def test_h9_three_of_four_questions_refused_lose_no_row(new_source: New, tmp_path: Path) -> None:
    source = new_source("socrata")
    source.fill(250)
    source.attempts = 4
    source.portal.faults = [*[faulty_server.refuse(429)] * 3, None] * 20
    assert numbers(source.read(tmp_path)) == list(range(1, 251))


def test_h9_a_wait_may_be_given_as_a_time_of_the_portals_clock(
    new_source: New, tmp_path: Path
) -> None:
    source = new_source("socrata")
    until = format_datetime(NOW + timedelta(seconds=30), usegmt=True)
    source.portal.faults = [faulty_server.refuse(503, Retry_After=until)]
    source.read(tmp_path)
    assert [30 <= wait < 31 for wait in source.waits] == [True]


def test_h9_a_wait_of_an_hour_is_left_to_the_next_run(new_source: New, tmp_path: Path) -> None:
    source = new_source("socrata")
    source.portal.always = faulty_server.refuse(429, Retry_After="3600")
    error = source.fail(tmp_path, "SRC-HTTP")
    assert isinstance(error, SourceBusyError)
    assert "no usable answer after 1 attempt: status 429" in str(error)
    assert error.fix.startswith("run it again in 60 minutes, as the portal asks;")
    assert source.waits == []


def test_h9_a_portal_that_is_not_there_is_waited_for(new_source: New, tmp_path: Path) -> None:
    source = new_source("socrata")
    source.portal.address = "http://127.0.0.1:1"
    assert isinstance(source.fail(tmp_path, "SRC-HTTP"), SourceBusyError)
    assert len(source.waits) == source.attempts - 1


@each_kind
@pytest.mark.parametrize("token", [TOKEN, None], ids=["expired", "missing"])
def test_h10_a_token_that_is_refused_names_the_connection_and_is_not_tried_again(
    new_source: New, tmp_path: Path, kind: str, token: str | None
) -> None:
    source = new_source(kind)
    source.access = Access("http", password=token, connection="city_portal")
    source.portal.token = "another one"
    error = source.fail(tmp_path, "SRC-ACCESS")  # which holds no token, though the portal says it
    assert "city_portal" in str(error)
    assert not isinstance(error, SourceBusyError)
    assert len(source.portal.asked) == 1


@each_kind
def test_h10_the_right_token_opens_the_portal(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.fill(3)
    source.portal.token = TOKEN
    assert source.read(tmp_path).row_count == 3
    assert not [question.path for question in source.portal.asked if TOKEN in question.path]


@pytest.mark.parametrize("has_long_headers", [False, True])
def test_h11_a_column_that_is_null_everywhere_is_null(
    new_source: New, tmp_path: Path, has_long_headers: bool
) -> None:
    source = new_source("socrata")
    source.portal.has_long_headers = has_long_headers
    source.add(TEN, TEN, text=None)
    spool = source.read(tmp_path)
    assert duckdb.sql(f"select text from '{spool.file}'").fetchall() == [(None,), (None,)]
    assert spool.unexpected == ("race",)


def test_h12_a_replica_behind_the_truth_is_asked_again(new_source: New, tmp_path: Path) -> None:
    source = new_source("socrata")
    source.fill(3)
    source.portal.replica = datetime(2026, 10, 31, tzinfo=UTC)

    def catch_up(seconds: float) -> None:
        source.portal.replica = None

    source.sleep = catch_up
    assert source.read(tmp_path).row_count == 3

    source.portal.replica = datetime(2026, 10, 31, tzinfo=UTC)
    source.sleep = source.waits.append
    error = source.fail(tmp_path, "SRC-STALE")
    assert isinstance(error, SourceBusyError)
    assert len(source.waits) == source.attempts - 1


def test_h12_a_portal_that_calls_itself_out_of_date_is_believed(
    new_source: New, tmp_path: Path
) -> None:
    source = new_source("socrata")

    def answer(handler: Handler) -> bool:
        handler.send_json([], X_SODA2_Data_Out_Of_Date="true")
        return True

    source.portal.always = answer
    source.fail(tmp_path, "SRC-STALE")


def test_h12_one_page_of_another_replica_is_read_again(new_source: New, tmp_path: Path) -> None:
    """Before and after it the portal tells the same state."""
    source = new_source("socrata")
    source.fill(250)
    normal = source.portal.edited
    assert normal

    def go_and_come_back() -> None:
        source.portal.edited = normal + timedelta(hours=1)
        source.portal.on_page = come_back

    def come_back() -> None:
        source.portal.edited = normal
        source.portal.on_page = lambda: None

    source.portal.on_page = go_and_come_back
    assert source.read(tmp_path).row_count == 250
    pages = [q for q in source.portal.asked if "$order" in q.parameters]
    assert len(pages) == 2 * 4  # three with rows and an empty one, twice


@pytest.mark.parametrize("kind", ["ckan", "ckan_search"])
def test_h13_an_estimated_count_proves_nothing(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.fill(3)
    assert source.read(tmp_path).row_count == 3
    for question in source.portal.asked:  # a threshold would allow an estimate
        assert "total_estimation_threshold" not in question.parameters
    source.portal.estimates = True
    source.fail(tmp_path, "SRC-COUNT")


@each_kind
def test_h14_a_full_replacement_by_equal_rows_changes_no_mark(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.fill(150)
    before = list_days(source.read(tmp_path), WINDOW, DAYS, b"key")
    source.portal.rows = [row | {"_id": 5000 - row["_id"]} for row in source.portal.rows]
    source.portal.edit()
    assert list_days(source.read(tmp_path), WINDOW, DAYS, b"key") == before
    source.portal.rows[7]["text"] = "another"
    assert list_days(source.read(tmp_path), WINDOW, DAYS, b"key") != before


@pytest.mark.parametrize(
    ("times", "found", "days"), [("local", [2, 3], [2, 0]), ("utc", [1, 2, 3], [2, 1])]
)
def test_h15_milliseconds_that_are_local_time_are_read_so_if_told(
    new_source: New, tmp_path: Path, times: str, found: list[int], days: list[int]
) -> None:
    source = new_source("arcgis")
    source.options["times"] = times
    source.add(datetime(2026, 10, 23, 23, 30), TEN, datetime(2026, 10, 24, 23, 30))
    spool = source.read(tmp_path)
    assert numbers(spool) == found
    assert [day.row_count for day in list_days(spool, WINDOW, DAYS, b"key")] == days


def test_h15_a_zone_that_a_layer_declares_holds_for_questions_too(
    new_source: New, tmp_path: Path
) -> None:
    source = new_source("arcgis")
    source.portal.time_zone = "America/New_York"
    source.add(*(datetime(2026, 10, 23, 21) + timedelta(hours=hour) for hour in range(60)))
    assert numbers(source.read(tmp_path)) == list(range(3, 52))
    source.portal.declares_zone = False  # then nobody can know, but rows of other days tell
    source.fail(tmp_path, "SRC-WINDOW")


@each_kind
def test_h16_a_moment_that_is_text_has_no_window(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.portal.columns["received"] = "text"
    error = source.fail(tmp_path, "SRC-MOMENT")
    assert "received is a string" in str(error)
    assert "have the column's type corrected" in error.fix


@each_kind
def test_h17_a_column_that_is_renamed_is_named(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.fill(3)
    source.portal.columns = {
        ("text2" if name == "text" else name): value
        for name, value in source.portal.columns.items()
    }
    error = source.fail(tmp_path, "SRC-COLUMNS")
    assert "city/calls has no column text; it has" in str(error)


@each_kind
def test_h17_a_column_that_is_added_is_told_and_a_new_type_is_read(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.fill(2)
    source.portal.columns |= {"new": "text", "text": "number"}
    for number, row in enumerate(source.portal.rows):
        row.update(new="", text=number + 0.5)
    spool = source.read(tmp_path)
    assert spool.unexpected == ("race", "new")
    texts = duckdb.sql(f"select text from '{spool.file}' order by number").fetchall()
    assert texts == [("0.5",), ("1.5",)]


def test_h17_a_value_that_is_not_of_its_columns_type_is_told_without_it(
    new_source: New, tmp_path: Path
) -> None:
    source = new_source("socrata")
    source.fill(1)
    source.portal.columns["text"] = "local"
    source.portal.rows[0]["text"] = "0161 496 0000"
    error = source.fail(tmp_path, "SRC-FORMAT")
    assert "text has a value that is no timestamp" in str(error)
    assert "0161" not in str(error)


@each_kind
def test_h17_half_a_character_is_kept_escaped_and_stops_nothing(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    """A portal that cuts texts after so many letters may cut an emoji in two."""
    source = new_source(kind)
    source.fill(3)
    source.portal.rows[0]["text"] = "seen twice \ud83d\ude00"
    source.portal.rows[1]["text"] = "seen twice \ud83d"
    spool = source.read(tmp_path)
    texts = duckdb.sql(f"select text from '{spool.file}' order by number limit 2").fetchall()
    assert texts == [("seen twice \U0001f600",), (r"seen twice \ud83d",)]


def test_h17_half_a_character_is_no_time(new_source: New, tmp_path: Path) -> None:
    source = new_source("socrata")
    source.fill(1)
    source.portal.columns["text"] = "local"
    source.portal.rows[0]["text"] = "\ud83d"
    assert "text has a value that is no timestamp" in str(source.fail(tmp_path, "SRC-FORMAT"))


@each_kind
def test_h17_rows_that_a_join_doubles_come_twice_and_are_left_to_the_landing(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.fill(3)
    source.portal.rows += [row | {"_id": row["_id"] + 3} for row in source.portal.rows]
    assert numbers(source.read(tmp_path)) == [1, 1, 2, 2, 3, 3]


def test_h18_layers_of_years_are_one_dataset(new_source: New, tmp_path: Path) -> None:
    """Each layer numbers its rows from one on, and the old one goes on a little too far."""
    source = new_source("arcgis")
    place = f"{source.portal.address}/{MAP_SERVER}"
    source.layers = [Layer(f"{place}/68", date(2026, 10, 25)), Layer(f"{place}/72")]
    local_midnight = datetime(2026, 10, 24, 23)
    second = timedelta(seconds=1)
    source.portal.layers = {
        68: [make_row(1, TEN), make_row(2, local_midnight - second), make_row(3, local_midnight)],
        72: [
            make_row(1, local_midnight),
            make_row(2, local_midnight + second),
            make_row(3, local_midnight - second),  # a copy of what the old layer has
        ],
    }
    spool = source.read(tmp_path)
    assert numbers(spool) == [1, 1, 2, 2]
    assert [day.row_count for day in list_days(spool, WINDOW, DAYS, b"key")] == [2, 2]
    assert spool.unexpected == ("race",)

    for rows in source.portal.layers.values():
        rows += [row | {"_id": 10 + row["_id"]} for row in rows]
    assert source.read(tmp_path).row_count == 8


def test_h18_a_change_in_any_layer_is_read_again(new_source: New, tmp_path: Path) -> None:
    source = new_source("arcgis")
    source.portal.edited = None
    place = f"{source.portal.address}/{MAP_SERVER}"
    source.layers = [Layer(f"{place}/68", date(2026, 10, 25)), Layer(f"{place}/72")]
    source.portal.layers = {68: [make_row(1, TEN)], 72: [make_row(1, TEN + timedelta(days=1))]}
    pages = itertools.count(1)

    def spoil() -> None:
        if next(pages) == 2:  # after the empty page of the first layer
            source.portal.layers[68] = [make_row(2, TEN)]

    source.portal.on_page = spoil
    assert numbers(source.read(tmp_path)) == [1, 2]


@each_kind
def test_h19_a_portal_that_stops_is_told_by_its_clock_and_empty_days(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    """It is no error here: SRC-UNFILLED compares the newest day with the interval's end."""
    source = new_source(kind)
    source.fill(3)
    first = source.read(tmp_path)
    before = list_days(first, WINDOW, DAYS, b"key")
    source.portal.now = NOW + timedelta(days=2)
    later_days = [date(2026, 10, 24 + number) for number in range(4)]
    end = WINDOW.interval.end + timedelta(days=2)
    window = Window(Interval(WINDOW.interval.start, end), "received", ZONE)
    spool = source.read(tmp_path, window=window)
    days = list_days(spool, window, later_days, b"key")
    assert days[:2] == before
    assert [day.row_count for day in days[2:]] == [0, 0]
    assert spool.now == NOW + timedelta(days=2)


@each_kind
def test_h19_a_portal_that_is_no_longer_filled_is_warned_of_and_a_quiet_night_is_not(
    new_source: New, small: SmallAgency, kind: str
) -> None:
    portal = new_source(kind).portal
    settings: dict[str, Any] = {
        "socrata": {"domain": portal.address, "dataset": DATASET},
        "arcgis": [{"layer": f"{portal.address}/{MAP_SERVER}/0"}],
        "ckan": {"domain": portal.address, "resource": DATASET},
        "opendatasoft": {"domain": portal.address, "dataset": "calls"},
    }
    name = kind.removesuffix("_search")
    small.settings["sources"]["calls"] = {
        name: settings[name], "delivery": "days", "days": 35,
        "columns": {
            "call_reference": "number", "received_at": "received", "final_type_code": "text",
        },
    }  # fmt: skip
    small.settings["is_simulated"] = False
    del small.settings["coverage"]
    small.write_settings()

    def extract_night(day: int) -> str:
        """The note of the run for a day of January, which is asked for soon after its end."""
        portal.now = datetime(2026, 1, day + 1, 0, 5, tzinfo=UTC)
        days = date(2026, 1, day), date(2026, 1, day + 1)
        step = extract("testville", "calls", Interval.of_days(small.agency, *days))
        if step.result:
            check_landing("testville", "calls", step.result)
        return step.note

    def add_calls(day: int) -> None:
        for hour in range(4):
            row = make_row(len(portal.rows) + 1, datetime(2026, 1, day, hour), "NOISE")
            portal.rows.append(row)

    add_calls(5)
    add_calls(6)
    notes = [extract_night(day) for day in (6, 7, 8, 9)]
    assert notes[0].startswith("8 rows came")
    for quiet in notes[1:3]:  # a day without a call, and two: 48 hours since the 6th
        assert quiet.startswith("nothing new")
    assert "SRC-UNFILLED" not in "".join(notes[:3])
    assert notes[3].startswith("nothing new")
    assert notes[3].splitlines()[-2:] == [
        "warning: [SRC-UNFILLED] testville/calls answers, but its newest row is of "
        "6 January 2026, and its own clock says 10 January 2026, 12:05am; 48 hours are allowed",
        "  Next step: ask the source's owner whether it is still filled; if it is published late, "
        "or has no rows for days now and then, give more `max_age_hours` to sources.calls",
    ]
    add_calls(10)
    assert "SRC-UNFILLED" not in extract_night(10)
    # that a run goes back to the days without calls says nothing of today
    assert "SRC-UNFILLED" not in extract_night(9)


# The client's own guards


@each_kind
def test_no_redirect_is_followed(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    with open_portal(source.portal.columns) as other:

        def send_on(handler: Handler) -> bool:
            handler.send(302, b"", Location=f"{other.address}{handler.path}&token={TOKEN}")
            return True

        source.portal.always = send_on
        error = source.fail(tmp_path, "SRC-HTTP")
        assert f"the portal sends on to {other.address}" in str(error)
        assert other.asked == []


@each_kind
def test_an_answer_that_is_too_large_is_not_read(
    new_source: New, tmp_path: Path, kind: str
) -> None:
    source = new_source(kind)
    source.add(TEN, text="x" * (5 << 20))
    assert "the answer is larger than" in str(source.fail(tmp_path, "SRC-HTTP"))


@each_kind
def test_an_answer_of_another_shape_is_told(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.portal.has_long_headers = True
    source.portal.always = faulty_server.say({"other": 1})
    assert "the answer has no " in str(source.fail(tmp_path, "SRC-HTTP"))


def test_a_row_without_its_id_is_told(new_source: New, tmp_path: Path) -> None:
    source = new_source("arcgis")
    page = {"features": [{"attributes": {"number": "1", "received": 1792836000000}}]}
    source.portal.faults = [None] * 4 + [faulty_server.say(page)]
    assert "a row has no OBJECTID" in str(source.fail(tmp_path, "SRC-HTTP"))


@each_kind
def test_an_answer_without_a_clock_is_told(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    source.portal.now = None
    assert "no header Date" in str(source.fail(tmp_path, "SRC-HTTP"))


@each_kind
def test_no_secret_stands_in_an_error(new_source: New, tmp_path: Path, kind: str) -> None:
    source = new_source(kind)
    for fault in (
        faulty_server.refuse(400, f"the token {TOKEN} may not"),
        faulty_server.refuse(503, f"the token {TOKEN} is busy"),
        faulty_server.say({"error": {"code": 400, "message": TOKEN}}),
    ):
        source.portal.always = fault
        assert "***" in str(source.fail(tmp_path, "SRC-HTTP"))
    assert TOKEN not in repr(source.access)


@pytest.mark.parametrize("kind", ["socrata", "ckan", "opendatasoft"])
@pytest.mark.parametrize("spoilt", [f"{TOKEN}\n", f"{TOKEN}\u00e9"])
def test_a_token_that_no_header_can_have_is_told_without_it(
    new_source: New, tmp_path: Path, kind: str, spoilt: str
) -> None:
    source = new_source(kind)
    source.access = Access("http", password=spoilt, connection="city_portal")
    assert "city_portal has characters" in str(source.fail(tmp_path, "SRC-ACCESS"))
    assert source.portal.asked == []


@each_kind
@pytest.mark.parametrize("address", ["ftp://127.0.0.1", "http://127.0.0.1:port"])
def test_an_address_that_is_none_is_told_at_once(
    new_source: New, tmp_path: Path, kind: str, address: str
) -> None:
    source = new_source(kind)
    source.portal.address = address
    error = source.fail(tmp_path, "SRC-HTTP")
    assert "the address cannot be asked" in str(error)
    assert source.waits == []
