"""Who answers the questions of scorecard and benchmark: readers of logs, linkers of records.

An entrant is a name and a function. Both questions are asked in plain tables and answered in plain
tables: a reader says how many crimes each log tells of, a linker says which log a record belongs
to. A command that anybody wrote is an entrant too: it is given the question's tables as a folder of
Parquet files, and writes its answer to one. docs/benchmark.md describes tables and answers.
"""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from cdi.errors import CdiError
from cdi.sql import fetch_dicts, parquet_types

# Settings that say which force is simulated and where its truth is. A command is not told them.
HIDDEN = ("CDI_", "SCENARIO", "MONTHS", "SEED")
SHOWN_LINES = 5  # of what a command that failed has said last


class EntrantError(CdiError):
    """A command that was entered failed, or its answer is not one to the question."""


@dataclass(frozen=True)
class Entrant:
    """A reader or a linker.

    Attributes:
        name: Its name in tables of figures.
        answer: Gives its answer, with the columns of `Question.columns`, or None where it cannot be
            made. It is handed a connection with the tables of the question, and the published file
            attached as ``published``.
        needs: What it cannot be made without.
    """

    name: str
    answer: Callable[[duckdb.DuckDBPyConnection], pa.Table | None]
    needs: str = ""


@dataclass(frozen=True)
class Question:
    """What all readers or all linkers are asked.

    Attributes:
        name: The schema of its views, which are its tables.
        columns: Of an answer, with their types; the first says what a row is about.
        asked: Query of the values of the first column that are asked about. No answer is one too.
        wrong_value: Condition on a row of an answer, as texts, that has a value it cannot have.
        right_value: What the values must be.
    """

    name: str
    columns: Mapping[str, str]
    asked: str
    wrong_value: str
    right_value: str


READING = Question(
    "reading",
    {"call_id": "varchar", "crimes": "bigint"},
    "select call_id from reading.logs where is_asked",
    "try_cast(crimes as double) < 0 or try_cast(crimes as bigint) <> try_cast(crimes as double) "
    "or try_cast(crimes as bigint) is null",
    "crimes must be a whole number from 0 on",
)
LINKING = Question(
    "linking",
    {"record_id": "varchar", "call_id": "varchar", "probability": "double"},
    "select record_id from linking.records where is_asked",
    "call_id is null or call_id not in (select c.call_id from linking.calls as c) "
    "or not coalesce(try_cast(probability as double) between 0 and 1, false)",
    "call_id must be one of calls.parquet, and probability from 0 to 1",
)


def answer_by_query(query: str) -> Callable[[duckdb.DuckDBPyConnection], pa.Table]:
    """Answer by a query over the question's tables and the published file."""
    return lambda con: con.sql(query).to_arrow_table()


def enter_command(question: Question, command: str) -> Entrant:
    """Make an entrant of a command; it is named after the last word, as a file without its ending.

    Args:
        question: What it answers.
        command: Words as in a shell. The folder with the question's tables and the file for the
            answer are added as the last two.

    Raises:
        EntrantError: ENTRANT-COMMAND if there is no command.
    """
    words = shlex.split(command)
    if not words:
        raise EntrantError(
            "ENTRANT-COMMAND", "an empty command was entered", "name a program and its arguments"
        )
    name = Path(words[-1]).stem
    return Entrant(name, partial(run_command, question=question, words=words, name=name))


def run_command(
    con: duckdb.DuckDBPyConnection, question: Question, words: Sequence[str], name: str
) -> pa.Table:
    """Let a command answer, and check the answer.

    Args:
        con: With the tables of the question.
        question: What is asked.
        words: The command and its first arguments.
        name: Of the entrant.

    Raises:
        EntrantError: ENTRANT-COMMAND if the command cannot be run or fails; ENTRANT-ANSWER if it
            wrote no Parquet file; ENTRANT-COLUMN, ENTRANT-UNKNOWN, ENTRANT-TWICE or ENTRANT-VALUE
            if the answer lacks a column, or has a row about what was not asked, two about the same,
            or a value that cannot be.
    """
    with tempfile.TemporaryDirectory(prefix="cdi-question-") as folder:
        tables, answer = Path(folder) / question.name, Path(folder) / "answer.parquet"
        write_question(con, question, tables)
        environment = {
            setting: value
            for setting, value in os.environ.items()
            if not setting.startswith(HIDDEN)
        }
        try:
            done = subprocess.run(
                [*words, str(tables), str(answer)],
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise EntrantError(
                "ENTRANT-COMMAND",
                f"{name}: {words[0]} could not be started: {error.strerror}",
                "write the command as you would in a shell, e.g. 'python3 my_reader.py'",
            ) from None
        if done.returncode:
            said = "\n    ".join((done.stderr or done.stdout).strip().splitlines()[-SHOWN_LINES:])
            raise EntrantError(
                "ENTRANT-COMMAND",
                f"{name}: the command ended with {done.returncode}\n    {said}",
                "correct it; --questions keeps the tables, on which it can be run alone",
            )
        return read_answer(con, question, answer, name)


def write_question(con: duckdb.DuckDBPyConnection, question: Question, folder: Path) -> None:
    """Write each table of a question to a Parquet file of its name, in an order of its own values.

    Args:
        con: With the tables of the question.
        question: What is asked.
        folder: Made if absent; files of these names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = con.execute(
        "select view_name from duckdb_views() where schema_name = ? order by all", [question.name]
    ).fetchall()
    for (table,) in tables:
        con.execute(
            f"copy (from {question.name}.{table} order by all) "
            f"to '{folder / table}.parquet' (format parquet)"
        )


def read_answer(
    con: duckdb.DuckDBPyConnection, question: Question, file: Path, name: str
) -> pa.Table:
    """Read the answer of a command and check it; see `run_command`."""
    try:
        found = list(parquet_types(con, file))
    except duckdb.Error as error:
        raise EntrantError(
            "ENTRANT-ANSWER",
            f"{name}: the answer cannot be read: {str(error).splitlines()[0]}",
            "write one Parquet file to the path that is the command's last argument",
        ) from None
    if missing := [column for column in question.columns if column not in found]:
        raise EntrantError(
            "ENTRANT-COLUMN",
            f"{name}: the answer has no column {', '.join(missing)}",
            f"write the columns {', '.join(question.columns)}",
        )
    texts = ", ".join(f"cast({column} as varchar) as {column}" for column in question.columns)
    con.execute(f"create or replace temp table given as select {texts} from read_parquet('{file}')")
    _check_rows(con, question, name)
    typed = ", ".join(
        f"cast({column} as {kind}) as {column}" for column, kind in question.columns.items()
    )
    return con.sql(f"select {typed} from given").to_arrow_table()


def _check_rows(con: duckdb.DuckDBPyConnection, question: Question, name: str) -> None:
    """Refuse an answer that has a wrong row, and show the first one."""
    key, asked = next(iter(question.columns)), f"({question.asked})"
    for rule, condition, problem, fix in (
        (
            "ENTRANT-UNKNOWN",
            f"given.{key} is null or given.{key} not in {asked}",
            f"a {key} that was not asked about",
            f"answer only for a {key} whose is_asked is true",
        ),
        ("ENTRANT-TWICE", "times > 1", f"the same {key} twice", f"write one row for each {key}"),
        ("ENTRANT-VALUE", question.wrong_value, "a wrong value", question.right_value),
    ):
        wrong = fetch_dicts(
            con,
            f"select given.* exclude (times), count(*) over () as wrong_rows from "
            f"(select *, count(*) over (partition by {key}) as times from given) as given "
            f"where {condition} order by all limit 1",
        )
        if wrong:
            rows = wrong[0].pop("wrong_rows")
            shown = ", ".join(f"{column} {value}" for column, value in wrong[0].items())
            raise EntrantError(rule, f"{name}: {problem} in {rows} rows, first: {shown}", fix)
