"""Spoils files at random and looks for all that was in them, by other means than the product's.

Each row of a file bears words that stand nowhere else. Whatever is done to the bytes: if the file
is taken, each word that is still in it must be in an accepted row or in the original of a refused
one. The words are found by Python's `re`, and rows are counted by its `csv`.
"""

import csv
import io
import random
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import duckdb

from cdi.agency.model import Agency
from cdi.errors import CdiError
from cdi.keys import decrypt_text
from cdi.landing.batches import FATES, Batch
from cdi.landing.extract import read_file_as_batch

HEADER = "number,received,closed,opened_as,closed_as,closure,district,text"
ROWS = 40
_WORDS = re.compile(rb"T-\d{4}|zq[a-j]{4}|wk[a-j]{4}")


def write_clean_file(chance: random.Random) -> bytes:
    """Write a file of calls, with one or the other kind of line end, and quotes in some texts."""
    lines = [HEADER]
    for number in range(1000, 1000 + ROWS):
        word = "".join("abcdefghij"[int(digit)] for digit in str(number))
        text = chance.choice(["wk{0}", '"one\nwk{0}, and"', '"say ""hi"" wk{0}"', '"\n\nwk{0}"'])
        lines.append(f"T-{number},2026-01-05 10:00,,THEFT,THEFT,NONE,zq{word},{text.format(word)}")
    return chance.choice(["\n", "\r\n"]).join([*lines, ""]).encode()


def spoil_content(chance: random.Random, content: bytes) -> bytes:
    """Do one to three things to a file, below its header."""
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(HEADER) + 2, len(content))
        head, tail = content[:place], content[place:]
        content = chance.choice(
            [
                head,
                head + b'"' + tail,
                head + tail.replace(b'"', b"", 1),
                head + b"," + tail,
                head + tail.replace(b",", b"", 1),
                head + bytes([chance.randrange(256)]) + tail[1:],
                head + b"\0" * chance.randint(1, 5) + tail,
                head + tail.replace(b"\n", b"\r\n"),
                head + tail.decode("latin-1").encode("utf-16"),
                head + tail.replace(b"text", b"t\xe9xt").replace(b"hi", b"h\xed"),
                head + tail[chance.randint(1, 200) :],
                head + tail[:200] + tail,
            ]
        )
        if len(content) <= len(HEADER) + 3:
            break
    return content


def try_spoiled_files(
    agency: Agency, seeds: Iterable[int], folder: Path
) -> tuple[Counter[str], list[str]]:
    """Read a spoiled file for each seed and look for what was in it.

    Args:
        agency: Has a source of calls with the columns of `HEADER`.
        seeds: Each makes another file.
        folder: An empty folder.

    Returns:
        How many files were taken, and how many were refused under which id; and what is nowhere or
        was counted wrongly of those that were taken.
    """
    ends: Counter[str] = Counter()
    faults: list[str] = []
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - to be the same each time
        content = spoil_content(chance, write_clean_file(chance))
        file, target = folder / f"{seed}.csv", folder / str(seed)
        file.write_bytes(content)
        target.mkdir()
        try:
            batch = read_file_as_batch(agency, "calls", file, target)
        except CdiError as error:
            ends[error.rule_id] += 1
            continue
        ends["taken"] += 1
        faults += [
            f"seed {seed}: {fault}"
            for fault in (*_find_lost_words(agency, batch, content), *_recount_rows(batch, content))
        ]
    return ends, faults


def _find_lost_words(agency: Agency, batch: Batch, content: bytes) -> list[str]:
    """Find the words of a file that no accepted row and no original of a refused one has."""
    accepted = duckdb.execute("from read_parquet(?)", [str(batch.rows)]).fetchall()
    refused = duckdb.execute(
        "select original_encrypted from read_parquet(?)", [str(batch.quarantine)]
    ).fetchall()
    kept = [str(value) for row in accepted for value in row]
    kept += [decrypt_text(agency.agency, token) for (token,) in refused]
    lost = set(_WORDS.findall(content)) - set(_WORDS.findall("\n".join(kept).encode()))
    return [f"{word.decode()} is lost" for word in sorted(lost)]


def _recount_rows(batch: Batch, content: bytes) -> list[str]:
    """Count the rows again, where no quotation mark makes it a question what a row is."""
    read, *fates = (batch.manifest[fate] for fate in FATES)
    faults = [] if read == sum(fates) else [f"{read} rows read became {fates}"]
    count_query = "select count(*) from read_parquet(?) where rule_id = 'READ-QUOTE'"
    if duckdb.execute(count_query, [str(batch.quarantine)]).fetchall() == [(0,)]:
        text = io.StringIO(content.decode("latin-1"), newline="")
        in_file = sum(bool(row) for row in csv.reader(text)) - 1
        read += sum(file["left_out"] for file in batch.manifest["files"])
        faults += [] if read == in_file else [f"{in_file} rows, but {read} were read"]
    return faults
