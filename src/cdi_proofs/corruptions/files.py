"""What goes wrong with a file as a whole: its bytes, its lines, its format."""

import csv
import io
import json

from cdi_proofs.corruptions.model import Extract, of_file


@of_file()
def gzip_cut_off(extract: Extract) -> None:
    """The transfer of the file broke off."""
    packed = extract.file.read_bytes()
    extract.file.write_bytes(packed[: len(packed) * 2 // 3])


@of_file()
def gzip_twice(extract: Extract) -> None:
    """The file was packed twice: by the export and by the transfer."""
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
    """Only half of the file arrived, and its last row is broken off."""
    content = extract.read()
    extract.write(content[: len(content) // 2])


@of_file("crime_records", ("csv", "jsonl"))
def crimes_cut_in_half(extract: Extract) -> None:
    """Only half of the records arrived, and the last one is broken off."""
    cut_in_half(extract)


@of_file()
def utf16(extract: Extract) -> None:
    """A spreadsheet saved the file as `Unicode`, which is UTF-16 there."""
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
    """The file begins with a byte order mark where it had none, or has none where it had one."""
    content, mark = extract.read(), b"\xef\xbb\xbf"
    extract.write(content.removeprefix(mark) if content.startswith(mark) else mark + content)


@of_file()
def other_line_ends(extract: Extract) -> None:
    """Rows end with CR LF instead of LF, or the other way round."""
    has_cr = extract.read().split(b"\n")[0].endswith(b"\r")
    extract.write_table(extract.table(), lineterminator="\n" if has_cr else "\r\n")


@of_file()
def mixed_line_ends(extract: Extract) -> None:
    """Two exports were joined: the rows of one end with CR LF, those of the other with LF."""
    lines = extract.read().replace(b"\r\n", b"\n").split(b"\n")
    half = len(lines) // 2
    extract.write(b"\r\n".join(lines[:half]) + b"\r\n" + b"\n".join(lines[half:]))


@of_file()
def unclosed_quote(extract: Extract) -> None:
    """A text begins with a quotation mark and was not quoted."""
    lines = extract.read().splitlines(keepends=True)
    half = len(lines) // 2
    lines[half] = b'"' + lines[half]
    extract.write(b"".join(lines))


@of_file()
def all_quoted(extract: Extract) -> None:
    """Each field stands in quotation marks."""
    extract.write_table(extract.table(), quoting=csv.QUOTE_ALL)


@of_file()
def other_delimiter(extract: Extract) -> None:
    """Fields are separated by commas, as in most exports."""
    extract.write_table(extract.table(), delimiter=",")


@of_file()
def rows_in_another_order(extract: Extract) -> None:
    """The newest rows stand first."""
    table = extract.table()
    table.rows.reverse()
    extract.write_table(table)


@of_file()
def web_page(extract: Extract) -> None:
    """The log-in page of the portal was saved under the file's name."""
    extract.write(b"<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n" * 40)


@of_file()
def spreadsheet_file(extract: Extract) -> None:
    """A workbook stands under the name of a CSV file."""
    from openpyxl import Workbook  # takes a second to import

    book, packed = Workbook(), io.BytesIO()
    for row in extract.table().whole[:50]:
        book.active.append(row)
    book.save(packed)
    extract.write(packed.getvalue())


@of_file()
def null_bytes(extract: Extract) -> None:
    """A column of fixed width is filled up with NUL characters."""
    table = extract.table()
    table.change("district", lambda text: text + "\0\0\0")
    extract.write_table(table)


@of_file()
def footer(extract: Extract) -> None:
    """The database added its own last line."""
    extract.write(extract.read() + b"\n(1234 rows affected)\n")


@of_file()
def blank_lines(extract: Extract) -> None:
    """A blank line follows each twentieth row."""
    lines = extract.read().splitlines(keepends=True)
    extract.write(
        b"".join(line + (b"\n" if n % 20 == 0 else b"") for n, line in enumerate(lines, 1))
    )


@of_file("crime_records", ("jsonl",))
def json_with_single_quotes(extract: Extract) -> None:
    """A program wrote its own notation for dictionaries instead of JSON."""
    lines = extract.read().splitlines()
    extract.write("".join(f"{json.loads(line)}\n" for line in lines).encode())


@of_file("crime_records", ("jsonl",))
def json_as_one_array(extract: Extract) -> None:
    """All objects stand in one array, instead of one on each line."""
    lines = extract.read().splitlines()
    extract.write(json.dumps([json.loads(line) for line in lines], indent=1).encode())
