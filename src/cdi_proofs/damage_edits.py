"""Edits of what is kept, as a person or a faulty restore would make them: part of `damage`.

Each edit leaves files that can be read: only their content, their place or their number is wrong.
None has the agency's key, but an edit may work out again every hash that needs no key.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from cdi import paths

NAME = paths.SIMULATED
Apply = Callable[[random.Random], None]


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes:
        kind: What is edited.
        title: What is done to it.
        apply: Does it; it is given a source of chance.
    """

    kind: str
    title: str
    apply: Apply


EDITS: list[Edit] = []


def _edit(kind: str, title: str) -> Callable[[Apply], Apply]:
    def register(apply: Apply) -> Apply:
        EDITS.append(Edit(kind, title, apply))
        return apply

    return register


def _batches(dataset: str) -> list[Path]:
    """The accepted batches of a dataset, in the order of their acceptance."""
    folders = (paths.landing(NAME, dataset) / "batches").glob("[!.]*/")
    return sorted(folders, key=lambda folder: _read_json(folder / "manifest.json")["seq"])


def _read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _change_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = _read_json(file)
    change(value)
    replace_file(file, json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")


def replace_file(file: Path, content: bytes) -> None:
    """Put another file in its place, with the same mode; hard links to the old one stay."""
    mode = file.stat().st_mode
    file.unlink()
    file.write_bytes(content)
    file.chmod(mode)


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def _set(value: dict[str, Any], **changed: Any) -> None:
    value.update(changed)


def _change_cell(chance: random.Random, file: Path, *columns: str) -> None:
    """Change one cell of a Parquet file to another value of its kind, and write it validly."""
    table = pq.read_table(file)
    name = chance.choice([column for column in columns or table.column_names])
    values = table[name].to_pylist()
    place = chance.choice([n for n, value in enumerate(values) if value is not None])
    value = values[place]
    if isinstance(value, bool):
        values[place] = not value
    elif isinstance(value, str):
        values[place] = value[:-1] + ("1" if value[-1:] != "1" else "2")
    elif isinstance(value, date):
        values[place] = value + timedelta(days=1)
    else:
        values[place] = value + 1
    at, field = table.column_names.index(name), table.schema.field(name)
    changed = table.set_column(at, field, pa.array(values, field.type))
    temporary = file.with_name(".changed")
    pq.write_table(changed, temporary, compression="zstd")
    content = temporary.read_bytes()
    temporary.unlink()
    replace_file(file, content)


def _swap(first: Path, second: Path) -> None:
    aside = first.with_name(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


# ---------------------------------------------------------------------- landing


@_edit("landing", "a cell of a call is changed")
def _change_call(chance: random.Random) -> None:
    _change_cell(chance, chance.choice(_batches("calls")) / "rows.parquet", "final_type_code")


@_edit("landing", "a cell of a crime record is changed")
def _change_record(chance: random.Random) -> None:
    _change_cell(chance, chance.choice(_batches("crime_records")) / "rows.parquet", "offence_code")


@_edit("landing", "a cell of a refused row is changed")
def _change_refused(chance: random.Random) -> None:
    files = [batch / "quarantine.parquet" for batch in _batches("calls")]
    filled = [file for file in files if pq.read_metadata(file).num_rows]
    _change_cell(chance, chance.choice(filled), "original_masked")


@_edit("landing", "a row is taken out of a batch, and its manifest counts one less")
def _remove_row(chance: random.Random) -> None:
    batch = chance.choice(_batches("calls"))
    table = pq.read_table(batch / "rows.parquet")
    temporary = batch / ".changed"
    pq.write_table(table.slice(1), temporary)
    replace_file(batch / "rows.parquet", temporary.read_bytes())
    temporary.unlink()

    def count_less(manifest: dict[str, Any]) -> None:
        for counts in (manifest, manifest["files"][0]):
            counts.update(accepted=counts["accepted"] - 1, read=counts["read"] - 1)

    _change_json(batch / "manifest.json", count_less)


@_edit("landing", "the counts of a manifest are changed")
def _change_counts(chance: random.Random) -> None:
    def count_more(manifest: dict[str, Any]) -> None:
        manifest["files"][0]["duplicates"] += 1
        manifest["duplicates"] += 1

    _change_json(chance.choice(_batches("calls")) / "manifest.json", count_more)


@_edit("landing", "the time of a file is changed in the manifest")
def _change_time(chance: random.Random) -> None:
    def make_older(manifest: dict[str, Any]) -> None:
        manifest["files"][0]["as_of"] = manifest["as_of"] = "2017-06-01T00:00:00+00:00"

    _change_json(chance.choice(_batches("calls")) / "manifest.json", make_older)


@_edit("landing", "a manifest names another agency")
def _change_agency(chance: random.Random) -> None:
    batch = chance.choice(_batches("calls"))
    _change_json(batch / "manifest.json", lambda manifest: manifest.update(agency="elsewhere"))


@_edit("landing", "what a rule found of a batch is changed")
def _change_result(chance: random.Random) -> None:
    file = chance.choice(_batches("calls")) / "validation.json"
    results = json.loads(file.read_text(encoding="utf-8"))
    chance.choice(results)["unexpected_count"] = 7
    replace_file(file, json.dumps(results).encode())


@_edit("landing", "the results of a batch's rules are deleted")
def _delete_results(chance: random.Random) -> None:
    (chance.choice(_batches("calls")) / "validation.json").unlink()


@_edit("landing", "the refused rows of a batch are deleted")
def _delete_refused(chance: random.Random) -> None:
    (chance.choice(_batches("calls")) / "quarantine.parquet").unlink()


@_edit("landing", "the first batch is deleted")
def _delete_first(chance: random.Random) -> None:
    shutil.rmtree(_batches("calls")[0])


@_edit("landing", "the last batch is deleted")
def _delete_last(chance: random.Random) -> None:
    shutil.rmtree(_batches("calls")[-1])


@_edit("landing", "all batches of a dataset are deleted")
def _delete_all(chance: random.Random) -> None:
    for batch in _batches("crime_records"):
        shutil.rmtree(batch)


@_edit("landing", "two batches change places")
def _swap_batches(chance: random.Random) -> None:
    _swap(*_batches("calls")[:2])


@_edit("landing", "two batches change their rows")
def _swap_rows(chance: random.Random) -> None:
    first, second = _batches("crime_records")[:2]
    _swap(first / "rows.parquet", second / "rows.parquet")


@_edit("landing", "two batches change their numbers")
def _swap_numbers(chance: random.Random) -> None:
    first, second = _batches("calls")[:2]
    numbers = [_read_json(batch / "manifest.json")["seq"] for batch in (second, first)]
    for batch, seq in zip((first, second), numbers, strict=True):
        _change_json(batch / "manifest.json", partial(_set, seq=seq))


@_edit("landing", "the last batch is deleted, and the one before is named the newest")
def _shorten(chance: random.Random) -> None:
    first, last = _batches("calls")[-2:]
    manifest = _read_json(first / "manifest.json")
    newest = {"links": [manifest["link"]]}
    _change_json(paths.landing(NAME, "calls") / "newest.json", lambda value: value.update(newest))
    shutil.rmtree(last)


@_edit("landing", "the note of the newest batch is deleted")
def _delete_newest(chance: random.Random) -> None:
    (paths.landing(NAME, "calls") / "newest.json").unlink()


# ---------------------------------------------------------------------- tombstones and key


@_edit("tombstones", "a line is deleted")
def _delete_tombstone(chance: random.Random) -> None:
    file = paths.tombstones(NAME)
    replace_file(file, b"".join(_lines(file)[1:]))


@_edit("tombstones", "the last line is deleted")
def _delete_last_tombstone(chance: random.Random) -> None:
    file = paths.tombstones(NAME)
    replace_file(file, b"".join(_lines(file)[:-1]))


@_edit("tombstones", "a hash is changed")
def _change_tombstone(chance: random.Random) -> None:
    file = paths.tombstones(NAME)
    line = json.loads(_lines(file)[0])
    line["hashes"][0] = line["hashes"][0][::-1]
    replace_file(file, b"".join([json.dumps(line).encode() + b"\n", *_lines(file)[1:]]))


@_edit("tombstones", "the file is deleted")
def _delete_tombstones(chance: random.Random) -> None:
    paths.tombstones(NAME).unlink()


@_edit("key", "the key is replaced by another")
def _replace_key(chance: random.Random) -> None:
    replace_file(paths.secrets() / f"{NAME}.key", f"{chance.randbytes(32).hex()}\n".encode())


@_edit("key", "the key is deleted")
def _delete_key(chance: random.Random) -> None:
    (paths.secrets() / f"{NAME}.key").unlink()


# ---------------------------------------------------------------------- weights


def _weights(kind: str) -> list[Path]:
    """The versions of a kind, in the order in which they were learnt."""
    folders = (paths.weights(NAME) / kind).glob("[!.]*/")
    return sorted(folders, key=lambda folder: _read_json(folder / "weights.json")["seq"])


@_edit("weights", "two versions change places")
def _swap_weights(chance: random.Random) -> None:
    _swap(*_weights("text")[:2])


@_edit("weights", "the place of an older version in the order is changed to the newest")
def _renew_weights(chance: random.Random) -> None:
    file = _weights("text")[0] / "weights.json"
    _change_json(file, lambda described: described.update(seq=99))


@_edit("weights", "two versions change their places in the order")
def _swap_order(chance: random.Random) -> None:
    for folder, seq in zip(_weights("text")[:2], (2, 1), strict=True):
        _change_json(folder / "weights.json", partial(_set, seq=seq))


@_edit("weights", "a number of the newest version is changed")
def _change_weight(chance: random.Random) -> None:
    files = [
        file
        for kind in ("links", "text")
        for file in sorted(_weights(kind)[-1].glob("*.parquet"))
        if file.name != "audited.parquet"
    ]
    _change_cell(chance, chance.choice(files))


@_edit("weights", "a file of the newest version is deleted")
def _delete_weight(chance: random.Random) -> None:
    chance.choice(sorted(_weights("text")[-1].glob("*.parquet"))).unlink()


@_edit("weights", "the newest version is deleted")
def _delete_weights(chance: random.Random) -> None:
    shutil.rmtree(_weights("text")[-1])


# ---------------------------------------------------------------------- decisions


def _change_decisions(change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = paths.decisions_file(NAME)
    header, *rows = _lines(file)
    replace_file(file, b"".join([header, *change(rows)]))


@_edit("decisions", "a decision is deleted")
def _delete_decision(chance: random.Random) -> None:
    place = chance.randrange(8)
    _change_decisions(lambda rows: rows[:place] + rows[place + 1 :])


@_edit("decisions", "the last decision is deleted")
def _delete_last_decision(chance: random.Random) -> None:
    _change_decisions(lambda rows: rows[:-1])


@_edit("decisions", "a decision is altered")
def _alter_decision(chance: random.Random) -> None:
    place = chance.randrange(4) * 2
    _change_decisions(
        lambda rows: [
            row.replace(b"confirmed", b"null_link") if n == place else row
            for n, row in enumerate(rows)
        ]
    )


@_edit("decisions", "decisions are reordered")
def _reorder_decisions(chance: random.Random) -> None:
    _change_decisions(lambda rows: rows[::-1])


@_edit("decisions", "the file is deleted")
def _delete_decisions(chance: random.Random) -> None:
    paths.decisions_file(NAME).unlink()


# ---------------------------------------------------------------------- audit


def _change_register(change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = paths.audit(NAME) / "register.jsonl"
    replace_file(file, b"".join(change(_lines(file))))


@_edit("audit register", "a line is deleted")
def _delete_line(chance: random.Random) -> None:
    _change_register(lambda lines: [lines[0], *lines[2:]])


@_edit("audit register", "the last line is deleted")
def _delete_last_line(chance: random.Random) -> None:
    _change_register(lambda lines: lines[:-1])


@_edit("audit register", "a line is altered")
def _alter_line(chance: random.Random) -> None:
    _change_register(lambda lines: [lines[0].replace(b"AUD01", b"AUD09"), *lines[1:]])


@_edit("audit register", "a line is altered, and the chain is worked out again")
def _alter_chain(chance: random.Random) -> None:
    def chain(lines: list[bytes]) -> list[bytes]:
        previous, out = "0" * 64, []
        for text in lines:
            line = {name: value for name, value in json.loads(text).items() if name != "hash"}
            if line["kind"] == "delivery":
                line["rows"] += 1
            line["previous"] = previous
            content = json.dumps(line, sort_keys=True).encode() + b"\x1f"
            previous = hashlib.sha256(content).hexdigest()
            out.append(json.dumps(line | {"hash": previous}, sort_keys=True).encode() + b"\n")
        return out

    _change_register(chain)


@_edit("audit register", "lines are reordered")
def _reorder_lines(chance: random.Random) -> None:
    _change_register(lambda lines: [*lines[:-2], lines[-1], lines[-2]])


def _draw_folder() -> Path:
    return next(iter(sorted(paths.audit(NAME).glob("*/frame.parquet")))).parent


@_edit("audit draw", "a prediction of the frame is changed")
def _change_prediction(chance: random.Random) -> None:
    _change_cell(chance, _draw_folder() / "frame.parquet", "missed")


@_edit("audit draw", "an inclusion probability of the frame is changed")
def _change_inclusion(chance: random.Random) -> None:
    _change_cell(chance, _draw_folder() / "frame.parquet", "inclusion_probability")


@_edit("audit draw", "a drawn log is exchanged for another")
def _change_sample(chance: random.Random) -> None:
    _change_cell(chance, _draw_folder() / "sample.parquet", "position")


def _findings() -> list[Path]:
    return sorted(paths.findings(NAME).glob("*.csv"))


@_edit("audit findings", "an answer is altered")
def _alter_answer(chance: random.Random) -> None:
    file = next(file for file in _findings() if b",Y," in file.read_bytes())
    replace_file(file, file.read_bytes().replace(b",Y,", b",N,", 1))


@_edit("audit findings", "an answer is deleted")
def _delete_answer(chance: random.Random) -> None:
    file = chance.choice(_findings())
    replace_file(file, b"".join(_lines(file)[:-1]))


@_edit("audit findings", "the answers of an auditor are deleted")
def _delete_answers(chance: random.Random) -> None:
    chance.choice(_findings()).unlink()


@_edit("audit findings", "two auditors' answers change places")
def _swap_answers(chance: random.Random) -> None:
    _swap(*_findings()[:2])


# ---------------------------------------------------------------------- published


def _published() -> Path:
    return paths.current(NAME).resolve()


def _change_published(name: str, change: Callable[[bytes], bytes]) -> None:
    file = _published() / name
    replace_file(file, change(file.read_bytes()))


@_edit("published", "a value of the database is changed")
def _change_value(chance: random.Random) -> None:
    file = _published() / "recording.duckdb"
    copy = file.with_name(".changed")
    shutil.copyfile(file, copy)
    with duckdb.connect(str(copy)) as con:
        con.execute(
            "update fct_calls set district = 'ELSEWHERE' "
            "where call_id = (select min(call_id) from fct_calls)"
        )
    replace_file(file, copy.read_bytes())
    copy.unlink()


@_edit("published", "a cell of the worklist's CSV file is changed")
def _change_worklist(chance: random.Random) -> None:
    _change_published("worklist/worklist.csv", lambda text: text.replace(b"NMP-2017", b"NMP-2016"))


@_edit("published", "a page is changed")
def _change_page(chance: random.Random) -> None:
    _change_published("report.html", lambda text: text.replace(b"%", b" per cent", 1))


@_edit("published", "a page is changed, and its checksum with it")
def _change_page_and_sum(chance: random.Random) -> None:
    _change_page(chance)
    digest = hashlib.sha256((_published() / "report.html").read_bytes()).hexdigest()
    sums = [
        f"{digest}  report.html\n".encode() if line.endswith(b"  report.html\n") else line
        for line in _lines(_published() / "SHA256SUMS")
    ]
    replace_file(_published() / "SHA256SUMS", b"".join(sums))


@_edit("published", "a page and its checksum are changed, and the seal of the sums is deleted")
def _change_page_and_unseal(chance: random.Random) -> None:
    _change_page_and_sum(chance)
    (_published() / "SHA256SUMS.seal").unlink()


@_edit("published", "a table of the open extract is changed")
def _change_open(chance: random.Random) -> None:
    _change_cell(chance, _published() / "open" / "rates.parquet")


@_edit("published", "a page is deleted")
def _delete_page(chance: random.Random) -> None:
    (_published() / "worklist" / "index.html").unlink()


@_edit("published", "the checksums are deleted")
def _delete_sums(chance: random.Random) -> None:
    (_published() / "SHA256SUMS").unlink()


@_edit("published", "two pages change places")
def _swap_pages(chance: random.Random) -> None:
    _swap(_published() / "report.html", _published() / "matching.html")


def _quarters() -> list[Path]:
    return sorted(paths.released(NAME).glob("*.parquet"))


@_edit("released", "a released count is changed")
def _change_quarter(chance: random.Random) -> None:
    _change_cell(chance, _quarters()[0])


@_edit("released", "a released quarter is deleted")
def _delete_quarter(chance: random.Random) -> None:
    _quarters()[0].unlink()


# ---------------------------------------------------------------------- access log


def _change_access(change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = paths.access(NAME)
    replace_file(file, b"".join(change(_lines(file))))


@_edit("access log", "an entry is deleted")
def _delete_look(chance: random.Random) -> None:
    place = chance.randrange(15)
    _change_access(lambda lines: lines[:place] + lines[place + 1 :])


@_edit("access log", "the last entry is deleted")
def _delete_last_look(chance: random.Random) -> None:
    _change_access(lambda lines: lines[:-1])


@_edit("access log", "who looked last is changed")
def _change_last_look(chance: random.Random) -> None:
    _change_access(lambda lines: [*lines[:-1], lines[-1].replace(b'"user', b'"abcd')])


@_edit("access log", "the file is deleted")
def _delete_access(chance: random.Random) -> None:
    paths.access(NAME).unlink()
