"""The benchmark: its figures on a dozen logs by hand, its intervals, and the answers it refuses."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdi import paths
from cdi_force.scenario import load_scenario
from cdi_proofs import linkers
from cdi_proofs.benchmark import SCENARIOS, run_benchmark, score_answers
from cdi_proofs.compared import compare_with_truth
from cdi_proofs.entrants import (
    LINKING,
    READING,
    Entrant,
    EntrantError,
    Question,
    enter_command,
    write_question,
)
from cdi_proofs.intervals import rate_error_limits, share_limits
from cdi_proofs.linkers import LINKERS, ask_links
from cdi_proofs.readers import READERS, ask_crimes
from tests.proofs.test_scorecard import write_force


def _number(text: str) -> str:
    """The number that stands for a text in the published file, as text."""
    return str(duckdb.execute("select md5_number_lower($text)", {"text": text}).fetchall()[0][0])


def _entrant(name: str, columns: dict[str, list[Any]]) -> Entrant:
    """An entrant that always gives this answer; texts of ids are turned into their numbers."""
    numbered = {
        key: [_number(value) for value in values] if key.endswith("_id") else values
        for key, values in columns.items()
    }
    return Entrant(name, lambda _: pa.table(numbered))


def _write_inputs(file: Path) -> None:
    """What `make_linking_inputs` makes, for the records c1 (proven), c2 and c9."""
    with duckdb.connect(str(file)) as con:
        con.execute("""
            create schema linkage;
            create schema staging;
            create schema disclosure;
            create table disclosure.int_disclosure__told_groups as
            select md5_number_lower('L2') as call_id, 'theft' as offence_group;
            create table linkage.int_linkage__records as
            select md5_number_lower(name) as crime_record_id, true as is_crime_record, 1 as told_s,
                1 as crime_s, 1 as easting_m, 1 as northing_m, 1::ubigint as address_line,
                2::ubigint as postcode, 3::ubigint as district, 4::ubigint as surname,
                5::ubigint as birth_date, 'theft' as offence_group
            from (values ('c1'), ('c2'), ('c9')) as t (name);
            create table linkage.int_linkage__calls as
            select md5_number_lower('L' || n) as call_id, n as received_s, 1 as easting_m,
                1 as northing_m, 1::ubigint as address_line, 2::ubigint as postcode,
                3::ubigint as district, 4::ubigint as surname, 5::ubigint as birth_date,
                [1, 2] as street_variants, [3] as surname_variants, 'theft' as initial_group,
                'none' as final_group, false as is_duplicate
            from range(1, 11) as t (n);
            create table linkage.int_linkage__proven as
            select md5_number_lower('c1') as crime_record_id, md5_number_lower('L1') as call_id;
            create table linkage.int_linkage__subjects as
            select crime_record_id from linkage.int_linkage__records
            where crime_record_id <> md5_number_lower('c1');
            create table linkage.int_linkage__references as
            select md5_number_lower('c2') as crime_record_id, md5_number_lower('L3') as call_id,
                true as is_typed, false as is_written_back;
            create table linkage.int_linkage__comparisons as
            select md5_number_lower('c2') as crime_record_id, md5_number_lower('L2') as call_id,
                true as is_crime_record;
            create table staging.stg_record_variants as
            select md5_number_lower('c2') as crime_record_id, [1] as street_variants,
                [3] as surname_variants;
        """)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """The force of test_scorecard.py beside its truth, with the tables of both questions."""
    monkeypatch.setattr(linkers, "PYTHON", tmp_path / "none")
    write_force(tmp_path)
    _write_inputs(tmp_path / "inputs.duckdb")
    with compare_with_truth(tmp_path / "recording.duckdb", tmp_path) as con:
        ask_crimes(con)
        ask_links(con, tmp_path / "inputs.duckdb")
        yield con


# ------------------------------------------------------------------ figures by hand


def test_what_a_reader_names_is_counted_by_incident_and_gives_a_rate(
    asked: duckdb.DuckDBPyConnection,
) -> None:
    # L1 is due 1 and recorded, and L6 is the same incident; L2 is due 2, one recorded; L3 is due 1,
    # missed; L4 is due none. In the frame 4 are due. L8 is too recent, and does not count.
    reader = _entrant(
        "mine", {"call_id": ["L1", "L6", "L2", "L4", "L5", "L8"], "crimes": [1, 1, 1, 1, 3, 9]}
    )
    rows = {row["universe"]: row for row in score_answers(asked, [reader], [])[:2]}
    frame = rows["frame"]
    # named 2 + 1 + 1, of which right 1 + 1 + 0
    assert (frame["named"], frame["due"]) == (4, 4)
    assert (frame["precision"], frame["recall"]) == (0.5, 0.5)
    # Wilson's limits of 2 of 4 (all is of one day, so there is no variance between days); the
    # formula gives (0.5 + 1.9207/4 -+ 1.96 sqrt(0.25/4 + 0.9604/16)) / (1 + 3.8415/4)
    assert frame["recall_low"] == pytest.approx(0.15004, abs=2e-4)
    assert frame["recall_high"] == pytest.approx(0.84996, abs=2e-4)
    # recorded 2; by the reader 2 + 1 + 1 crimes, in truth 4
    assert frame["rate_error"] == 0.0
    # without a record: L3, L4, L5 (due 1, outside the frame), L7, L10; named 1 + 3, right 0 + 1
    assert (rows["no_record"]["named"], rows["no_record"]["due"]) == (4, 2)
    assert (rows["no_record"]["precision"], rows["no_record"]["recall"]) == (0.25, 0.5)
    assert rows["no_record"]["rate_error"] is None
    more = _entrant("more", {"call_id": ["L3", "L4", "L7"], "crimes": [1, 2, 1]})
    first = score_answers(asked, [more], [])[0]
    # L1 and L2 have a record each, so 1 + 1 + 1 + 2 + 1 = 6 crimes: 2/6 for a true 2/4
    assert first["rate_error"] == pytest.approx(2 / 6 - 2 / 4, abs=1e-5)


def test_the_ceiling_is_scored_in_the_same_way(asked: duckdb.DuckDBPyConnection) -> None:
    (frame, no_record) = score_answers(asked, [], [])
    assert frame["entrant"] == "bayes_ceiling"
    # it names L1, both of L2, L3 and L4: 4 of 5, and all 4
    assert (frame["precision"], frame["recall"]) == (0.8, 1.0)
    assert frame["rate_error"] == pytest.approx(2 / 5 - 2 / 4, abs=1e-5)
    assert (no_record["precision"], no_record["recall"]) == (0.5, 0.5)  # L3, and L4; not L5


def test_a_link_is_right_if_it_reaches_the_incident(asked: duckdb.DuckDBPyConnection) -> None:
    both = {"record_id": ["c2", "c9"], "call_id": ["L2", "L3"]}
    sure = _entrant("sure", both | {"probability": [1.0, 1.0]})
    modest = _entrant("modest", both | {"probability": [0.8, 0.79]})
    rows = score_answers(asked, [], [sure, modest])[2:]
    # c2 came from L2; c9 came without a log
    assert [(r["named"], r["due"], r["precision"], r["recall"]) for r in rows] == [
        (2, 1, 0.5, 1.0),
        (1, 1, 1.0, 1.0),  # the standard ruleset counts links from 0.8 on
    ]


def test_the_linkers_that_are_always_there(asked: duckdb.DuckDBPyConnection) -> None:
    rows = {row["entrant"]: row for row in score_answers(asked, [], LINKERS)[2:]}
    assert list(rows) == ["reference_as_typed", "ladder", "splink"]
    # c2 bears the number of L3, which is another incident's
    assert (rows["reference_as_typed"]["named"], rows["reference_as_typed"]["precision"]) == (1, 0)
    assert (rows["ladder"]["named"], rows["ladder"]["recall"]) == (2, 1.0)
    assert rows["splink"]["named"] is None
    assert rows["splink"]["note"] == "not installed: .venv-bench"


# ------------------------------------------------------------------ intervals


def _days(seed: int, days: int, chance: float) -> tuple[Any, Any]:
    """Crimes of each day and how many are hits: the chance itself differs between days."""
    rng = np.random.default_rng(seed)
    of = rng.poisson(30, days)
    return rng.binomial(of, rng.beta(20 * chance, 20 * (1 - chance), days)), of


@pytest.mark.parametrize("chance", [0.6, 0.9])
def test_the_limits_of_a_share_are_those_of_a_bootstrap_of_days(chance: float) -> None:
    hits, of = _days(7, 180, chance)
    share, low, high = share_limits(hits, of)
    assert share == hits.sum() / of.sum()
    rng = np.random.default_rng(8)
    drawn = rng.integers(0, 180, (4000, 180))
    shares = hits[drawn].sum(axis=1) / of[drawn].sum(axis=1)
    expected = np.quantile(shares, [0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.003)
    # crimes alone would give limits that are too narrow, as a day's hang together
    plain = 1.96 * np.sqrt(share * (1 - share) / of.sum())
    assert high - low > 1.3 * 2 * plain


def test_the_limits_of_a_share_hold_it_in_19_of_20_forces() -> None:
    held = 0
    for seed in range(1000):
        _, low, high = share_limits(*_days(seed, 60, 0.9))
        held += low <= 0.9 <= high
    assert 930 <= held <= 970  # 950 +- 3 standard errors of 7


def test_where_all_are_hits_the_limits_are_wilsons() -> None:
    # Wilson's lower limit of n of n is n / (n + 3.8415)
    assert share_limits([3, 4, 13], [3, 4, 13]) == (1.0, pytest.approx(20 / 23.8415, abs=1e-4), 1.0)


def test_the_limits_of_a_rates_error_are_those_of_a_bootstrap_of_days() -> None:
    rng = np.random.default_rng(5)
    due = rng.poisson(20, 200) + 1
    recorded = rng.binomial(due, 0.8)
    read = np.maximum(recorded, due + rng.integers(-2, 4, 200))
    error, low, high = rate_error_limits(recorded, read, due)
    drawn = rng.integers(0, 200, (4000, 200))
    r, m, d = (counts[drawn].sum(axis=1) for counts in (recorded, read, due))
    errors = r / m - r / d
    assert error == pytest.approx(recorded.sum() / read.sum() - recorded.sum() / due.sum())
    assert (low, high) == pytest.approx(tuple(np.quantile(errors, [0.025, 0.975])), abs=0.0012)
    assert high - low < 0.04


# ------------------------------------------------------------------ commands


def _command(tmp_path: Path, body: str, name: str = "mine") -> str:
    """A command that runs a few lines of Python; `folder` and `answer` are its last arguments."""
    program = tmp_path / f"{name}.py"
    program.write_text(
        "import sys\nimport duckdb\nfolder, answer = sys.argv[-2:]\n" + body, encoding="utf-8"
    )
    return shlex.join([sys.executable, str(program)])


def _answer(values: str, columns: str) -> str:
    return f'duckdb.sql("from (values {values}) as t ({columns})").to_parquet(answer)\n'


def test_a_command_answers_with_what_it_was_given(
    asked: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    body = (
        "duckdb.sql(f\"select call_id, 1 as crimes from '{folder}/logs.parquet' "
        "where is_asked and initial_type_code = 'CR'\").to_parquet(answer)\n"
    )
    reader = enter_command(READING, _command(tmp_path, body))
    assert reader.name == "mine"
    mine, again = (score_answers(asked, [who], [])[0] for who in (reader, READERS[0]))
    assert mine["named"] == 6  # L1, L2, L3, L4, L7, L10
    assert again["entrant"] == "opening_code"
    assert {**mine, "entrant": ""} == {**again, "entrant": ""}


def test_the_tables_of_a_question_are_those_that_are_documented(
    asked: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    page = (paths.REPO / "docs" / "benchmark.md").read_text(encoding="utf-8")
    told = 0
    for question in (READING, LINKING):
        folder = tmp_path / question.name
        write_question(asked, question, folder)
        for file in folder.iterdir():
            (line,) = [row for row in page.splitlines() if row.startswith(f"| `{file.name}` |")]
            for column in pq.read_schema(file).names:
                assert f"`{column}`" in line
                told += 1
    assert told > 50


def test_a_command_is_not_given_the_truth(
    asked: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CDI_HOME", "CDI_DATA", "SCENARIO", "SEED"):
        monkeypatch.setenv(name, "secret-force")
    seen = tmp_path / "seen.json"
    body = (
        "import json, os, pathlib\n"
        "files = {f.name: duckdb.from_parquet(str(f)).columns"
        " for f in pathlib.Path(folder).parent.rglob('*') if f.is_file()}\n"
        f"pathlib.Path({str(seen)!r}).write_text(json.dumps([files, dict(os.environ),"
        " duckdb.sql(f\"from '{folder}/audited.parquet'\").fetchall()]))\n"
    ) + _answer("('1', 1)", "call_id, crimes")
    with pytest.raises(EntrantError, match="ENTRANT-UNKNOWN"):
        enter_command(READING, _command(tmp_path, body)).answer(asked)
    files, environment, audited = json.loads(seen.read_text())
    # nothing beside the question's own tables, and no column that only the truth has
    assert sorted(files) == [
        *("audited.parquet", "call_types.parquet", "closures.parquet"),
        *("entries.parquet", "logs.parquet"),
    ]
    columns = {column for names in files.values() for column in names}
    true = set(duckdb.from_parquet(str(tmp_path / "logs.parquet")).columns)
    true |= set(duckdb.from_parquet(str(tmp_path / "crimes.parquet")).columns)
    # ids are others, and an offence group is one of a code
    assert columns & true == {"call_id", "received_at", "offence_group"}
    assert "secret-force" not in environment.values()
    assert "PATH" in environment
    # the labels are of the twenty logs of the year before
    assert {call_id for call_id, _ in audited} == {_number(f"A{n}") for n in range(1, 21)}


L1, L2, A1, C1, C2 = (_number(name) for name in ("L1", "L2", "A1", "c1", "c2"))


@pytest.mark.parametrize(
    ("question", "body", "rule", "said"),
    [
        (READING, "sys.exit('no such model')\n", "ENTRANT-COMMAND", "no such model"),
        (READING, "pass\n", "ENTRANT-ANSWER", "write one Parquet file"),
        (
            READING,
            "open(answer, 'w').write('call_id,crimes')\n",
            "ENTRANT-ANSWER",
            "cannot be read",
        ),
        (READING, _answer(f"('{L1}')", "call_id"), "ENTRANT-COLUMN", "no column crimes"),
        (
            READING,
            _answer(f"('{L1}', 1), ('L1', 1)", "call_id, crimes"),
            "ENTRANT-UNKNOWN",
            "in 1 rows, first: call_id L1, crimes 1",
        ),
        (READING, _answer(f"('{A1}', 1)", "call_id, crimes"), "ENTRANT-UNKNOWN", "is_asked"),
        (READING, _answer("(null, 1)", "call_id, crimes"), "ENTRANT-UNKNOWN", "call_id None"),
        (
            READING,
            _answer(f"('{L1}', 1), ('{L2}', 1), ('{L1}', 2)", "call_id, crimes"),
            "ENTRANT-TWICE",
            f"in 2 rows, first: call_id {L1}, crimes 1",
        ),
        (READING, _answer(f"('{L1}', -1)", "call_id, crimes"), "ENTRANT-VALUE", "from 0 on"),
        (READING, _answer(f"('{L1}', 0.5)", "call_id, crimes"), "ENTRANT-VALUE", "whole number"),
        (READING, _answer(f"('{L1}', 'two')", "call_id, crimes"), "ENTRANT-VALUE", "crimes two"),
        (READING, _answer(f"('{L1}', null)", "call_id, crimes"), "ENTRANT-VALUE", "crimes None"),
        (
            LINKING,
            _answer(f"('{C2}', '{L2}')", "record_id, call_id"),
            "ENTRANT-COLUMN",
            "no column probability",
        ),
        (
            LINKING,
            _answer(f"('{C1}', '{L1}', 1)", "record_id, call_id, probability"),
            "ENTRANT-UNKNOWN",  # its reference proves its call, so nobody asks
            "record_id",
        ),
        (
            LINKING,
            _answer(f"('{C2}', '{L1}', 1), ('{C2}', '{L2}', 1)", "record_id, call_id, probability"),
            "ENTRANT-TWICE",
            "one row for each record_id",
        ),
        (
            LINKING,
            _answer(f"('{C2}', '7', 1)", "record_id, call_id, probability"),
            "ENTRANT-VALUE",
            "call_id must be one of calls.parquet",
        ),
        (
            LINKING,
            _answer(f"('{C2}', '{L2}', 1.5)", "record_id, call_id, probability"),
            "ENTRANT-VALUE",
            "probability from 0 to 1",
        ),
    ],
)
def test_an_answer_that_is_none_is_refused_with_the_next_step(
    asked: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    question: Question,
    body: str,
    rule: str,
    said: str,
) -> None:
    with pytest.raises(EntrantError, match="Next step") as error:
        enter_command(question, _command(tmp_path, body)).answer(asked)
    assert error.value.rule_id == rule
    assert said in str(error.value)
    assert str(error.value).startswith(f"[{rule}] mine")


def test_numbers_may_come_in_other_types(asked: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    body = f'duckdb.sql("select {L1}::ubigint as call_id, 2.0 as crimes").to_parquet(answer)\n'
    given = enter_command(READING, _command(tmp_path, body)).answer(asked)
    assert given is not None
    assert given.to_pylist() == [{"call_id": L1, "crimes": 2}]


@pytest.mark.parametrize(
    ("enter", "rule", "said"),
    [
        (lambda: enter_command(READING, "  "), "ENTRANT-COMMAND", "an empty command"),
        (
            lambda: enter_command(READING, "/no/such/program x").answer(duckdb.connect()),
            "ENTRANT-COMMAND",
            "could not be started",
        ),
        (
            lambda: run_benchmark(SCENARIOS, ["python3 splendid/tf_idf.py"], [], print),
            "ENTRANT-NAME",
            "two entrants are named tf_idf",
        ),
        (
            lambda: run_benchmark(SCENARIOS, [], ["a/mine.py", "b/mine.sh"], print),
            "ENTRANT-NAME",
            "two entrants are named mine",
        ),
    ],
)
def test_a_command_that_cannot_be_entered_is_refused(
    enter: Callable[[], object], rule: str, said: str
) -> None:
    with pytest.raises(EntrantError, match="Next step") as error:
        enter()
    assert error.value.rule_id == rule
    assert said in str(error.value)


# ------------------------------------------------------------------ the forces


def test_the_benchmarks_forces_have_words_of_their_own() -> None:
    shipped, *foreign = (load_scenario(name) for name in SCENARIOS)
    assert shipped.settings.volumes == load_scenario("plain_speech").settings.volumes
    assert [force.name for force in foreign] == ["plain_speech", "formal_notes", "changed_words"]
    banks = {
        "shipped": shipped.phrases,
        **{force.name: force.phrases for force in foreign[:2]},
        "before": foreign[2].phrases_before,
    }
    texts = {name: {phrase.text.lower() for phrase in bank} for name, bank in banks.items()}
    assert [len(texts[name]) > 300 for name in texts] == [True] * 4
    for name, other in combinations(texts, 2):
        shared = texts[name] & texts[other]
        assert len(shared) <= (0 if name == "shipped" else 5), (name, other, shared)
    # the third force says what the first says, and was audited in other words
    assert foreign[2].phrases == foreign[0].phrases
    assert len({force.miss_law.model_dump_json() for force in foreign[:2]} | {""}) == 3
