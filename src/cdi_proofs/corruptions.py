"""What goes wrong with source files, as small functions: each spoils the newest file of a delivery.

`cdi_proofs.corruption_trial` applies each to the files of two agencies and says what became of
it. A corruption is written once, in the landing's own names for columns: `agency.yaml` says what an
agency calls them, and whether it has them at all.
"""

import csv
import gzip
import html
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cdi.agency.model import Agency, Source
from cdi.landing.read import normalise_header

TEXTS = {"calls": "log_text", "log_actions": "action_text"}  # an agency has one or the other
TIMES = {"calls": "received_at", "crime_records": "recorded_at", "log_actions": "acted_at"}


class Extract:
    """The newest file of a dataset, and the one before it.

    Attributes:
        agency: Whose file.
        dataset: What it holds.
        file: The file to spoil.
        earlier: The file before, never changed.
    """

    def __init__(self, agency: Agency, dataset: str, file: Path, earlier: Path) -> None:
        """Name the files."""
        self.agency, self.dataset, self.file, self.earlier = agency, dataset, file, earlier

    @property
    def source(self) -> Source:
        """How agency.yaml describes it."""
        return self.agency.sources[self.dataset]

    def read(self, file: Path | None = None) -> bytes:
        """The content, decompressed."""
        content = (file or self.file).read_bytes()
        return gzip.decompress(content) if self.file.suffix == ".gz" else content

    def write(self, content: bytes) -> None:
        """Replace the content."""
        is_packed = self.file.suffix == ".gz"
        self.file.write_bytes(gzip.compress(content, 1, mtime=0) if is_packed else content)

    def table(self, file: Path | None = None) -> "Table":
        """The rows, field by field."""
        text = self.read(file).decode("utf-8-sig", "surrogateescape")
        if self.source.format == "jsonl":
            objects = [json.loads(line) for line in text.splitlines()]
            header = list(dict.fromkeys(key for row in objects for key in row))
            rows = [[row.get(key, "") for key in header] for row in objects]
        else:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.source.delimiter)
            header, *rows = list(reader)
        # rows that were broken before stay as they are
        return Table(self, header, rows, [row for row in rows if len(row) == len(header)])

    def write_table(self, table: "Table", **options: Any) -> None:
        """Replace the content by rows, in the format that it had."""
        if self.source.format == "jsonl":
            lines = [
                json.dumps({k: v for k, v in zip(table.header, row, strict=False) if v != ""})
                for row in table.rows
            ]
            self.write("".join(f"{line}\n" for line in lines).encode())
            return
        before = self.read()
        text = io.StringIO()
        end = "\r\n" if b"\r\n" in before.split(b"\n")[0] + b"\n" else "\n"
        settings = {"delimiter": self.source.delimiter, "lineterminator": end, **options}
        csv.writer(text, **settings).writerows([table.header, *table.rows])
        mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
        self.write(mark + text.getvalue().encode("utf-8", "surrogateescape"))


@dataclass
class Table:
    """Rows of a file; `whole` are those with all fields."""

    extract: Extract
    header: list[str]
    rows: list[list[str]]
    whole: list[list[str]] = field(repr=False)

    def place(self, column: str) -> int:
        """Where the agency keeps a column of the landing."""
        wanted = normalise_header(self.extract.source.columns[column].source)
        return [normalise_header(name) for name in self.header].index(wanted)

    def change(self, column: str, by: Callable[[str], str], every: int = 1) -> None:
        """Change the values of one column, in all rows or in one of several."""
        place = self.place(column)
        for row in self.whole[::every]:
            if row[place]:
                row[place] = by(row[place])

    def set(self, column: str, value: str, every: int = 1) -> None:
        """Set one column, blank or not."""
        place = self.place(column)
        for row in self.whole[::every]:
            row[place] = value

    def swap(self, one: str, other: str) -> None:
        """Exchange two columns' values."""
        a, b = self.place(one), self.place(other)
        for row in self.whole:
            row[a], row[b] = row[b], row[a]

    def times(self) -> dict[str, str]:
        """Columns of moments that the agency has, and how it writes them."""
        mapped = self.extract.source.columns
        return {name: mapped[name].format[0] for name in mapped if name.endswith("_at")}

    def retime(self, by: Callable[[datetime], str | datetime], columns: str = "_at") -> None:
        """Write moments otherwise: all, or those of the columns that end so."""
        for name, form in self.times().items():
            if name.endswith(columns):
                self.change(name, lambda text, form=form: _written(by, text, form))  # type: ignore[misc]

    def day(self) -> str:
        """The text of the day before the last that most rows are of."""
        days = [row[self.place(TIMES[self.extract.dataset])][:10] for row in self.whole]
        return max(set(days), key=lambda day: (days.count(day), day))


def _written(by: Callable[[datetime], str | datetime], text: str, form: str) -> str:
    try:
        moment = datetime.strptime(text, form)
    except ValueError:
        return text
    new = by(moment)
    return new if isinstance(new, str) else new.strftime(form)


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a file.

    Attributes:
        name: Its function's.
        dataset: Whose newest file it spoils.
        needs: Columns that the agency must have for it.
        formats: Formats of files that it can befall.
        apply: Spoils the file.
    """

    name: str
    dataset: str
    needs: tuple[str, ...]
    formats: tuple[str, ...]
    apply: Callable[[Extract], None] = field(repr=False)

    def befalls(self, agency: Agency) -> bool:
        """Whether the agency has such a file."""
        source = agency.sources.get(self.dataset)
        return (
            source is not None
            and source.format in self.formats
            and set(self.needs) <= set(source.columns)
        )


CORRUPTIONS: list[Corruption] = []


def of_file(dataset: str = "calls", formats: tuple[str, ...] = ("csv",)) -> Callable[..., Any]:
    """Register a function of an `Extract` that spoils the file itself."""

    def register(function: Callable[[Extract], None]) -> Callable[[Extract], None]:
        CORRUPTIONS.append(Corruption(function.__name__, dataset, (), formats, function))
        return function

    return register


def of_rows(dataset: str = "calls", *needs: str) -> Callable[..., Any]:
    """Register a function of a `Table` that spoils its rows."""

    def register(function: Callable[[Table], None]) -> Callable[[Table], None]:
        def apply(extract: Extract) -> None:
            table = extract.table()
            function(table)
            extract.write_table(table)

        CORRUPTIONS.append(Corruption(function.__name__, dataset, needs, ("csv", "jsonl"), apply))
        return function

    return register


def of_text(function: Callable[[Table, str], None]) -> Callable[[Table, str], None]:
    """Register a function of a `Table` and its column of free text."""
    for dataset, column in TEXTS.items():

        def apply(table: Table, column: str = column) -> None:
            function(table, column)

        apply.__name__ = function.__name__
        of_rows(dataset, column)(apply)
    return function


# ---------------------------------------------------------------------- bytes


@of_file()
def gzip_cut_off(extract: Extract) -> None:
    """The transfer broke off."""
    packed = extract.file.read_bytes()
    extract.file.write_bytes(packed[: len(packed) * 2 // 3])


@of_file()
def gzip_twice(extract: Extract) -> None:
    """Packed by the export and by the transfer."""
    extract.write(extract.file.read_bytes())


@of_file()
def file_without_a_byte(extract: Extract) -> None:
    """The disk was full."""
    extract.file.write_bytes(b"")


@of_file()
def header_alone(extract: Extract) -> None:
    """The query found nothing."""
    extract.write(extract.read().splitlines(keepends=True)[0])


@of_file()
def one_row(extract: Extract) -> None:
    """The query was stopped after its first row."""
    extract.write(b"".join(extract.read().splitlines(keepends=True)[:2]))


@of_file()
def cut_in_half(extract: Extract) -> None:
    """Half of the file, the last row broken off."""
    content = extract.read()
    extract.write(content[: len(content) // 2])


@of_file("crime_records", ("csv", "jsonl"))
def crimes_cut_in_half(extract: Extract) -> None:
    """Half of the records, the last one broken off."""
    cut_in_half(extract)


@of_file()
def utf16(extract: Extract) -> None:
    """Saved as `Unicode` by a spreadsheet."""
    extract.write(extract.read().decode("utf-8-sig", "replace").encode("utf-16"))


@of_file()
def mixed_encodings(extract: Extract) -> None:
    """One row of twenty comes from a system that writes Windows-1252."""
    lines = extract.read().splitlines(keepends=True)
    for place in range(20, len(lines), 20):
        lines[place] = b"\xa3" + lines[place]
    extract.write(b"".join(lines))


@of_file()
def byte_order_mark(extract: Extract) -> None:
    """A BOM appears, or is left out."""
    content, mark = extract.read(), b"\xef\xbb\xbf"
    extract.write(content.removeprefix(mark) if content.startswith(mark) else mark + content)


@of_file()
def other_line_ends(extract: Extract) -> None:
    """CR LF for LF, or LF for CR LF at the ends of rows."""
    table, end = extract.table(), extract.read().split(b"\n")[0].endswith(b"\r")
    extract.write_table(table, lineterminator="\n" if end else "\r\n")


@of_file()
def mixed_line_ends(extract: Extract) -> None:
    """Two exports were joined, one of each kind."""
    lines = extract.read().replace(b"\r\n", b"\n").split(b"\n")
    half = len(lines) // 2
    extract.write(b"\r\n".join(lines[:half]) + b"\r\n" + b"\n".join(lines[half:]))


@of_file()
def unclosed_quote(extract: Extract) -> None:
    """A text that begins with a quotation mark and was not quoted."""
    lines = extract.read().splitlines(keepends=True)
    half = len(lines) // 2
    mark = extract.source.delimiter.encode()
    lines[half] = mark.join([b'"' + lines[half].split(mark)[0], *lines[half].split(mark)[1:]])
    extract.write(b"".join(lines))


@of_file()
def all_quoted(extract: Extract) -> None:
    """Each field in quotation marks."""
    extract.write_table(extract.table(), quoting=csv.QUOTE_ALL)


@of_file()
def other_delimiter(extract: Extract) -> None:
    """A comma, as most exports have it."""
    extract.write_table(extract.table(), delimiter=",")


@of_file()
def rows_in_another_order(extract: Extract) -> None:
    """Newest first."""
    table = extract.table()
    table.rows.reverse()
    extract.write_table(table)


@of_file()
def web_page(extract: Extract) -> None:
    """The log-in page of the portal, saved under the file's name."""
    extract.write(b"<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n" * 40)


@of_file()
def spreadsheet_file(extract: Extract) -> None:
    """A workbook under the name of a CSV file."""
    from openpyxl import Workbook

    book, packed = Workbook(), io.BytesIO()
    for row in extract.table().whole[:50]:
        book.active.append(row)
    book.save(packed)
    extract.write(packed.getvalue())


@of_file()
def null_bytes(extract: Extract) -> None:
    """A column of fixed width, filled up with NUL."""
    table = extract.table()
    table.change("district", lambda text: text + "\0\0\0")
    extract.write_table(table)


@of_file()
def footer(extract: Extract) -> None:
    """The database's own last line."""
    extract.write(extract.read() + b"\n(1234 rows affected)\n")


@of_file()
def blank_lines(extract: Extract) -> None:
    """A blank line after each hundredth row."""
    lines = extract.read().splitlines(keepends=True)
    extract.write(b"".join(x + (b"\n" if n % 100 == 99 else b"") for n, x in enumerate(lines)))


@of_file("crime_records", ("jsonl",))
def json_with_single_quotes(extract: Extract) -> None:
    """A program's own notation for JSON."""
    lines = extract.read().splitlines()
    extract.write("".join(f"{json.loads(line)}\n" for line in lines).encode())


@of_file("crime_records", ("jsonl",))
def json_as_one_array(extract: Extract) -> None:
    """One array for a line an object."""
    lines = extract.read().splitlines()
    extract.write(json.dumps([json.loads(line) for line in lines], indent=1).encode())


# ---------------------------------------------------------------------- columns


@of_file("crime_records", ("csv", "jsonl"))
def another_dataset(extract: Extract) -> None:
    """The calls, delivered under the name of the records."""
    calls = extract.file.with_name(extract.file.name.replace("crimes", "calls"))
    other = calls if calls.is_file() else next(extract.file.parent.glob("calls-*"))
    content = other.read_bytes()
    extract.write(gzip.decompress(content) if other.suffix == ".gz" else content)


@of_file()
def header_missing(extract: Extract) -> None:
    """The export left it out."""
    extract.write(b"".join(extract.read().splitlines(keepends=True)[1:]))


@of_file()
def header_twice(extract: Extract) -> None:
    """Two files were joined with their headers."""
    lines = extract.read().splitlines(keepends=True)
    half = len(lines) // 2
    extract.write(b"".join([*lines[:half], lines[0].removeprefix(b"\xef\xbb\xbf"), *lines[half:]]))


@of_rows()
def header_renamed(table: Table) -> None:
    """A column has a new name."""
    table.header[table.place("final_type_code")] = "Closing Classification Code"


@of_rows()
def columns_in_another_order(table: Table) -> None:
    """The same columns, sorted by name."""
    order = sorted(range(len(table.header)), key=lambda n: table.header[n])
    table.header = [table.header[n] for n in order]
    for row in table.whole:
        row[:] = [row[n] for n in order]


@of_rows()
def surplus_column(table: Table) -> None:
    """A new column that nobody announced."""
    table.header.append("Ethnicity")
    for row in table.whole:
        row.append("W1")


@of_rows()
def blank_columns_at_the_end(table: Table) -> None:
    """A spreadsheet that once had more columns."""
    table.header += ["", ""]
    for row in table.whole:
        row += ["", ""]


@of_rows()
def surplus_fields(table: Table) -> None:
    """Delimiters at the end of rows, not of the header."""
    for row in table.whole:
        row.append("")


@of_rows()
def columns_shifted(table: Table) -> None:
    """A field too many in front, and the last one fell off: all values one column on."""
    for row in table.whole:
        row[1:] = ["", *row[1:-1]]


@of_rows()
def columns_shifted_in_some_rows(table: Table) -> None:
    """The same in one row of ten."""
    for row in table.whole[::10]:
        row[1:] = ["", *row[1:-1]]


@of_rows("calls", "initial_type_code", "disposition_code")
def codes_in_each_others_columns(table: Table) -> None:
    """Opening codes in the column of results."""
    table.swap("initial_type_code", "disposition_code")


@of_rows("calls", "district", "beat")
def district_in_the_beats_column(table: Table) -> None:
    """Both are codes of places."""
    table.swap("district", "beat")


# ---------------------------------------------------------------------- time


@of_rows()
def day_and_month_swapped(table: Table) -> None:
    """The month first, as a server in another country writes it."""
    forms = {f.replace("%d/%m", "%m/%d") for f in table.times().values()}
    form = forms.pop()
    table.retime(lambda moment: moment.strftime(form))


@of_rows()
def year_in_two_digits(table: Table) -> None:
    """17 for 2017."""
    table.retime(lambda moment: moment.strftime("%d/%m/%y %H:%M:%S"))


@of_rows()
def iso_times(table: Table) -> None:
    """Another format of time than agreed."""
    table.retime(lambda moment: moment.isoformat())


@of_rows()
def epoch_seconds(table: Table) -> None:
    """Seconds since 1970."""
    table.retime(lambda moment: str(int(moment.replace(tzinfo=UTC).timestamp())))


@of_rows()
def spreadsheet_days(table: Table) -> None:
    """Days since 1900, as a spreadsheet keeps them."""
    table.retime(lambda moment: f"{(moment - datetime(1899, 12, 30)) / timedelta(days=1):.5f}")


def _as_utc(table: Table) -> None:
    zone = table.extract.agency.zone
    table.retime(lambda moment: moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None))


@of_rows()
def local_time_as_utc(table: Table) -> None:
    """UTC is delivered, local time is agreed: an hour off in summer."""
    _as_utc(table)


@of_rows("log_actions")
def entries_in_utc(table: Table) -> None:
    """The entries' times alone are UTC."""
    _as_utc(table)


@of_rows()
def received_in_utc(table: Table) -> None:
    """Receipt alone is UTC, all other moments are local."""
    zone = table.extract.agency.zone
    table.retime(
        lambda moment: moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None),
        "received_at",
    )


@of_rows()
def time_of_day_lost(table: Table) -> None:
    """Midnight everywhere."""
    table.retime(lambda moment: moment.replace(hour=0, minute=0, second=0))


@of_rows()
def twelve_hours(table: Table) -> None:
    """A clock of twelve hours without am and pm."""
    table.retime(lambda moment: moment.replace(hour=moment.hour % 12))


@of_rows()
def ten_years_on(table: Table) -> None:
    """Times in the future."""
    table.retime(lambda moment: moment.replace(year=moment.year + 10, day=min(moment.day, 28)))


@of_rows()
def some_in_the_future(table: Table) -> None:
    """One row of fifty was received after the file was made."""
    form = table.times()["received_at"]
    late = datetime(2031, 1, 1, 12).strftime(form)
    table.set("received_at", late, every=50)


@of_rows()
def default_of_1900(table: Table) -> None:
    """One row of fifty has the system's default for a lost time."""
    form = table.times()["received_at"]
    table.set("received_at", datetime(1900, 1, 1).strftime(form), every=50)


@of_rows("crime_records", "recorded_at")
def records_of_1900(table: Table) -> None:
    """All records have the system's default as their time."""
    table.retime(lambda _: datetime(1900, 1, 1), "recorded_at")


@of_rows("calls", "closed_at")
def closed_before_received(table: Table) -> None:
    """Receipt and closing in each other's columns."""
    table.swap("received_at", "closed_at")


@of_rows("crime_records", "reported_at", "recorded_at")
def recorded_before_reported(table: Table) -> None:
    """Report and record in each other's columns."""
    table.swap("reported_at", "recorded_at")


# ---------------------------------------------------------------------- rows


def _without_day(table: Table) -> None:
    day, place = table.day(), table.place(TIMES[table.extract.dataset])
    table.rows = [row for row in table.rows if len(row) <= place or row[place][:10] != day]


@of_rows()
def day_missing(table: Table) -> None:
    """No call of one day."""
    _without_day(table)


@of_rows("crime_records", "recorded_at")
def day_of_crimes_missing(table: Table) -> None:
    """No record of one day but the first in the file."""
    first = table.whole[0]
    _without_day(table)
    table.rows = table.rows or [first]


@of_rows()
def day_twice_with_new_numbers(table: Table) -> None:
    """A day was migrated again and numbered again."""
    day, place, key = table.day(), table.place("received_at"), table.place("call_reference")
    again = [list(row) for row in table.whole if row[place][:10] == day]
    for row in again:
        row[key] = row[key][:-4] + str(int(row[key][-4:]) + 5000)
    table.rows += again


@of_rows()
def block_twice(table: Table) -> None:
    """A block of rows was written twice, alike in all."""
    table.rows += table.whole[len(table.whole) // 4 : len(table.whole) // 2]


@of_rows()
def one_number_two_contents(table: Table) -> None:
    """Some logs are there twice, with two results."""
    again = [list(row) for row in table.whole[::60]]
    for row in again:
        row[table.place("final_type_code")] = table.whole[1][table.place("final_type_code")]
        row[table.place("received_at")] = table.whole[1][table.place("received_at")]
    table.rows += again


@of_file("calls", ("csv", "jsonl"))
def the_file_before_again(extract: Extract) -> None:
    """Yesterday's content under today's name."""
    extract.write(extract.read(extract.earlier))


@of_rows("log_actions")
def entries_lost(table: Table) -> None:
    """Each third entry of the logs is not there."""
    table.rows = [row for n, row in enumerate(table.rows) if n % 3]


@of_rows("log_actions", "sequence_number")
def entries_not_counted(table: Table) -> None:
    """Each entry is the first of its log."""
    table.set("sequence_number", "1")


# ---------------------------------------------------------------------- numbers of logs and records


@of_rows()
def numbers_begin_anew(table: Table) -> None:
    """Numbers of the file before come again."""
    place = table.place("call_reference")
    before = table.extract.table(table.extract.earlier).whole
    for n, row in enumerate(table.whole):
        if n < len(before):
            row[place] = before[n][place]


@of_rows("crime_records")
def record_numbers_begin_anew(table: Table) -> None:
    """The series starts again at 1."""
    place = table.place("record_reference")
    for n, row in enumerate(table.whole, 1):
        row[place] = row[place][:4] + str(n).zfill(len(row[place]) - 4)


@of_rows()
def last_digit_dropped(table: Table) -> None:
    """The column was too narrow, or the last digit was taken for a check digit."""
    table.change("call_reference", lambda text: text[:-1])


@of_rows()
def zeros_lost(table: Table) -> None:
    """A spreadsheet took the serial for a number: NMP-20170401-7."""
    table.change("call_reference", lambda text: f"{text[:-4]}{int(text[-4:])}")


@of_rows("crime_records")
def scientific_numbers(table: Table) -> None:
    """A spreadsheet took the record's number for a large one: 1.21700E+10."""
    table.change("record_reference", lambda text: f"{float(text):.5E}")


@of_rows()
def numbers_blank(table: Table) -> None:
    """The column of numbers is blank."""
    table.set("call_reference", "")


@of_rows()
def another_forces_file(table: Table) -> None:
    """Numbers of another force."""
    table.change("call_reference", lambda text: "XYP" + text[3:])


@of_rows("crime_records", "call_reference")
def crimes_without_their_calls(table: Table) -> None:
    """The records' column of log numbers is blank."""
    table.set("call_reference", "")


# ---------------------------------------------------------------------- codes


@of_rows()
def unknown_codes(table: Table) -> None:
    """A new code list: one row of ten has a code that nobody mapped."""
    table.set("final_type_code", "ZZ99", every=10)


@of_rows("calls", "disposition_code")
def unknown_results(table: Table) -> None:
    """One row of ten was closed by a result that nobody mapped."""
    table.set("disposition_code", "NOT RMS 9", every=10)


@of_rows()
def all_one_code(table: Table) -> None:
    """The default of a drop-down list."""
    table.set("final_type_code", table.whole[0][table.place("final_type_code")])


@of_rows("calls", "district")
def all_one_district(table: Table) -> None:
    """The default of a drop-down list, in a column that no map checks."""
    table.set("district", table.whole[0][table.place("district")])


@of_rows()
def codes_in_lower_case(table: Table) -> None:
    """As another system writes them."""
    table.change("final_type_code", str.lower)


@of_rows("calls", "source_channel")
def channels_in_another_case(table: Table) -> None:
    """`Officer` for `OFFICER`: the flag that is made of it is no more."""
    table.change("source_channel", str.title)


@of_rows()
def codes_padded(table: Table) -> None:
    """Blanks on both sides, as columns of fixed width have them."""
    for name in ("final_type_code", "disposition_code", "district"):
        table.change(name, lambda text: f"  {text}   ")


@of_rows()
def codes_padded_with_hard_spaces(table: Table) -> None:
    """Blanks that look like blanks and are none (U+00A0)."""
    table.change("final_type_code", lambda text: f"\xa0{text}\xa0")


@of_rows("crime_records")
def offences_as_dates(table: Table) -> None:
    """A spreadsheet took 008/06 for a date."""
    table.change("offence_code", lambda text: f"{text[1:3]}-{text[-2:]}")


@of_rows("crime_records", "cancelled_at")
def cancellations_without_times(table: Table) -> None:
    """The column of their times is blank."""
    table.set("cancelled_at", "")


# ---------------------------------------------------------------------- values


@of_rows("calls", "district")
def column_blank(table: Table) -> None:
    """A column was not exported."""
    table.set("district", "")


@of_rows("calls", "beat")
def column_half_blank(table: Table) -> None:
    """Half of the rows lack it."""
    table.set("beat", "", every=2)


@of_rows("calls", "beat")
def word_null(table: Table) -> None:
    """NULL as a word."""
    table.set("beat", "NULL", every=5)


@of_rows("calls", "district")
def word_not_available(table: Table) -> None:
    """N/A in a column that no map checks."""
    table.set("district", "N/A", every=30)


@of_rows("crime_records", "call_reference")
def error_of_a_formula(table: Table) -> None:
    """A spreadsheet's look-up found nothing."""
    table.set("call_reference", "#N/A", every=4)


def _place_columns(table: Table) -> tuple[str, str]:
    has_grid = "easting" in table.extract.source.columns
    return ("easting", "northing") if has_grid else ("longitude", "latitude")


@of_rows()
def coordinates_swapped(table: Table) -> None:
    """Easting and northing, or longitude and latitude, in each other's columns."""
    table.swap(*_place_columns(table))


@of_rows()
def coordinates_of_another_projection(table: Table) -> None:
    """Degrees for metres, or metres for degrees."""
    x, y = _place_columns(table)
    is_grid = x == "easting"
    table.change(x, lambda _: "-1.54" if is_grid else "430000")
    table.change(y, lambda _: "54.1" if is_grid else "460000")


@of_rows()
def coordinates_of_nowhere(table: Table) -> None:
    """0 0 everywhere."""
    for column in _place_columns(table):
        table.set(column, "0")


@of_rows()
def half_of_the_coordinates(table: Table) -> None:
    """One of the two columns is blank."""
    table.set(_place_columns(table)[1], "", every=4)


@of_rows("calls", "easting")
def thousands_separators(table: Table) -> None:
    """430,120 for 430120."""
    table.change("easting", lambda text: f"{float(text):,.0f}")


@of_rows("calls", "longitude")
def decimal_commas(table: Table) -> None:
    """54,21 for 54.21."""
    for column in ("longitude", "latitude"):
        table.change(column, lambda text: text.replace(".", ","))


@of_rows("calls", "victim_birth_date")
def negative_ages(table: Table) -> None:
    """Born in the next century: a year of two digits, read as 20.."""
    mapping = table.extract.source.columns["victim_birth_date"]
    form = mapping.format[0]
    table.change(
        "victim_birth_date",
        lambda text: _written(lambda day: day.replace(year=day.year + 100, day=1), text, form),
    )


# ---------------------------------------------------------------------- text


@of_text
def mojibake(table: Table, column: str) -> None:
    """UTF-8 that was read as Windows-1252 and written as UTF-8 again."""
    table.change(column, lambda text: f"{text} Siân said £20 was taken".encode().decode("cp1252"))


@of_text
def html_entities(table: Table, column: str) -> None:
    """Text from a web form, escaped and never unescaped."""
    table.change(column, lambda text: html.escape(f'{text} "quoted" & <sic>'), every=10)


@of_text
def formulas_in_cells(table: Table, column: str) -> None:
    """Text that a spreadsheet runs."""
    table.change(column, lambda text: f'=HYPERLINK("http://example.org","{text}")', every=50)


@of_text
def texts_cut_off(table: Table, column: str) -> None:
    """A column of twenty characters."""
    table.change(column, lambda text: text[:20])


@of_text
def texts_blank(table: Table, column: str) -> None:
    """The text was not exported."""
    table.set(column, "")


@of_text
def delimiters_in_text(table: Table, column: str) -> None:
    """One text of thirty holds the delimiter, and nothing is quoted."""
    place = table.place(column)
    for row in table.whole[::30]:
        row[place : place + 1] = [row[place], "and more"]


@of_text
def lost_characters(table: Table, column: str) -> None:
    """U+FFFD in the place of what could not be decoded."""
    table.change(column, lambda text: text.replace("e", "\ufffd", 1), every=7)
