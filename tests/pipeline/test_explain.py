"""`cdi explain`: what it prints about the calls of a published version."""

import html
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cdi.errors import CdiError
from cdi.report.call import read_stories
from cdi.report.explain import explain_call
from cdi.sql import connect
from tests.conftest import HIDDEN, SmallAgency


@pytest.fixture
def explain(told: SmallAgency) -> Callable[[str], str]:
    """What is printed of a call, with single blanks."""

    def explain_in_terminal(call: str) -> str:
        console = Console(file=io.StringIO(), width=200)
        explain_call(told.agency, call, console)
        assert isinstance(console.file, io.StringIO)
        return " ".join(console.file.getvalue().split())

    return explain_in_terminal


def test_an_unrecorded_crime_is_explained_from_its_words_to_its_outcome(
    explain: Callable[[str], str],
) -> None:
    text = explain("T-0006")
    assert text.startswith("SIMULATED invented data")
    assert "received 5 January 2026, 3pm" in text
    assert "closed as NOISE Noise" in text
    assert f"account {HIDDEN[-1]}" in text
    assert "account reports a crime Violence against the person “" in text
    assert "log text likely Violence against the person “" in text
    assert "Something in the call says that this crime was reported yes" in text
    assert "D800: A crime was reported and the result gives no legitimate reason" in text
    assert "verdict A crime must be recorded" in text
    assert "1 Violence against the person log text by itself" in text
    assert "outcome, strict not counted" in text
    assert "outcome, standard unrecorded" in text
    assert "crime record none" in text
    assert "to be recorded by 6 January 2026, 3pm" in text
    assert "time left 9 hours over" in text


def test_the_answer_in_short_comes_first(explain: Callable[[str], str]) -> None:
    before, _, _ = explain("T-0006").partition("received 5 January 2026, 3pm")
    assert before.endswith(
        "Violence against the person is reported. No crime was recorded from this log. "
        "Crime 1: A crime must be recorded (D800: A crime was reported and the result gives no "
        "legitimate reason). On the worklist. Overdue since 3pm on 6 January. "
    )
    before, _, _ = explain("T-0004").partition("received")
    assert before.endswith("Not on the worklist. ")


def test_a_justified_call_is_explained_with_its_reason_and_page(
    explain: Callable[[str], str],
) -> None:
    text = explain("T-0004")
    assert "result DUP Duplicate" in text
    assert "D010: The log was closed as a duplicate of another" in text
    assert "No crime record is needed: The same event is already on another log" in text
    assert "rule book NSIR 2011 1.5, p26" in text
    assert "outcome, standard justified" in text


def test_a_recorded_crime_is_explained_with_its_record_and_the_text_as_masked(
    explain: Callable[[str], str],
) -> None:
    text = explain("T-0001")
    assert "[email]" in text
    assert "crime record R1" in text
    assert "linked by canonical key" in text
    assert "cancellation not cancelled" in text


def test_a_call_is_found_in_each_form_that_the_key_rules_read(
    explain: Callable[[str], str],
) -> None:
    assert explain(" t0003 ") == explain("T-0003")
    assert "None: no crime was reported and no record is linked." in explain("T-0003")


def test_the_page_of_a_log_says_what_the_terminal_says(
    told: SmallAgency, explain: Callable[[str], str]
) -> None:
    terminal = explain("T-0006")
    page = (told.published / "worklist" / "logs" / "T-0006.html").read_text(encoding="utf-8")
    text = html.unescape(re.sub("<[^>]+>", " ", page))
    _, _, page_text = " ".join(text.split()).partition("What the log says")
    with connect(told.published / "recording.duckdb", read_only=True) as con:
        story = read_stories(con, told.agency, ["T-0006"])["T-0006"]
    assert len(story.details) > 5 and story.hits and story.evidence and len(story.facts) > 5
    phrases = [
        *(value for _, value in story.details),
        *(f"{hit.says} {hit.subject}" for hit in story.hits),
        *(f"{evidence.kind} {evidence.strength}" for evidence in story.evidence),
        *(evidence.what for evidence in story.evidence),
        *(row["verdict"] for row in story.decisions),
        *(f"{question} {answers[0]}" for question, answers in story.facts if answers[0]),
    ]
    assert [phrase for phrase in phrases if phrase not in terminal] == []
    assert [phrase for phrase in phrases if phrase not in page_text] == []


def test_a_log_names_the_team_that_closed_it_and_not_the_person(
    told: SmallAgency, tmp_path: Path
) -> None:
    """Everybody who may read logs sees it, and a crime is only suspected (docs/feedback.md)."""
    file = tmp_path / "recording.duckdb"
    file.write_bytes((told.published / "recording.duckdb").read_bytes())
    with connect(file) as con:
        con.execute(
            "insert into outcomes.int_outcomes__closing_teams (call_id, supervisor_code, team) "
            "select call_no, 'S1300', 'Response' from fct_calls where call_id = 'T-0006'"
        )
        stories = read_stories(con, told.agency, ["T-0006", "T-0005"])
    assert ("Closed by team", "Response") in stories["T-0006"].details
    assert "S1300" not in repr(stories["T-0006"])
    assert "Closed by team" not in dict(stories["T-0005"].details)


def test_an_unknown_call_is_an_error_that_says_what_was_looked_for(
    explain: Callable[[str], str],
) -> None:
    with pytest.raises(CdiError, match=r"no log 't0999' \(searched as T-0999\)") as caught:
        explain("t0999")
    assert caught.value.rule_id == "EXPLAIN-UNKNOWN"
    assert "the next build" in caught.value.fix


def test_without_a_published_version_the_error_says_how_to_make_one(
    told: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_HOME", str(tmp_path / "empty"))
    with pytest.raises(CdiError, match="make run AGENCY=testville") as caught:
        explain_call(told.agency, "T-0001", Console(file=io.StringIO()))
    assert caught.value.rule_id == "EXPLAIN-UNPUBLISHED"
    assert "on a server the DAG testville__extract" in caught.value.fix
