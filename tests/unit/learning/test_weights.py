"""Weights: immutable versions by content, the newest of a date, one rename."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdi import paths
from cdi.agency.model import Agency
from cdi.build.version import plan_version, read_current
from cdi.errors import AuditError, StateError
from cdi.learning import links, text
from cdi.learning.weights import (
    find_newest_weights,
    read_weights,
    remove_weights,
    save_weights,
)
from cdi.sealed_files import seal_file
from cdi.steps.build import check_marts, make_build, publish_version, write_report
from cdi.steps.run import is_up_to_date, land_directly
from cdi.steps.train import learn_links, learn_text
from tests.conftest import SmallAgency

JANUARY = datetime(2026, 1, 31, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 28, tzinfo=UTC)


def writes(text: str) -> Callable[[Path], dict[str, int]]:
    def write(folder: Path) -> dict[str, int]:
        (folder / "numbers.csv").write_text(text, encoding="utf-8")
        return {"numbers": len(text)}

    return write


def test_a_version_is_named_by_its_content_and_says_what_it_is(state: Path) -> None:
    saved = save_weights("testville", "links", JANUARY, "f00", writes("1,2"))
    assert saved.folder == paths.weights("testville") / "links" / saved.version
    assert (saved.folder / "numbers.csv").read_text() == "1,2"
    described = json.loads((saved.folder / "weights.json").read_text())
    assert described == {
        "kind": "links",
        "version": saved.version,
        "seq": 1,
        "as_of": JANUARY.isoformat(),
        "learnt_from": "f00",
        "counts": {"numbers": 3},
    }
    assert read_weights("testville", "links", saved.version) == saved


def test_the_same_content_makes_no_new_version(state: Path) -> None:
    first = save_weights("testville", "links", JANUARY, "f00", writes("1,2"))
    again = save_weights("testville", "links", FEBRUARY, "f01", writes("1,2"))
    assert again.version == first.version
    assert again.described["learnt_from"] == "f00"
    assert [f.name for f in first.folder.parent.glob("*/")] == [first.version]


def test_the_newest_is_the_one_learnt_last_and_not_after_the_date_asked(state: Path) -> None:
    assert find_newest_weights("testville", "links") is None
    first = save_weights("testville", "links", JANUARY, "f00", writes("1,2"))
    second = save_weights("testville", "links", FEBRUARY, "f01", writes("3"))
    assert find_newest_weights("testville", "links") == second
    assert find_newest_weights("testville", "links", FEBRUARY - timedelta(1)) == first
    assert find_newest_weights("testville", "links", JANUARY - timedelta(1)) is None
    assert find_newest_weights("testville", "other") is None
    assert find_newest_weights("elsewhere", "links") is None


def test_what_was_learnt_before_something_else_can_be_the_newest_again(state: Path) -> None:
    first = save_weights("testville", "links", JANUARY, "f00", writes("1,2"))
    save_weights("testville", "links", FEBRUARY, "f01", writes("3"))
    save_weights("testville", "links", FEBRUARY, "f02", writes("1,2"))
    again = find_newest_weights("testville", "links")
    assert again is not None
    assert (again.version, again.described["seq"]) == (first.version, 3)


def test_what_was_learnt_last_cannot_be_lost_moved_or_changed_unnoticed(state: Path) -> None:
    first = save_weights("testville", "links", JANUARY, "f00", writes("1,2"))
    second = save_weights("testville", "links", FEBRUARY, "f01", writes("3"))
    kept = state.with_name("kept")
    shutil.copytree(state, kept)
    aside = first.folder.with_name("aside")

    def exchange() -> None:
        first.folder.rename(aside)
        second.folder.rename(first.folder)
        aside.rename(second.folder)

    def renew() -> None:
        file = first.folder / "weights.json"
        file.write_text(file.read_text().replace('"seq": 1', '"seq": 9'))

    def age() -> None:
        file = second.folder / "weights.json"
        file.write_text(file.read_text().replace('"seq": 2', '"seq": 0'))

    for damage in (exchange, renew, age, lambda: shutil.rmtree(second.folder)):
        damage()
        with pytest.raises(StateError, match="WEIGHTS-DAMAGED"):
            find_newest_weights("testville", "links")
        shutil.rmtree(state)
        shutil.copytree(kept, state)
    assert find_newest_weights("testville", "links") == second
    remove_weights(second.folder)  # as an erasure does
    assert find_newest_weights("testville", "links") == first


def test_learning_that_fails_leaves_no_version(state: Path) -> None:
    def fails(folder: Path) -> dict[str, int]:
        (folder / "numbers.csv").write_text("1", encoding="utf-8")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_weights("testville", "links", JANUARY, "f00", fails)
    assert find_newest_weights("testville", "links") is None
    assert save_weights("testville", "links", JANUARY, "f00", writes("2")).described["seq"] == 1


def test_a_version_is_out_of_date_once_something_was_learnt(ran: SmallAgency) -> None:
    before = plan_version(ran.agency)
    assert before.weights == {}

    def write(folder: Path) -> dict[str, int]:
        for table, columns in links.TABLES.items():
            (folder / f"{table}.csv").write_text(",".join(list(columns)[:-1]) + "\n")
        (folder / "link_weights.csv").open("a").write("prior,pair,90,10,3.17\n")
        links.note_comparisons(folder)
        return {"weights": 1, "proven": 90}

    saved = save_weights("testville", "links", before.as_of, before.learns_from, write)
    after = plan_version(ran.agency)
    assert after.weights == {"links": saved}
    assert after.fingerprint != before.fingerprint
    assert after.learns_from == before.learns_from  # what is learnt does not depend on itself
    assert not is_up_to_date("testville", ran.interval)


def test_weights_learnt_under_other_comparisons_are_not_used_until_they_are_learnt_again(
    ran: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade a level may mean something else, and then its weight says nothing."""

    def write(folder: Path) -> dict[str, int]:
        links.note_comparisons(folder)
        return {"weights": 0, "proven": 0}

    before = plan_version(ran.agency)
    save_weights("testville", "links", before.as_of, before.learns_from, writes("of long ago"))
    assert plan_version(ran.agency).weights == {}
    saved = save_weights("testville", "links", before.as_of, before.learns_from, write)
    assert plan_version(ran.agency).weights == {"links": saved}
    monkeypatch.setattr(links, "COMPARED_BY", ("macros/lexicon.sql",))
    assert plan_version(ran.agency).weights == {}


def test_too_few_proven_links_teach_nothing_and_it_is_said(ran: SmallAgency) -> None:
    step = learn_links("testville")
    assert not step.is_new
    assert step.note.startswith("1 records name a call; 500 are needed")


def test_records_without_candidates_teach_nothing_and_it_is_said(
    ran: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one record names its call, and was recorded too late to be compared with it."""
    monkeypatch.setattr(links, "MIN_PROVEN", 1)
    step = learn_links("testville")
    assert not step.is_new
    assert step.note.startswith("no record has the call that it names among its candidates")
    assert find_newest_weights("testville", "links") is None


def test_an_audit_in_other_words_teaches_nothing_and_it_is_said(
    ran: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(part: Path, folder: Path) -> dict[str, int]:
        (folder / "words.parquet").write_bytes(b"half written")
        raise AuditError("AUDIT-WORDS", "words have changed", "audit again")

    monkeypatch.setattr(text, "count_audited", lambda batches: text.MIN_LOGS)
    monkeypatch.setattr(text, "has_enough_lessons", lambda part: True)
    monkeypatch.setattr(text, "write_text_model", refuse)
    step = learn_text("testville")
    assert not step.is_new
    assert step.note == "words have changed [AUDIT-WORDS]; next step: audit again"
    assert find_newest_weights("testville", "text") is None


def test_the_first_build_learns_and_the_same_landing_teaches_the_same(
    sample: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdi.agency.interval import Interval

    assert sample.coverage is not None
    monkeypatch.setattr(links, "MIN_PROVEN", 5)
    interval = Interval.of_days(sample, sample.coverage.start, sample.coverage.end)
    land_directly("sample", interval)
    step = make_build("sample")
    version = str(step.result)
    check_marts("sample", version)
    write_report("sample", version)
    publish_version("sample", version)
    learnt = find_newest_weights("sample", "links")
    assert learnt is not None
    assert learnt.described["counts"]["proven"] > 0
    assert links.summarise_links(learnt) in step.note
    current = read_current("sample")
    assert current is not None
    assert current["weights"] == {"links": learnt.version}
    assert is_up_to_date("sample", interval)
    assert "nothing changed" in learn_links("sample").note
    # told to learn again from the same state, it says the same
    known = json.loads((learnt.folder / "weights.json").read_text())
    (learnt.folder / "weights.json").write_text(json.dumps({**known, "learnt_from": "elsewhere"}))
    seal_file("sample", learnt.folder / "weights.json")
    step = learn_links("sample")
    assert not step.is_new
    assert f"version {learnt.version} was learnt again" in step.note
    assert plan_version(sample).name == version
