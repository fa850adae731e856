"""A sample is the same in every format, and a file without a header is refused unshown."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdi.agency.model import Source
from cdi.errors import SourceError
from cdi.landing.read import ROW_NO, read_raw_rows
from cdi.onboarding import reading
from cdi.onboarding.findings import fix_refused
from cdi.onboarding.reading import read_file_sample
from cdi.sources.files import FetchedFile
from cdi.sql import connect, fetch_dicts
from tests.unit.onboarding.invented import write_csv

ROWS = [
    {"Log Number": "0012", "Opened As": "NOISE", "Note": "a; b"},
    {"Log Number": "0013", "Opened As": "", "Note": ' "c"'},
]


def write_json(path: Path) -> None:
    path.write_text(json.dumps(ROWS), encoding="utf-8")


def write_jsonl(path: Path) -> None:
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")


def write_parquet(path: Path) -> None:
    with connect() as con:
        con.execute(
            "copy (select '0012' as \"Log Number\", 'NOISE' as \"Opened As\", 'a; b' as \"Note\" "
            "union all select '0013', '', ' \"c\"' order by 1) "
            f"to '{path}' (format parquet)"
        )


def write_pipes(path: Path) -> None:
    path.write_text('Log Number|Opened As|Note\n0012|NOISE|a; b\n0013||" ""c"""\n')


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("calls.csv", lambda path: write_csv(path, ROWS)),
        ("calls.txt", write_pipes),
        ("calls.json", write_json),
        ("calls.jsonl", write_jsonl),
        ("calls.parquet", write_parquet),
    ],
)
def test_every_format_gives_the_same_sample(
    name: str, write: Callable[[Path], None], is_packed: bool, tmp_path: Path
) -> None:
    file = tmp_path / name
    write(file)
    if is_packed:
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        file = packed
    with connect() as con:
        sample = read_file_sample(con, "calls", file)
        rows = fetch_dicts(con, f"select log_number, opened_as, note from calls order by {ROW_NO}")
    assert set(sample.headers.values()) == {"Log Number", "Opened As", "Note"}
    assert (sample.row_count, sample.refused) == (2, {})
    assert rows == [
        {"log_number": "0012", "opened_as": "NOISE", "note": "a; b"},
        {"log_number": "0013", "opened_as": None, "note": '"c"'},
    ]
    assert sample.place["path"] == file.name
    assert sample.place.get("format", "csv") == {".txt": "csv"}.get(
        Path(name).suffix, Path(name).suffix[1:]
    )
    assert sample.place.get("delimiter", ",") == ("|" if name == "calls.txt" else ",")


def test_a_row_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    # Most of it is UTF-8, so the row that is not is refused, and the file is not taken for another.
    file.write_bytes("number,type\n1,Ä\n2,B,C\n3,".encode() + "Café\n4,B\n".encode("cp1252"))
    with connect() as con:
        # what one source lost is not counted for the next
        samples = [read_file_sample(con, name, file) for name in ("calls", "crime_records")]
    for sample in samples:
        assert (sample.row_count, sample.refused) == (2, {"READ-ENCODING": 1, "READ-WIDTH": 1})
    assert "UTF-8" in fix_refused(samples[0].refused)


@pytest.mark.parametrize(
    ("written_in", "encoding"),
    [("cp1252", "windows-1252"), ("utf-16", "utf-16"), ("utf-8", None), ("utf-8-sig", None)],
)
@pytest.mark.parametrize("name", ["calls.csv", "calls.csv.gz", "calls.jsonl"])
def test_a_file_that_is_not_utf8_is_read_in_the_encoding_that_it_looks_like(
    tmp_path: Path, name: str, written_in: str, encoding: str | None
) -> None:
    text = "number,type\n1,Café £5 – “no”\n2,B\n"
    if name == "calls.jsonl":
        text = '{"number": "1", "type": "Café £5 – “no”"}\n{"number": "2", "type": "B"}\n'
    content = text.encode(written_in)
    file = tmp_path / name
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with connect() as con:
        sample = read_file_sample(con, "calls", file)
        rows = con.execute(f"select number, type from calls order by {ROW_NO}").fetchall()
    assert rows == [("1", "Café £5 – “no”"), ("2", "B")]
    assert (sample.refused, sample.place.get("encoding")) == ({}, encoding)


@pytest.mark.parametrize(
    ("name", "content", "rule_id", "fix"),
    [
        ("calls.xlsx", b"PK", "SRC-FORMAT", "export it as one of these"),
        ("calls {2026}.csv", b"number,type\n1,A\n", "SRC-FORMAT", "rename the file"),
        ("calls.csv", b"PK\x03\x04\r\x07\x08", "SRC-FORMAT", "export the table as CSV"),
        (
            "calls.csv",
            "number;type\r\n1;A".encode("utf-16")[:-1],
            "SRC-ENCODING",
            "delivered again",
        ),
        ("calls.csv", b"", "SRC-EMPTY", "copy the file again"),
        ("calls.csv", b"number,type\n", "SRC-EMPTY", "give a file that has rows"),
        (
            "calls.csv.gz",
            gzip.compress(b"number,type\n1,A\n", mtime=0)[:-9],
            "SRC-GZIP",
            "copy the file",
        ),
        ("calls.json", b'{"features": []}', "SRC-FORMAT", "format: jsonl"),
        # without a header: a phone among the first row; a type that later rows have too
        ("calls.csv", b"Jane Quill,07700 900123\nSam,1\n", "SRC-COLUMNS", "put a line"),
        ("calls.csv", b"Jane Quill,NOISE\nSam,ALARM\nAnn,NOISE\n", "SRC-COLUMNS", "put a line"),
        ("calls.csv", b"Jane Quill,Jane Quill,07700 900123\n1,2,3\n", "SRC-COLUMNS", "put a line"),
    ],
)
def test_what_cannot_be_read_is_told_with_a_next_step_and_without_a_value(
    name: str, content: bytes, rule_id: str, fix: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with connect() as con, pytest.raises(SourceError) as refused:
        read_file_sample(con, "calls", tmp_path / name)
    assert refused.value.rule_id == rule_id
    assert fix in refused.value.fix
    assert "Quill" not in str(refused.value)
    assert "07700" not in str(refused.value)


def test_rows_lie_in_the_state_folder_while_they_are_read_and_are_gone_then(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def read_noted(con: Any, dataset: str, source: Source, file: FetchedFile, number: int) -> Any:
        seen.append(file.path)
        return read_raw_rows(con, dataset, source, file, number)

    monkeypatch.setattr(reading, "read_raw_rows", read_noted)
    file = write_csv(tmp_path / "calls.csv", ROWS)
    with connect() as con:
        read_file_sample(con, "calls", file)
    assert seen[0].parent.parent == state / "scratch"
    assert not seen[0].parent.exists()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with connect() as con, pytest.raises(SourceError, match=r"SRC-NOT-FOUND.*nowhere\.csv"):
        read_file_sample(con, "calls", tmp_path / "nowhere.csv")


def test_a_folder_is_not_called_a_file_that_is_not_there(tmp_path: Path) -> None:
    with connect() as con, pytest.raises(SourceError) as raised:
        read_file_sample(con, "calls", tmp_path)
    assert str(raised.value).startswith(f"[SRC-NOT-FOUND] {tmp_path} is a folder")


def test_a_header_that_is_there_again_between_the_rows_is_no_value(tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    file.write_text("number,type\n1,A\nnumber,type\n2,B\n")
    with connect() as con:
        assert read_file_sample(con, "calls", file).row_count == 3
