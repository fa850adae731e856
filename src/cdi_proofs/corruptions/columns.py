"""What goes wrong with headers and columns."""

import gzip

from cdi_proofs.corruptions.model import Extract, Table, of_file, of_rows


@of_file("crime_records", ("csv", "jsonl"))
def another_dataset(extract: Extract) -> None:
    """The calls were delivered under the name of the records."""
    calls = extract.file.with_name(extract.file.name.replace("crimes", "calls"))
    other = calls if calls.is_file() else next(extract.file.parent.glob("calls-*"))
    content = other.read_bytes()
    extract.write(gzip.decompress(content) if other.suffix == ".gz" else content)


@of_file()
def header_missing(extract: Extract) -> None:
    """The export left the header out."""
    extract.write(b"".join(extract.read().splitlines(keepends=True)[1:]))


@of_file()
def header_twice(extract: Extract) -> None:
    """Two files were joined, each with its header."""
    lines = extract.read().splitlines(keepends=True)
    half = len(lines) // 2
    extract.write(b"".join([*lines[:half], lines[0].removeprefix(b"\xef\xbb\xbf"), *lines[half:]]))


@of_rows()
def header_renamed(table: Table) -> None:
    """A column has a new name."""
    table.header[table.place("final_type_code")] = "Closing Classification Code"


@of_rows()
def columns_in_another_order(table: Table) -> None:
    """The same columns stand in another order: by name."""
    order = sorted(range(len(table.header)), key=lambda n: table.header[n])
    table.header = [table.header[n] for n in order]
    for row in table.whole:
        row[:] = [row[n] for n in order]


@of_rows()
def surplus_column(table: Table) -> None:
    """There is a new column that nobody announced."""
    table.header.append("Ethnicity")
    for row in table.whole:
        row.append("W1")


@of_rows()
def blank_columns_at_the_end(table: Table) -> None:
    """The file comes from a spreadsheet that once had more columns."""
    table.header += ["", ""]
    for row in table.whole:
        row += ["", ""]


@of_rows()
def surplus_fields(table: Table) -> None:
    """Rows end with a delimiter; the header does not."""
    for row in table.whole:
        row.append("")


@of_rows()
def columns_shifted(table: Table) -> None:
    """All values stand one column further on, and those of the last column are lost."""
    for row in table.whole:
        row[1:] = ["", *row[1:-1]]


@of_rows()
def columns_shifted_in_some_rows(table: Table) -> None:
    """The values of one row in ten stand one column further on."""
    for row in table.whole[::10]:
        row[1:] = ["", *row[1:-1]]


@of_rows("calls", "initial_type_code", "disposition_code")
def codes_in_each_others_columns(table: Table) -> None:
    """Opening codes and results stand in each other's columns."""
    table.swap("initial_type_code", "disposition_code")


@of_rows("calls", "district", "beat")
def district_in_the_beats_column(table: Table) -> None:
    """District and beat, both codes of places, stand in each other's columns."""
    table.swap("district", "beat")
