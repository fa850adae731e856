"""Nothing of a file vanishes while it is read: counted by hand, or by what the file is made of."""

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdi.agency.model import Source
from cdi.errors import SourceError
from cdi.landing import read
from cdi.landing.counting import check_parquet_rows
from cdi.sources.files import FetchedFile

HEADER = b"number,received,type,text\n"
WHOLE = b"T-%04d,2026-01-05,THEFT,a text that is as long as texts of calls mostly are\n"


def source(form: str = "csv") -> Source:
    return Source.model_validate(
        {
            "files": [{"path": "f*"}],
            "format": form,
            "delivery": "changes",
            "columns": {
                "call_reference": "number",
                "received_at": {"from": "received", "format": "%Y-%m-%d"},
                "final_type_code": "type",
                "log_text": "text",
            },
        }
    )


def read_bytes(
    folder: Path, content: bytes, form: str = "csv"
) -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """The rows that are read, and rule and text of those that are refused."""
    (folder / "f").write_bytes(content)
    with duckdb.connect() as con:
        file = FetchedFile("f", folder / "f", "", None)
        read.read_raw_rows(con, "calls", source(form), file, 0)
        rows = con.execute(
            f"select * exclude ({read.ROW_NO}) from raw order by {read.ROW_NO}"
        ).fetchall()
        return rows, con.execute("select rule_id, original from refused order by line").fetchall()


@pytest.fixture
def small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let DuckDB read in pieces that a small file fills too: as 64 MiB do in a large one."""
    monkeypatch.setattr(read, "MAX_ROW_BYTES", 10_000)
    monkeypatch.setattr(read, "BUFFER_BYTES", 20_000)


ROWS = [WHOLE % number for number in range(12_000)]


@pytest.mark.parametrize(
    "bad",
    [b'T-9999,2026-01-05,THEFT,"oh\n', b"T-9999,2026-01-05,THEFT,%s\n" % (b"x" * 100_000)],
    ids=["open quote", "long row"],
)
@pytest.mark.usefixtures("small_buffer")
def test_rows_that_vanish_in_a_large_file_stop_it(tmp_path: Path, bad: bytes) -> None:
    """DuckDB loses rows here without a word; found with files of 90 and 100 MB."""
    with pytest.raises(SourceError, match="SRC-UNCOUNTED") as caught:
        read_bytes(tmp_path, b"".join([HEADER, ROWS[0], bad, *ROWS[1:]]))
    content = b"".join([HEADER, bad, *ROWS])
    for mark in (b" ", b'"', b"\n"):
        content = content.replace(mark, b"")
    assert f"f holds {len(content):,} bytes" in caught.value.message
    assert "Nothing of it was taken" in caught.value.fix


@pytest.mark.usefixtures("small_buffer")
def test_a_long_row_in_quotation_marks_is_refused_with_its_text(tmp_path: Path) -> None:
    """DuckDB tells of such a row where its text begins, but gives the text of the row before."""
    bad = b'T-9999,2026-01-05,THEFT,"%s"' % (b"x" * 100_000)
    rows, refused = read_bytes(tmp_path, b"".join([HEADER, ROWS[0], bad, b"\n", *ROWS[1:]]))
    assert len(rows) == len(ROWS)
    assert [original for _, original in refused] == [bad.decode()]


@pytest.mark.usefixtures("small_buffer")
def test_a_row_over_the_limit_is_refused_as_too_long(tmp_path: Path) -> None:
    bad = b"T-9999,2026-01-05,THEFT," + b"x" * 12_000
    rows, refused = read_bytes(tmp_path, b"".join([HEADER, ROWS[0], bad, b"\n", ROWS[1]]))
    assert len(rows) == 2
    assert refused == [("READ-LENGTH", bad.decode())]


def test_what_is_written_in_another_way_is_not_missing(tmp_path: Path) -> None:
    """Quotes, doubled quotes, spaces beside quotes, line ends in texts, blank lines, odd bytes."""
    written = (
        b'\xef\xbb\xbfnumber,received,type,text\r\nT-1, "2026-01-05" ,"THE""FT",""\r\n\r\n'
        b'T-2,2026-01-05,\x01,"two\r\n\r\nlines"\r\nT-3,2026-01-05,"\x01",5" wide\r\n'
        b'T-4,2026-01-05,N\x00\xc3\xa9,"\n"'
    )
    rows, refused = read_bytes(tmp_path, written)
    assert refused == []
    assert rows == [
        ("T-1", "2026-01-05", 'THE"FT', ""),
        ("T-2", "2026-01-05", None, "two\r\n\r\nlines"),
        ("T-3", "2026-01-05", None, '5" wide'),
        ("T-4", "2026-01-05", "N\x00é", "\n"),
    ]


def test_a_refused_row_keeps_its_own_text_and_not_that_of_the_row_before(tmp_path: Path) -> None:
    """In a file with the line ends of Windows, DuckDB tells the place of the row before."""
    lines = [
        b"number,received,type,text",
        b'T-1,2026-01-05,THEFT,"one\ntwo"',
        b"T-2,2026-01-05,THEFT,good",
        b'T-3,2026-01-05,"THE"FT,bad',
        b"T-4,2026-01-05,THEFT,good",
        b"",
    ]
    rows, refused = read_bytes(tmp_path, b"\r\n".join(lines))
    assert [number for number, *_ in rows] == ["T-1", "T-2", "T-4"]
    assert refused == [("READ-QUOTE", lines[3].decode())]


CUT = {
    "too few fields": ("csv", HEADER + ROWS[0] + b"T-9999,2026-01"),
    "an open quote": ("csv", HEADER + ROWS[0] + b'T-9999,2026-01-05,THEFT,"he said\nand'),
    "half an object": ("jsonl", b'{"number": 1, "received": 2, "type": 3, "text": 4}\n{"numb'),
}


@pytest.mark.parametrize("case", CUT)
def test_a_file_that_ends_inside_a_row_is_not_taken(tmp_path: Path, case: str) -> None:
    form, content = CUT[case]
    with pytest.raises(SourceError, match="SRC-CUT"):
        read_bytes(tmp_path, content, form)
    # with a line end it is a whole row, only a bad one
    _, refused = read_bytes(tmp_path, content + b"\n", form)
    assert len(refused) == 1


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_whole_last_row_needs_no_line_end(tmp_path: Path, form: str) -> None:
    whole = {"csv": HEADER + ROWS[0].rstrip(), "jsonl": CUT["half an object"][1].split(b"\n")[0]}
    for end in (b"", b"\n", b"\n\n"):
        rows, refused = read_bytes(tmp_path, whole[form] + end, form)
        assert (len(rows), refused) == (1, [])


def test_blank_lines_of_json_are_nothing(tmp_path: Path) -> None:
    line = CUT["half an object"][1].split(b"\n")[0]
    rows, refused = read_bytes(tmp_path, b"\n" + line + b"\n   \n" + line + b"\n \n", "jsonl")
    assert (len(rows), refused) == (2, [])


def test_a_text_of_json_may_hold_a_backslash_before_a_nought(tmp_path: Path) -> None:
    r"""DuckDB would take `\0` for those two characters, if it were given as the delimiter."""
    row = {"number": "T-1", "received": "2026-01-05", "type": "THEFT", "text": r"on 01\02\17"}
    rows, refused = read_bytes(tmp_path, json.dumps(row).encode() + b"\n", "jsonl")
    assert rows == [("T-1", "2026-01-05", r"on 01\02\17", "THEFT")]
    assert refused == []


def make_objects(*texts: str) -> list[bytes]:
    """JSON objects, a row of a call each."""
    row = {"received": "2026-01-05", "type": "THEFT"}
    return [
        json.dumps({"number": f"T-{n}", "text": text} | row, ensure_ascii=False).encode("cp1252")
        for n, text in enumerate(texts)
    ]


def test_a_byte_that_is_not_utf8_refuses_its_line_of_json_alone(tmp_path: Path) -> None:
    lines = make_objects("good", "caf\xe9", r"C:\xe9", "good")
    rows, refused = read_bytes(tmp_path, b"\n".join([*lines, b"[1]", b""]), "jsonl")
    assert [row[0] for row in rows] == ["T-0", "T-2", "T-3"]
    assert rows[1][2] == r"C:\xe9"
    told = lines[1].decode("cp1252").replace("\xe9", r"\xe9")
    assert refused == [("READ-ENCODING", told), ("READ-JSON", "[1]")]


def test_a_last_line_with_such_a_byte_is_whole_without_a_line_end(tmp_path: Path) -> None:
    lines = make_objects("good", "caf\xe9")
    rows, refused = read_bytes(tmp_path, b"\n".join(lines), "jsonl")
    assert [row[0] for row in rows] == ["T-0"]
    assert [rule for rule, _ in refused] == ["READ-ENCODING"]
    cut = lines[1].partition(b"\xe9")[0] + b"\xe9"
    with pytest.raises(SourceError, match=r"SRC-CUT.* at line 2"):
        read_bytes(tmp_path, lines[0] + b"\n" + cut, "jsonl")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
@pytest.mark.parametrize(("newline", "end"), [("\n", "\n"), ("\n", ""), ("\r\n", "")])
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_in_another_encoding_says_so(
    tmp_path: Path, form: str, newline: str, end: str, encoding: str
) -> None:
    """Of an array no element can be told from the next, if one of them cannot be read."""
    lines = [line.decode("cp1252") for line in make_objects("caf\xe9", "na\xefve")]
    text = newline.join(lines) if form == "jsonl" else f"[{','.join(lines)}]"
    content = (text + end).encode(encoding)
    with pytest.raises(SourceError, match=r"SRC-FORMAT.* f is not UTF-8") as caught:
        read_bytes(tmp_path, content, form)
    assert "set `encoding` of the source" in caught.value.fix


def test_half_a_character_in_a_json_array_is_told_as_that(tmp_path: Path) -> None:
    half = json.dumps([{"number": "T-1", "text": "cut \ud83d"}]).encode()
    with pytest.raises(SourceError, match=r"SRC-FORMAT.* f has half a character") as caught:
        read_bytes(tmp_path, half, "json")
    assert "T-1" not in str(caught.value)


def test_a_parquet_file_has_as_many_rows_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    with duckdb.connect() as con:
        con.execute("copy (from range(3)) to $path (format parquet)", {"path": str(path)})
        file = FetchedFile("f.parquet", path, "", None)
        con.execute("create table raw as from range(3)")
        check_parquet_rows(con, file)
        con.execute("delete from raw where range = 1")
        with pytest.raises(SourceError, match="SRC-UNCOUNTED"):
            check_parquet_rows(con, file)


@pytest.mark.parametrize("spelling", ["Closing Code", "CLOSING_CODE"])
@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet"])
def test_a_column_under_two_spellings_is_refused_in_each_format(
    tmp_path: Path, form: str, spelling: str
) -> None:
    """Only one of them would be read, and the values of the other would be lost."""
    headers = ["number", "received", "type", "text", spelling, "closing_code"]
    values = ["T-1", "2026-01-05", "THEFT", "text", "A", "B"]
    # in JSON the two need not even stand in one object
    one, other = (
        json.dumps(
            {name: value for name, value in zip(headers, values, strict=True) if name != left}
        )
        for left in (headers[-1], headers[-2])
    )
    pq.write_table(pa.table([[value] for value in values], names=headers), tmp_path / "g")
    content = {
        "csv": f"{','.join(headers)}\n{','.join(values)}\n".encode(),
        "json": f"[{one}, {other}]".encode(),
        "jsonl": f"{one}\n{other}\n".encode(),
        "parquet": (tmp_path / "g").read_bytes(),
    }
    both = f"{spelling} and closing_code"  # as they stand in the file
    with pytest.raises(SourceError, match=rf"SRC-COLUMNS.*f has a column twice: {both}\n"):
        read_bytes(tmp_path, content[form], form)


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_an_object_that_has_a_key_twice_is_refused_alone(tmp_path: Path, form: str) -> None:
    """Only one of the two values would be read; keys within a value are no columns."""
    whole = '{"number":"T-1","received":"2026-01-05","type":"THEFT","text":{"a":1,"a":2}}'
    twice = '{"number":"T-2","received":"2026-01-05","type":"THEFT","text":"x","type":"RAPE"}'
    content = f"{whole}\n{twice}\n" if form == "jsonl" else f"[{whole}, {twice}]"
    rows, refused = read_bytes(tmp_path, content.encode(), form)
    assert [number for number, *_ in sorted(rows)] == ["T-1"]
    assert refused == [("READ-KEYS", twice)]


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_file_that_has_a_key_twice_in_each_object_says_so(tmp_path: Path, form: str) -> None:
    """A join exports two columns of one name, and each object is refused; none has a column."""
    twice = '{"number":"T-2","received":"2026-01-05","type":"THEFT","text":"x","number":"T-2"}'
    content = f"{twice}\n{twice}\n" if form == "jsonl" else f"[{twice}, {twice}]"
    with pytest.raises(SourceError) as error:
        read_bytes(tmp_path, content.encode(), form)
    assert error.value.rule_id == "SRC-COLUMNS"
    assert error.value.message == "in each object of f a key is there twice: number"
