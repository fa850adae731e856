"""The text model: learnt from audits alone, cross-fitted, reading each text once."""

import filecmp
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from cdi.errors import AuditError
from cdi.learning import text
from cdi.learning.ngrams import Texts
from cdi.learning.readings import KINDS, keep_readings, open_readings
from cdi.learning.text import (
    has_enough_lessons,
    open_text_weights,
    score_features,
    write_text_model,
)
from cdi.learning.weights import Weights

NOISE = ("male on scene", "resume with crew", "caller rang off", "area searched twice")
THEFTS = ("bike taken from yard", "purse stolen on bus", "phone gone from bag")
OTHERS = ("dog ran over road", "music loud next door", "lamp out in lane")


def lessons(flipped: str | None = None) -> pa.Table:
    """Logs of thefts and others; 300 of them audited, some with an honest reason for no record."""
    rng = np.random.default_rng(3)
    rows: list[dict[str, Any]] = []
    for number in range(900):
        has_theft, has_reason = number % 2 == 0, number % 6 == 0
        call_id = f"C{number:04d}"
        crimes = int(has_theft and not has_reason) * (1 + (number % 4 == 0))
        if call_id == flipped:
            crimes = 0 if crimes else 1
        is_audited = number % 3 != 1
        account = str(rng.choice(THEFTS if has_theft else OTHERS))
        account += " and from the neighbour too" if crimes > 1 else ""
        rows.append(
            {
                "call_id": number,
                "published_call_id": call_id,
                "account_text": f"{rng.choice(NOISE)} / {account}",
                "closing_text": "given back to him by a friend" if has_reason else "no lines",
                "opened_group": "theft" if has_theft else None,
                "opened_as_crime": has_theft,
                "named_by_record": has_theft and not has_reason,
                "closed_with_reason": has_reason,
                "closed_as_no_crime": False,
                "closed_as_recorded": False,
                "crimes": crimes if is_audited else None,
                "groups_told": int(has_theft) if is_audited else None,
                "signs": ["opened as a crime"] if has_theft and is_audited else [],
            }
        )
    return pa.Table.from_pylist(rows)


def learn(folder: Path, table: pa.Table) -> Path:
    folder.mkdir(parents=True)
    part = folder.with_suffix(".duckdb")
    with duckdb.connect(str(part)) as con:
        con.register("lessons", table)
        con.execute("create schema disclosure")
        con.execute(f"create table disclosure.{text.MODEL} as from lessons")
    assert has_enough_lessons(part)
    write_text_model(part, folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def small_forests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BOOSTED", text.BOOSTED | {"n_estimators": 40})
        patch.setattr(text, "RANDOMISED", text.RANDOMISED | {"n_estimators": 40})
        yield


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learn(tmp_path_factory.mktemp("text") / "version", lessons())


def features(table: pa.Table) -> pa.Table:
    hashes = pa.array(range(len(table)), pa.uint64())
    groups = pa.array([int(opened) for opened in table["opened_as_crime"].to_pylist()])
    signs = [["opened as a crime"] if opened else [] for opened in groups.to_pylist()]
    return (
        table.select(["call_id", "account_text", "closing_text"])
        .append_column("content_hash", hashes)
        .append_column("groups_told", groups)
        .append_column("signs", pa.array(signs))
    )


def scores(folder: Path) -> dict[str, float]:
    table = duckdb.sql(f"from '{folder / 'audited.parquet'}'").to_arrow_table()
    return dict(
        zip(table["call_id"].to_pylist(), table["crime_probability"].to_pylist(), strict=True)
    )


def test_it_reads_what_auditors_would_have_found(learnt: Path) -> None:
    table = lessons()
    unseen = table.filter(pa.compute.is_null(table["crimes"]))
    read = score_features(features(unseen), learnt)
    numbers = unseen["call_id"].to_pylist()
    is_due = np.array([n % 2 == 0 and n % 6 != 0 for n in numbers])
    probability = read["crime_probability"].to_numpy()
    assert 0 < is_due.sum() < len(is_due)
    assert probability[is_due].min() > 0.5 > probability[~is_due].max()


def test_the_words_say_which_offence_group(learnt: Path) -> None:
    thefts = features(lessons().filter(pa.compute.field("opened_as_crime")))
    assert set(score_features(thefts, learnt)["offence_group"].to_pylist()) == {"theft"}


def test_where_codes_say_nothing_the_records_that_name_a_log_teach_its_words(
    tmp_path: Path,
) -> None:
    table = lessons()
    silent = {
        "opened_group": pa.nulls(len(table), pa.string()),
        "opened_as_crime": pa.array([False] * len(table)),
        "groups_told": pa.array([0] * len(table)),
        "signs": pa.array([[]] * len(table), pa.list_(pa.string())),
    }
    for name, column in silent.items():
        table = table.set_column(table.column_names.index(name), name, column)
    unseen = table.filter(pa.compute.is_null(table["crimes"]))
    is_due = np.array([n % 2 == 0 and n % 6 != 0 for n in unseen["call_id"].to_pylist()])
    assert 0 < is_due.sum() < len(is_due)

    learnt = learn(tmp_path / "records", table)
    probability = score_features(features(unseen), learnt)["crime_probability"].to_numpy()
    assert probability[is_due].min() > 0.5 > probability[~is_due].max()

    place = table.column_names.index("named_by_record")
    nameless = table.set_column(place, "named_by_record", silent["opened_as_crime"])
    learnt = learn(tmp_path / "nothing", nameless)
    probability = score_features(features(unseen), learnt)["crime_probability"].to_numpy()
    assert probability[is_due].min() <= probability[~is_due].max()


def test_a_version_that_was_learnt_without_a_reading_scores_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = features(lessons()).slice(0, 50)
    with monkeypatch.context() as patch:
        patch.setattr(text, "ACCOUNT_READINGS", ("opened_as_crime",))
        learnt = learn(tmp_path / "before", lessons())
        before = score_features(logs, learnt)
    assert "named_by_record" in text.ACCOUNT_READINGS
    assert score_features(logs, learnt) == before


def test_nothing_is_learnt_from_an_audit_in_other_words(tmp_path: Path) -> None:
    table = lessons()
    assert learn(tmp_path / "same", table)
    is_audited = pa.compute.is_valid(table["crimes"]).to_pylist()
    accounts = [
        " ".join(f"{word} {number}" for word in account.split()) if audited else account
        for number, (account, audited) in enumerate(
            zip(table["account_text"].to_pylist(), is_audited, strict=True)
        )
    ]
    place = table.column_names.index("account_text")
    changed = table.set_column(place, "account_text", pa.array(accounts))
    with pytest.raises(AuditError, match="words have changed since the audit") as error:
        learn(tmp_path / "other", changed)
    assert error.value.rule_id == "AUDIT-WORDS"
    assert "audit draw" in error.value.fix


def test_a_second_thing_told_has_a_group_of_its_own(
    learnt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "TOLD", 1.0)  # few lessons are less sure than a year's
    told = pa.array([f"{THEFTS[0]} / {THEFTS[1]}", f"{THEFTS[0]} / {OTHERS[1]}", THEFTS[0]])
    logs = features(lessons())[:3]
    place = logs.column_names.index("account_text")
    read = score_features(logs.set_column(place, "account_text", told), learnt)
    assert read["second_group"].to_pylist() == ["theft", None, None]


def test_word_pairs_that_no_lesson_has_are_not_known(learnt: Path) -> None:
    logs = features(lessons())[:3]
    place = logs.column_names.index("account_text")
    # of the five words of the second text only two stand beside each other in the lessons
    first, second, *_ = THEFTS[0].split()
    told = pa.array([THEFTS[0], f"zyx {first} {second} wvu tsr", "zyx"])
    read = score_features(logs.set_column(place, "account_text", told), learnt)
    words = len(THEFTS[0].split())
    assert read["pair_count"].to_pylist() == [words - 1, 4, 0]
    assert read["known_pair_count"].to_pylist() == [words - 1, 1, 0]


def test_a_small_group_is_not_likelier_for_words_that_it_was_never_heard_to_say(
    tmp_path: Path,
) -> None:
    said = ["took the lamp"] * 4 + ["took the bike"] * 196 + ["took the phone"] * 10
    texts = Texts(said, ["took", "lamp"])
    opened: list[str | None] = ["theft"] * 200 + ["robbery"] * 10
    text._learn_groups(texts, np.ones(2, np.int64), opened, tmp_path)
    lamp = Texts(["took the lamp"], ["took", "lamp"])
    found = text._likeliest_groups(lamp, np.zeros(1, int), tmp_path)
    assert found.tolist() == ["theft"]


def test_the_same_lessons_make_the_same_bytes(learnt: Path, tmp_path: Path) -> None:
    again = learn(tmp_path / "again", lessons())
    names = sorted(file.name for file in learnt.iterdir() if file.is_file())
    assert "examples.parquet" in names
    assert filecmp.cmpfiles(learnt, again, names, shallow=False) == (names, [], [])


def test_trees_say_the_same_of_noise_to_the_last_bit() -> None:
    """Where trees disagree, the order in which they are added tells in the sum."""
    rng = np.random.default_rng(3)
    logs = rng.standard_normal((2_000, 10))
    is_case = logs[:, 0] + rng.standard_normal(len(logs)) > 0
    learnt_twice = [text._grow_forests(logs, is_case, depth=2) for _ in range(2)]
    assert len({model(logs).tobytes() for model in learnt_twice for _ in range(5)}) == 1


def test_what_the_auditor_found_in_a_log_does_not_change_its_own_score(
    learnt: Path, tmp_path: Path
) -> None:
    flipped = scores(learn(tmp_path / "flipped", lessons("C0002")))
    before = scores(learnt)
    assert flipped["C0002"] == before["C0002"]
    assert flipped != before  # it teaches the others


def test_a_log_reads_the_same_alone_and_among_others(
    learnt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = features(lessons())
    together = score_features(table, learnt)
    monkeypatch.setattr(text, "CHUNK", 7)
    assert score_features(table.slice(0, 50), learnt) == together.slice(0, 50)


@pytest.mark.parametrize("logs", [100, 220])
def test_few_audited_logs_or_few_with_a_crime_teach_nothing(tmp_path: Path, logs: int) -> None:
    crimes = [1] * 10 + [0] * (logs - 10)
    table = pa.table({"published_call_id": [f"C{n}" for n in range(logs)], "crimes": crimes})
    part = tmp_path / "part.duckdb"
    with duckdb.connect(str(part)) as con:
        con.register("lessons", table)
        con.execute("create schema disclosure")
        con.execute(f"create table disclosure.{text.MODEL} as from lessons")
    assert not has_enough_lessons(part)


def test_just_enough_crimes_score_the_audited_logs_as_well(tmp_path: Path) -> None:
    """Without the logs of a fold there are fewer crimes than are needed in all."""
    table = lessons()
    crimes = table["crimes"].to_pylist()
    told = [place for place, count in enumerate(crimes) if count]
    for place in told[22:]:
        crimes[place] = None  # not audited
    assert sum(bool(count) for count in crimes) == 22
    table = table.set_column(table.column_names.index("crimes"), "crimes", pa.array(crimes))
    by_log = scores(learn(tmp_path / "few", table))
    with_crime = [by_log[f"C{place:04d}"] for place in told[:22]]
    without = [by_log[f"C{place:04d}"] for place, count in enumerate(crimes) if count == 0]
    assert min(with_crime) > 0.5
    assert np.mean(without) < 0.2


def test_a_second_crime_that_no_audit_taught_is_not_known(tmp_path: Path) -> None:
    """A probability of 0 would say that no log tells of one; the lexicon knows better."""
    table = lessons()
    ones = pa.array([count and min(count, 1) for count in table["crimes"].to_pylist()], pa.int64())
    learnt = learn(
        tmp_path / "ones", table.set_column(table.column_names.index("crimes"), "crimes", ones)
    )
    audited = pq.read_table(learnt / "audited.parquet")
    read = score_features(features(table).slice(0, 20), learnt)
    for scored in (audited, read):
        assert scored["crime_probability"].null_count == 0
        assert scored["second_probability"].null_count == len(scored) > 0


def test_what_is_read_is_kept_and_known_to_the_next_build(
    learnt: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = features(lessons()).slice(0, 20)
    read = score_features(table, learnt)
    for rules, rows in (("rules1", 0), ("rules1", 20), ("rules2", 0)):
        with duckdb.connect() as con:
            con.execute("create schema landing")
            con.execute("create schema disclosure")
            open_readings(con, "testville", {"text": rules})
            known = con.sql("from landing.text_readings order by content_hash").to_arrow_table()
            assert known.equals(read.slice(0, rows))
            con.register("read", read)
            con.execute(
                f"create table disclosure.{KINDS['text'].table} as from read "
                "anti join landing.text_readings using (content_hash)"
            )
            keep_readings(con, "testville", {"text": rules})


def test_a_build_sees_its_version_and_what_it_says_of_audited_logs(learnt: Path) -> None:
    with duckdb.connect() as con:
        con.execute("create schema landing")
        open_text_weights(con, Weights(learnt, {"version": "v1"}))
        assert con.sql("select version from landing.text_weights").fetchall() == [("v1",)]
        assert len(con.sql("from landing.audited_readings").fetchall()) == 600


def test_without_a_version_a_build_has_nothing_to_read_by() -> None:
    with duckdb.connect() as con:
        con.execute("create schema landing")
        open_text_weights(con, None)
        for table in ("text_weights", "audited_readings"):
            assert con.sql(f"from landing.{table}").fetchall() == []
