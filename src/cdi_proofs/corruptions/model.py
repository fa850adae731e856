"""A file that is to be spoiled, as bytes or as rows, and how a corruption is registered."""

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import Any

from cdi.agency.model import Agency, Source
from cdi.landing.read import normalise_header

# Columns of free text. An agency has one or the other.
TEXTS = {"calls": "log_text", "log_actions": "action_text"}
# The moment that a row of each dataset belongs to.
TIMES = {"calls": "received_at", "crime_records": "recorded_at", "log_actions": "acted_at"}


class Extract:
    """The newest file of a dataset, and the one before it.

    Attributes:
        agency: Whose file.
        dataset: What it holds.
        file: The file to spoil.
        earlier: The file before it, which is never changed.
    """

    def __init__(self, agency: Agency, dataset: str, file: Path, earlier: Path) -> None:
        """Name the file to spoil and the one before it."""
        self.agency, self.dataset, self.file, self.earlier = agency, dataset, file, earlier

    @property
    def source(self) -> Source:
        """How agency.yaml describes it."""
        return self.agency.sources[self.dataset]

    def read(self, file: Path | None = None) -> bytes:
        """Read the content, decompressed, of the file to spoil or of another one."""
        content = (file or self.file).read_bytes()
        return gzip.decompress(content) if self.file.suffix == ".gz" else content

    def write(self, content: bytes) -> None:
        """Replace the content; it is compressed if it was."""
        is_packed = self.file.suffix == ".gz"
        self.file.write_bytes(gzip.compress(content, 1, mtime=0) if is_packed else content)

    def table(self, file: Path | None = None) -> "Table":
        """Read the rows, field by field, of the file to spoil or of another one."""
        text = self.read(file).decode("utf-8-sig", "surrogateescape")
        if self.source.format == "jsonl":
            objects = [json.loads(line) for line in text.splitlines()]
            header = list(dict.fromkeys(key for row in objects for key in row))
            rows = [[row.get(key, "") for key in header] for row in objects]
        else:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.source.delimiter)
            header, *rows = list(reader)
        # A row that was broken before has another number of fields, and stays as it is.
        return Table(self, header, rows, [row for row in rows if len(row) == len(header)])

    def write_table(self, table: "Table", **options: Any) -> None:
        """Replace the content by rows.

        Delimiter, line ends and byte order mark stay as they are in the file, unless an option of
        `csv.writer` says otherwise.
        """
        if self.source.format == "jsonl":
            lines = [
                json.dumps({k: v for k, v in zip(table.header, row, strict=False) if v != ""})
                for row in table.rows
            ]
            self.write("".join(f"{line}\n" for line in lines).encode())
            return
        before = self.read()
        text = io.StringIO()
        line_end = "\r\n" if before.split(b"\n")[0].endswith(b"\r") else "\n"
        settings = {"delimiter": self.source.delimiter, "lineterminator": line_end, **options}
        csv.writer(text, **settings).writerows([table.header, *table.rows])
        mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
        self.write(mark + text.getvalue().encode("utf-8", "surrogateescape"))


@dataclass
class Table:
    """Rows of a file.

    Attributes:
        extract: Where they come from.
        header: Names of the columns, as the agency writes them.
        rows: All rows.
        whole: Those of them that have a field for each column; these are spoiled.
    """

    extract: Extract
    header: list[str]
    rows: list[list[str]]
    whole: list[list[str]] = field(repr=False)

    def place(self, column: str) -> int:
        """The place at which the agency has a column of the landing."""
        wanted = normalise_header(self.extract.source.columns[column].source)
        return [normalise_header(name) for name in self.header].index(wanted)

    def change(self, column: str, by: Callable[[str], str], every: int = 1) -> None:
        """Change the values of one column, in all rows or in every n-th. Blanks stay blank."""
        place = self.place(column)
        for row in self.whole[::every]:
            if row[place]:
                row[place] = by(row[place])

    def set(self, column: str, value: str, every: int = 1) -> None:
        """Set one column, in all rows or in every n-th, also where it is blank."""
        place = self.place(column)
        for row in self.whole[::every]:
            row[place] = value

    def swap(self, one: str, other: str) -> None:
        """Exchange the values of two columns."""
        first, second = self.place(one), self.place(other)
        for row in self.whole:
            row[first], row[second] = row[second], row[first]

    def times(self) -> dict[str, str]:
        """The columns of moments that the agency has, each with the format that it writes."""
        columns = self.extract.source.columns
        return {name: columns[name].format[0] for name in columns if name.endswith("_at")}

    def retime(self, by: Callable[[datetime], str | datetime], columns: str = "_at") -> None:
        """Change moments: in all columns of moments, or in those whose name ends so.

        Args:
            by: Returns another moment, or another text.
            columns: The end of the names of the columns.
        """
        for name, pattern in self.times().items():
            if name.endswith(columns):
                self.change(name, partial(rewrite_moment, by, pattern=pattern))

    def day(self) -> str:
        """The day that most rows are of, as the file writes it; of several the last by its text."""
        days = [row[self.place(TIMES[self.extract.dataset])][:10] for row in self.whole]
        return max(set(days), key=lambda day: (days.count(day), day))


def rewrite_moment(by: Callable[[datetime], str | datetime], text: str, pattern: str) -> str:
    """Change a moment that stands in a file as text.

    Args:
        by: Returns another moment, or another text.
        text: The moment; what is none stays as it is.
        pattern: The format of the moment, for `strptime`.
    """
    try:
        moment = datetime.strptime(text, pattern)
    except ValueError:
        return text
    changed = by(moment)
    return changed if isinstance(changed, str) else changed.strftime(pattern)


@dataclass(frozen=True)
class Corruption:
    """One way to spoil a file.

    Attributes:
        name: The name of its function.
        dataset: The dataset whose newest file it spoils.
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
        """Whether the agency has a file that this can happen to."""
        source = agency.sources.get(self.dataset)
        return (
            source is not None
            and source.format in self.formats
            and set(self.needs) <= set(source.columns)
        )


_REGISTERED: dict[str, list[Corruption]] = defaultdict(list)  # by the module of its function


def registered_in(module: str) -> list[Corruption]:
    """The corruptions of a module, in the order in which they stand there.

    Args:
        module: Its full name.
    """
    return _REGISTERED[module]


def _register(function: Callable[..., None], corruption: Corruption) -> None:
    """Remember a corruption under the module of its function."""
    _REGISTERED[function.__module__].append(corruption)


def of_file(dataset: str = "calls", formats: tuple[str, ...] = ("csv",)) -> Callable[..., Any]:
    """Register a function of an `Extract`, which spoils the file itself.

    Args:
        dataset: The dataset whose file it spoils.
        formats: Formats of files that it can befall.
    """

    def register(function: Callable[[Extract], None]) -> Callable[[Extract], None]:
        _register(function, Corruption(function.__name__, dataset, (), formats, function))
        return function

    return register


def of_rows(dataset: str = "calls", *needs: str) -> Callable[..., Any]:
    """Register a function of a `Table`, which spoils its rows.

    Args:
        dataset: The dataset whose file it spoils.
        needs: Columns that the agency must have for it.
    """

    def register(function: Callable[[Table], None]) -> Callable[[Table], None]:
        def spoil_rows(extract: Extract) -> None:
            table = extract.table()
            function(table)
            extract.write_table(table)

        corruption = Corruption(function.__name__, dataset, needs, ("csv", "jsonl"), spoil_rows)
        _register(function, corruption)
        return function

    return register


def of_text(function: Callable[[Table, str], None]) -> Callable[[Table, str], None]:
    """Register a function of a `Table` and its column of free text, for each dataset with one."""
    for dataset, column in TEXTS.items():

        @of_rows(dataset, column)
        @wraps(function)
        def spoil_text(table: Table, column: str = column) -> None:
            function(table, column)

    return function
