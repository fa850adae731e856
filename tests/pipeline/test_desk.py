"""The desk: queue, claims, deciding, conflicts, two people, search, and what is written down."""

import html
import re
import shutil
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import httpx
import pytest

from cdi import paths
from cdi.agency.asked import note_asked
from cdi.desk import app, claims, feedback, forms, pages, queue
from cdi.desk.claims import make_call_hash, read_claims, take_claim, take_first_free
from cdi.desk.queue import Filters
from cdi.desk.standing import Standing
from cdi.desk.versions import find_shown
from cdi.errors import CdiError
from cdi.people.decision_file import HEADER, keep_decisions, read_decisions
from cdi.people.decisions import add_decision
from cdi.publish.access import read_access_log
from cdi.report.log import LogView
from cdi.sealed_files import seal_of
from tests.conftest import HIDDEN, SmallAgency
from tests.desk import Clerk, read_forms, sign_in, words_of
from tests.postgres import read_by_sql

# The clock of simulated data stands at the end of 6 January 2026. The rape of the 5th, 16:00, was
# to be recorded within 24 hours; the theft of the 6th, 20:00, still can be.
IN_TIME, RAPE, ASSAULT = "T-0005", "T-0007", "T-0002"
EFFECT = "A decision takes effect in the next version, which the next build publishes."


def test_the_queue_begins_with_what_can_still_be_recorded_then_come_the_gravest(
    told: SmallAgency,
) -> None:
    clerk = sign_in("reader.one")
    listed = clerk.listed()
    assert listed[:2] == [IN_TIME, RAPE]
    assert set(listed) == {row[0] for row in told.rows("select call_id from unrecorded_crimes")}
    text = words_of(clerk.get().text)
    assert "SIMULATED" in text
    assert f"1 of {len(listed)} logs can still be recorded in time" in text
    assert "Record by 8pm on 7 January" in text
    assert "Overdue since 4pm on 6 January" in text
    assert "The data ends on 7 January 2026, midnight, so deadlines are counted from then" in text
    assert "signed in as reader.one" in text


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"district": "N"}, {"T-0002"}),
        ({"team": "N"}, {"T-0002"}),  # without teams.csv the district stands for the team
        ({"severity": "rape"}, {"T-0007"}),
        ({"offence": "theft"}, {"T-0005"}),
        ({"likelihood": "likely"}, {"T-0002", "T-0005", "T-0006", "T-0007"}),
        ({"likelihood": "possible"}, set()),
        ({"since": "2026-01-06"}, {"T-0005"}),
        ({"until": "2026-01-05", "district": "S"}, {"T-0006", "T-0007"}),
        ({"text": "GUEST punched"}, {"T-0006"}),
        ({"text": "t-0005"}, {"T-0005"}),
        ({"result": "CRIME"}, set()),
        ({"since": "yesterday", "list": "everything"}, {"T-0002", "T-0005", "T-0006", "T-0007"}),
    ],
)
def test_the_address_of_the_queue_says_what_it_shows(
    told: SmallAgency, query: dict[str, str], wanted: set[str]
) -> None:
    assert set(sign_in("viewer").listed(**query)) == wanted


def test_a_filter_that_ends_before_it_begins_says_what_to_change(told: SmallAgency) -> None:
    clerk = sign_in("viewer")
    reversed_days = words_of(clerk.get(since="2026-01-06", until="2026-01-05").text)
    assert "The first day is after the last day, so no log fits." in reversed_days
    assert "change one of the two days" in reversed_days
    assert "There are no logs here" not in reversed_days
    for days in ({"since": "2026-01-06", "until": "2026-01-06"}, {"since": "2030-01-01"}, {}):
        assert "after the last day" not in words_of(clerk.get(**days).text)


def test_the_first_page_imports_what_the_first_decision_is_checked_with(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()

    def fail() -> None:
        began.set()
        raise ImportError

    monkeypatch.setattr(app, "import_great_expectations", fail)
    app._prepare_checks.cache_clear()
    assert sign_in("viewer").get().status_code == 200  # whatever becomes of it
    assert began.wait(60)
    app._prepare_checks.cache_clear()


def test_filters_go_on_from_log_to_log(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    answer = clerk.get("start", district="S")
    assert answer.url.path.endswith("/log")
    assert answer.url.params["call"] == IN_TIME
    answer = clerk.send(clerk.find_form(answer.text, "confirmed"))
    assert (answer.url.params["call"], answer.url.params["district"]) == (RAPE, "S")
    assert f"Crime 1 of {IN_TIME}: confirmed: it must be recorded" in words_of(answer.text)
    assert "can still be recorded in time" not in words_of(answer.text)  # it was the last one


def test_a_log_page_leads_with_the_finding_and_ends_with_the_rule(told: SmallAgency) -> None:
    text = words_of(sign_in("viewer").open_log(RAPE))
    assert (
        "A rape is reported. No crime was recorded from this log. No record of a rape and no N100"
        in text
    )
    page = sign_in("viewer").open_log("T-0006")
    assert HIDDEN[-1].split(",")[0] in words_of(page)
    assert '<mark class="for">' in page
    assert "D800" in page
    recorded = words_of(sign_in("viewer").open_log("t 0001".replace(" ", "-")))
    assert "Recorded from this log: Assault R1 (5 January 2026, 11:30am)." in recorded
    assert "No crime of this log is on the worklist." in recorded


def test_what_is_decided_leaves_the_queue_at_once_and_stands_in_the_file(
    told: SmallAgency,
) -> None:
    clerk = sign_in("reader.one")
    before = datetime.now(UTC)
    answer = clerk.decide(
        ASSAULT, "dismissed", reason_code="GOOD_INTENT", note="a misunderstanding"
    )
    assert answer.status_code == 200, answer.text
    assert ASSAULT not in clerk.listed()
    assert clerk.listed(list="dismissed") == [ASSAULT]
    (row,) = read_decisions(told.agency)
    version = find_shown("testville")
    assert version is not None
    assert {name: row[name] for name in (
        "decision_kind", "call_reference", "crime_number", "reason_code", "reason", "decided_by",
        "second_person", "version_seen", "selection")} == {
        "decision_kind": "dismissed", "call_reference": ASSAULT, "crime_number": "1",
        "reason_code": "GOOD_INTENT", "reason": "a misunderstanding", "decided_by": "reader.one",
        "second_person": "", "version_seen": version.name, "selection": "order",
    }  # fmt: skip
    assert re.fullmatch("[0-9a-f]{64}", row["evidence_hash"])
    taken = datetime.fromisoformat(row["decided_at"])
    assert before - timedelta(seconds=1) <= taken <= datetime.now(UTC)


def test_a_dismissal_needs_a_reason_of_the_rules(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    for reason in ("", "VICTIM_UNWILLING", "MADE_UP"):
        answer = clerk.decide(ASSAULT, "dismissed", reason_code=reason)
        assert answer.status_code == 409
        text = words_of(answer.text)
        assert "Nothing was saved yet. Choose one of the reasons not to record a crime." in text
        assert "reasons.csv" not in text
        assert "--help" not in text
    assert read_decisions(told.agency) == []
    assert ASSAULT in clerk.listed()


def test_only_a_force_that_keeps_delivering_is_measured_by_the_clock_of_today(
    told: SmallAgency,
) -> None:
    simulated = sign_in("reader.one").listed()
    told.settings["is_simulated"] = False
    told.write_settings()  # real, and a publication that was finished on 6 January
    clerk = sign_in("reader.one")
    assert clerk.listed() == simulated
    text = words_of(clerk.get().text)
    assert "so deadlines are counted from then" in text
    assert "Record by 8pm on 7 January" in text
    del told.settings["coverage"]
    told.write_settings()
    text = words_of(clerk.get().text)
    assert "0 of 4 logs can still be recorded in time" in text
    assert "The deadlines here are compared with today’s clock." in text
    assert "no longer filled" not in text
    read_by_sql(told)
    until = datetime(2026, 1, 20, tzinfo=UTC)
    note_asked("testville", "calls", until, is_new=False, now=until, newest_day=date(2026, 1, 6))
    assert (
        "A source is no longer filled (calls: no row after 6 January 2026). What was reported or "
        "recorded since is missing here. Ask operations."
    ) in words_of(clerk.get().text)
    answer = clerk.decide(ASSAULT, "confirmed")
    expected = re.escape(EFFECT) + r" It is expected soon after \d+ \w+ \d{4}, midnight\."
    assert re.search(expected, words_of(answer.text))
    assert "by today’s clock" not in words_of(answer.text)  # there is no other


def test_a_note_is_kept_whichever_button_is_pressed(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    page = clerk.open_log(ASSAULT)
    notes = re.findall(r'<textarea id="note-1" name="note"', page)
    assert len(notes) == 1  # and one form, so that each button sends it
    # the browser asks for a reason only where one is needed
    assert len(re.findall(r'value="(?:confirmed|passed)" formnovalidate', page)) == 2
    assert 'value="dismissed" formnovalidate' not in page
    for kind in ("passed", "undone", "confirmed"):
        # a reason was chosen before; it is that of a dismissal alone
        clerk.decide(ASSAULT, kind, note=f"why it\nis {kind}", reason_code="GOOD_INTENT")
    assert [
        (row["decision_kind"], row["reason"], row["reason_code"])
        for row in read_decisions(told.agency)
    ] == [
        ("passed", "why it is passed", ""),
        ("undone", "why it is undone", ""),
        ("confirmed", "why it is confirmed", ""),
    ]
    assert "Note: why it is passed" in words_of(clerk.open_log(ASSAULT))


def test_undoing_brings_a_crime_back(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    clerk.decide(ASSAULT, "confirmed")
    assert ASSAULT not in clerk.listed()
    clerk.decide(ASSAULT, "undone")
    assert ASSAULT in clerk.listed()
    assert [row["decision_kind"] for row in read_decisions(told.agency)] == ["confirmed", "undone"]
    text = words_of(clerk.open_log(ASSAULT))
    assert text.count("reader.one: crime 1") == 2  # both stay readable


def test_taking_back_what_only_waited_says_that_no_figure_changes(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    for call, kind in ((RAPE, "dismissed"), (ASSAULT, "passed")):
        clerk.decide(call, kind, reason_code="NO_CRIME_BOP")
        text = words_of(clerk.decide(call, "undone").text)
        assert "taken back. What was taken back had changed no figure, so none changes" in text
        assert EFFECT not in text + words_of(clerk.open_log(call))
        assert call in clerk.listed()
    # one taken back before this counts, so taking back what waits after it adds nothing
    clerk.decide(ASSAULT, "confirmed")
    assert EFFECT in words_of(clerk.decide(ASSAULT, "undone").text)
    clerk.decide(ASSAULT, "passed")
    late = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    # what is left of the day's work is said as well, so that nobody has to go back to the queue
    assert (
        "so none changes now. 1 suspected crime can still be recorded in time. Look at it again"
    ) in words_of(clerk.decide(ASSAULT, "undone").text)
    assert "taken back by reader.one on" in words_of(clerk.send(late).text)
    assert words_of(clerk.open_log(ASSAULT)).count(EFFECT) == 1


def test_a_crime_in_time_that_was_confirmed_does_not_drop_out_of_sight(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    assert "Also in time, and without a record" not in words_of(clerk.get().text)
    text = words_of(clerk.decide(IN_TIME, "confirmed").text)
    # what happens next, in a sentence
    assert "Whoever records crimes makes the record, not the desk." in text
    assert "The crime stays under “Confirmed” until the record arrives." in text
    clerk.decide(ASSAULT, "confirmed")  # is overdue
    text = words_of(clerk.get().text)
    assert "0 of 2 logs can still be recorded in time" in text
    assert "Also in time, and without a record: 1 crime under Confirmed ." in text
    assert "Read the first 2 logs now: Testville (made up) can read" in text
    text = words_of(clerk.get(list="confirmed").text)
    assert "1 of 2 crimes has no record yet and can still be recorded in time" in text
    clerk.decide(IN_TIME, "undone")
    clerk.decide(IN_TIME, "passed")
    text = words_of(clerk.get(list="passed").text)
    assert "1 of 1 crime has no record yet and can still be recorded in time" in text
    clerk.decide(RAPE, "dismissed", reason_code="GOOD_INTENT")
    text = words_of(clerk.get(list="proposed").text)
    assert "0 of 1 crime has no record yet and can still be recorded in time" in text


def test_a_crime_that_was_dismissed_has_no_time_limit(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    clerk.decide(IN_TIME, "dismissed", reason_code="GOOD_INTENT")
    for page in (clerk.get(list="dismissed").text, clerk.open_log(IN_TIME)):
        text = words_of(page)
        assert "No record needed" in text
        assert "Record by" not in text


def test_the_queue_says_how_likely_each_crime_of_a_log_is(told: SmallAgency) -> None:
    assert "Theft (likely) · S" in words_of(sign_in("viewer").get().text)


def test_what_is_passed_on_waits_for_the_registrar(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    answer = clerk.decide(ASSAULT, "passed")
    assert EFFECT not in words_of(answer.text) + words_of(clerk.open_log(ASSAULT))
    for call in (ASSAULT, IN_TIME):  # who looked at it again, and got the next one, has them open
        claims.release_claim("testville", call)
    assert ASSAULT not in clerk.listed()
    registrar = sign_in("registrar")
    assert registrar.listed(list="passed") == [ASSAULT]
    # the registrar can pass nothing on, on this log or another
    page = registrar.open_log(IN_TIME)
    assert not [form for form in read_forms(page) if form.get("kind") == "passed"]
    answer = registrar.send(registrar.find_form(page, "confirmed"), kind="passed")
    assert answer.status_code == 403
    assert "You are the registrar of Testville (made up), so you cannot" in words_of(answer.text)
    assert [row["call_reference"] for row in read_decisions(told.agency)] == [ASSAULT]
    registrar.decide(ASSAULT, "confirmed")
    assert registrar.listed(list="passed") == []


def test_what_is_passed_on_or_proposed_elsewhere_changes_nothing_that_counts(
    told: SmallAgency,
) -> None:
    clerk = sign_in("reader.one")
    clerk.decide(ASSAULT, "confirmed")
    for kind in ("passed", "proposed"):  # as the command line may write them
        row = {"decision_kind": kind, "call_reference": ASSAULT, "crime_number": 1}
        add_decision(told.agency, {**row, "reason_code": "GOOD_INTENT", "decided_by": "1207"})
        assert clerk.listed(list="confirmed") == [ASSAULT]
    add_decision(told.agency, {**row, "decision_kind": "undone", "decided_by": "1207"})
    assert ASSAULT in clerk.listed()


def test_a_rape_is_dismissed_by_two_people_who_sign_in(told: SmallAgency) -> None:
    first, second = sign_in("reader.one"), sign_in("reader.two")
    note = "she says that it was a film"
    answer = first.decide(RAPE, "dismissed", reason_code="NO_CRIME_BOP", note=note)
    assert "waits for a second person" in words_of(answer.text)
    assert EFFECT not in words_of(answer.text)
    assert first.listed(list="proposed") == [RAPE]
    own = first.open_log(RAPE)
    assert EFFECT not in words_of(own)
    assert not [form for form in read_forms(own) if form.get("kind") == "agreed"]
    # by hand, from any other form of the page
    form = first.find_form(own, "undone")
    for _ in range(2):
        answer = first.send(form, kind="agreed")
        assert answer.status_code == 409
        assert "you proposed this yourself" in words_of(answer.text).lower()
    claims.release_claim("testville", RAPE)  # who looked at it again has it open
    seen = words_of(second.open_log(RAPE))
    assert "Take it back" in words_of(own)
    assert "Reject the proposal" in seen  # to take it back is for who proposed it
    assert "Take it back" not in seen
    # at the crime and in the list of decisions, so that the second person knows why
    assert seen.count(f"Note: {note}") == 2
    answer = second.decide(RAPE, "agreed")
    assert answer.status_code == 200, answer.text
    assert words_of(answer.text).count(EFFECT) == 1
    assert words_of(second.open_log(RAPE)).count(EFFECT) == 1
    assert second.listed(list="dismissed") == [RAPE]
    proposed, dismissed = read_decisions(told.agency)
    assert (proposed["decision_kind"], proposed["second_person"]) == ("proposed", "")
    assert (dismissed["decision_kind"], dismissed["decided_by"], dismissed["second_person"]) == (
        "dismissed", "reader.one", "reader.two",
    )  # fmt: skip
    assert dismissed["reason_code"] == "NO_CRIME_BOP"


def test_a_decision_meanwhile_is_shown_and_never_overwritten(told: SmallAgency) -> None:
    first, second = sign_in("reader.one"), sign_in("reader.two")
    late = first.find_form(first.open_log(ASSAULT), "confirmed")
    claims.release_claim("testville", ASSAULT)  # its time ran out
    second.decide(ASSAULT, "dismissed", reason_code="GOOD_INTENT")
    answer = first.send(late)
    assert answer.status_code == 409
    assert "Nothing was saved yet" in words_of(answer.text)
    assert f"<title>Nothing was saved: {ASSAULT}" in answer.text
    assert f"Crime 1 of {ASSAULT} has changed since you opened it" in words_of(answer.text)
    assert "dismissed by reader.two" in words_of(answer.text)
    assert [row["decided_by"] for row in read_decisions(told.agency)] == ["reader.two"]
    # who has seen it may decide otherwise, and both decisions stay
    answer = first.send(first.find_form(answer.text, "confirmed"))
    assert answer.status_code == 200
    assert [row["decision_kind"] for row in read_decisions(told.agency)] == [
        "dismissed", "confirmed",
    ]  # fmt: skip


def test_a_decision_says_which_version_the_person_saw(told: SmallAgency) -> None:
    """And not the one that was published while the page was open."""
    clerk = sign_in("reader.one")
    current = told.published
    seen, newer = current.resolve(), "20260107T0000-0123456789"
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    shutil.copytree(seen, seen.with_name(newer))
    current.unlink()
    current.symlink_to(seen.with_name(newer))
    clerk.send(form)
    clerk.decide(IN_TIME, "confirmed")
    clerk.decide(RAPE, "confirmed", version="../../elsewhere")
    assert [
        (row["call_reference"], row["version_seen"]) for row in read_decisions(told.agency)
    ] == [(ASSAULT, seen.name), (IN_TIME, newer), (RAPE, newer)]
    assert all(row["seen_likelihood"] for row in read_decisions(told.agency))


def test_a_key_is_that_of_one_button_and_each_button_says_of_which_crime(
    told: SmallAgency,
) -> None:
    page = sign_in("reader.one").open_log(ASSAULT)
    for key in "cd":
        assert page.count(f'accesskey="{key}"') == 1
    assert page.count('aria-describedby="what-1"') == 3  # confirm, dismiss, pass on
    # the number that the rule, the evidence and the list of decisions use
    assert "Crime 1, Violence against the person domestic abuse : Overdue" in words_of(page)


TYPED = {"reason_code": "GOOD_INTENT", "note": "He & she agree."}
KEPT = '<option value="GOOD_INTENT" selected>'


def test_what_was_typed_before_the_sign_in_ended_is_not_lost(told: SmallAgency) -> None:
    """The browser sends the same form again after the next sign-in, with the token of the first."""
    clerk = sign_in("reader.one")
    form = clerk.find_form(clerk.open_log(ASSAULT), "dismissed")
    clerk.client.cookies.clear()
    answer = clerk.send(form, **TYPED)
    assert answer.status_code == 401
    assert "sign in in another tab" in words_of(answer.text)
    clerk = sign_in("reader.one")
    answer = clerk.send(form, **TYPED)
    assert answer.status_code == 403
    assert "opened before you signed in, or too long ago" in words_of(answer.text)
    assert read_decisions(told.agency) == []
    again = clerk.find_form(answer.text, "dismissed")
    assert KEPT in answer.text
    assert again["note"] == TYPED["note"]
    assert clerk.send(again, reason_code="GOOD_INTENT").status_code == 200
    assert [row["reason"] for row in read_decisions(told.agency)] == [TYPED["note"]]
    # a form of another site shows nothing of a log
    clerk.client.headers["Origin"] = "http://elsewhere.test"
    fields = {name: value for name, value in form.items() if name != "action"}
    stranger = clerk.client.post(f"{clerk.base}decide", data=fields)
    assert stranger.status_code == 403
    assert ASSAULT not in stranger.text


def test_what_was_typed_before_a_colleague_decided_is_not_lost(told: SmallAgency) -> None:
    first, second = sign_in("reader.one"), sign_in("reader.two")
    late = first.find_form(first.open_log(ASSAULT), "dismissed")
    claims.release_claim("testville", ASSAULT)
    second.decide(ASSAULT, "passed")
    claims.release_claim("testville", ASSAULT)
    answer = first.send(late, **TYPED)  # the crime still waits, so the form is filled in
    assert answer.status_code == 409
    assert KEPT in answer.text
    late = first.find_form(answer.text, "dismissed")
    assert late["note"] == TYPED["note"]
    assert "decide again if you still want to" in words_of(answer.text)
    claims.release_claim("testville", ASSAULT)
    second.decide(ASSAULT, "confirmed")
    claims.release_claim("testville", ASSAULT)
    answer = first.send(late, **TYPED)  # now it can be dismissed only after that is taken back
    text = words_of(answer.text)
    assert answer.status_code == 409
    assert "confirmed by reader.two" in text
    assert "To decide otherwise, take it back first." in text
    assert "You had chosen the reason: " in text
    assert first.find_form(answer.text, "undone")["note"] == TYPED["note"]
    assert "decide again if you still want to" not in text


def test_what_was_typed_before_a_claim_ended_is_not_lost(told: SmallAgency) -> None:
    first, second = sign_in("reader.one"), sign_in("reader.two")
    form = first.find_form(first.open_log(ASSAULT), "dismissed")
    claims.release_claim("testville", ASSAULT)  # by the registrar, or its time ran out
    second.open_log(ASSAULT)
    answer = first.send(form, **TYPED)
    text = words_of(answer.text.replace("&amp;", "&"))
    assert answer.status_code == 409
    assert "Nothing was saved yet. Your claim has ended." in text
    assert "You had typed this note; copy it if you need it: He & she agree." in text
    assert "You had chosen the reason: " in text
    assert "ran out" not in text


def test_a_log_that_a_colleague_has_open_cannot_be_decided(told: SmallAgency) -> None:
    first, second = sign_in("reader.one"), sign_in("reader.two")
    form = first.find_form(first.open_log(ASSAULT), "confirmed")
    claims.release_claim("testville", ASSAULT)
    page = second.open_log(ASSAULT)
    assert "reader.two has it open" in words_of(first.get().text)
    other = words_of(first.open_log(ASSAULT))
    assert "reader.two has this log open until" in other
    answer = first.send(form)
    assert answer.status_code == 409
    # how long people have a log runs on, though the clock of the simulated force has stopped
    assert re.search(
        r"reader.two has this log open until [\w:]+ by today’s clock, so", words_of(answer.text)
    )
    assert read_decisions(told.agency) == []
    second.send(next(f for f in read_forms(page) if f["action"] == "release"))
    assert first.send(form).status_code == 200


def test_who_starts_gets_the_next_log_that_nobody_has(told: SmallAgency) -> None:
    people = [sign_in(name) for name in ("reader.one", "reader.two", "registrar")]
    opened = [clerk.get("start").url.params["call"] for clerk in people]
    assert opened[:2] == [IN_TIME, RAPE]
    assert len(set(opened)) == 3
    last = sign_in("reader.one").get("start").url.params["call"]
    assert last == opened[0]  # one keeps one's own


def leave(clerk: Clerk, page: httpx.Response) -> httpx.Response:
    """Follow the link by which somebody leaves a log and takes the next one."""
    link = re.search(r'href="(start[?][^"]*)" accesskey="j">Leave it', page.text)
    assert link is not None
    return clerk.get(html.unescape(link[1]))


def test_who_leaves_a_log_gets_the_one_after_it(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    listed, page = clerk.listed(), clerk.get("start")
    for call in (*listed, listed[0]):  # after the last one comes the first
        assert page.url.params["call"] == call
        assert len(read_claims("testville")) == 1  # what was left is free for others
        page = leave(clerk, page)
    page = clerk.get("start", district="N")  # of a single log nothing is left
    assert page.url.params["call"] == ASSAULT
    page = leave(clerk, page)
    assert page.url.path == "/testville/"
    said = f"{ASSAULT} is free for others now. No other log of this list is free."
    assert said in words_of(page.text)
    form = next(f for f in read_forms(clerk.open_log(ASSAULT)) if f["action"] == "release")
    text = words_of(clerk.send(form).text)
    assert f"{ASSAULT} is free for others now." in text
    assert "No other log" not in text
    assert "free for others" not in words_of(clerk.get("", freed="T-9999").text)


def test_nobody_chooses_among_lots_by_leaving_them(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LOT_SHARE", 1)
    clerk = sign_in("reader.one")
    page = clerk.get("start")
    drawn = page.url.params["call"]
    page = leave(clerk, page)
    first = next(call for call in clerk.listed() if call != drawn)
    assert (page.url.params["call"], page.url.params["by"]) == (first, "order")
    page = clerk.send(clerk.find_form(page.text, "confirmed"))
    assert (page.url.params["call"], page.url.params["by"]) == (drawn, "lot")


def test_a_page_that_the_queue_no_longer_has_shows_the_last_one(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    assert clerk.listed(page="2") == clerk.listed()


def test_a_claim_ends_after_a_quarter_of_an_hour(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = take_claim("testville", ASSAULT, "reader.one")
    assert timedelta(minutes=14) < claim.until - datetime.now(UTC) <= timedelta(minutes=15)
    assert take_claim("testville", ASSAULT, "reader.two").person == "reader.one"
    assert take_first_free("testville", [ASSAULT, "T-0005"], "reader.two") == "T-0005"
    assert take_first_free("testville", [ASSAULT, "T-0005"], "registrar") is None
    # who writes a name in capitals is the same person
    assert take_first_free("testville", [ASSAULT, "T-0005"], "Reader.One") == ASSAULT
    assert take_claim("testville", ASSAULT, "READER.ONE").person == "READER.ONE"
    claims.release_claim("testville", ASSAULT, "reader.two")
    assert take_claim("testville", ASSAULT, "reader.two").person == "READER.ONE"
    claims.release_claim("testville", ASSAULT, "reader.one")
    assert take_claim("testville", ASSAULT, "reader.two").person == "reader.two"

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(minutes=15, seconds=1)

    monkeypatch.setattr(claims, "datetime", Later)
    assert read_claims("testville") == {}
    assert take_claim("testville", ASSAULT, "reader.one").person == "reader.one"


def test_claims_hold_no_number_of_a_log(told: SmallAgency) -> None:
    sign_in("reader.one").open_log(ASSAULT)
    stored = b"".join(file.read_bytes() for file in paths.desk("testville").iterdir())
    assert b"reader.one" in stored
    assert ASSAULT.encode() not in stored


@pytest.mark.parametrize("typed", ["T-0007", "t0007", " T0007 "])
def test_any_log_is_found_by_its_number(told: SmallAgency, typed: str) -> None:
    answer = sign_in("viewer").get("search", q=typed)
    assert (answer.url.path, answer.url.params["call"]) == ("/testville/log", "T-0007")


def test_a_log_is_found_by_its_record_and_what_is_not_there_is_told(told: SmallAgency) -> None:
    viewer = sign_in("viewer")
    assert viewer.get("search", q="r1").url.params["call"] == "T-0001"
    for typed in ("R99", "T-9999", "nothing", "' or 1 = 1 --"):
        answer = viewer.get("search", q=typed)
        assert answer.status_code == 404
        assert "Nothing was found" in answer.text
        (form,) = [form for form in read_forms(answer.text) if form["action"] == "search"]
        assert form["q"] == typed
    for path, key in (("search", "q"), ("log", "call")):  # also an old link to a log
        text = words_of(viewer.get(path, **{key: "T-9999"}).text)
        thing = "log or record" if path == "search" else "log"
        assert f"has no {thing} ’T-9999’." in text
        assert "make run" not in text


def test_a_record_is_linked_and_parted_on_the_page(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    answer = clerk.decide("T-0001", "null_link", "")
    assert answer.status_code == 200, answer.text
    (row,) = read_decisions(told.agency)
    assert (row["decision_kind"], row["call_reference"], row["record_reference"]) == (
        "null_link", "T-0001", "R1",
    )  # fmt: skip
    # what the page says can be taken back is taken back there
    page = clerk.open_log("T-0001")
    assert "R1 was parted from this log:" in words_of(page)
    assert not [form for form in read_forms(page) if form.get("kind") in ("link", "null_link")]
    answer = clerk.send(clerk.find_form(page, "undone", ""))
    assert answer.status_code == 200, answer.text
    row = read_decisions(told.agency)[-1]
    assert (row["decision_kind"], row["record_reference"]) == ("undone", "R1")
    page = clerk.open_log("T-0001")
    assert clerk.find_form(page, "null_link", "")["record"] == "R1"


def test_who_links_a_record_is_told_from_which_log_it_is_taken(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = pages.read_logs

    def read_with_candidate(*args: Any) -> dict[str, LogView]:
        """As if R1, which is linked with T-0001, could be the crime of the log as well."""
        views = read(*args)
        candidate = {
            "crime_record_id": "R1", "linked_call_id": "T-0001", "is_crime": True,
            "offence": "Assault", "recorded_at": None, "probability": 0.4, "link_rung": None,
            "is_cancelled": False,
        }  # fmt: skip
        return {call: replace(view, candidates=[candidate]) for call, view in views.items()}

    monkeypatch.setattr(pages, "read_logs", read_with_candidate)
    clerk = sign_in("reader.one")
    assert "Link R1 This takes it from T-0001 ." in words_of(clerk.open_log(ASSAULT))
    clerk.decide(ASSAULT, "link", "")
    page = clerk.open_log(ASSAULT)
    assert "R1 was linked with this log:" in words_of(page)
    assert clerk.find_form(page, "undone", "")["record"] == "R1"


def test_a_record_that_is_no_candidate_is_looked_up_by_its_number_and_linked(
    told: SmallAgency,
) -> None:
    clerk = sign_in("reader.one")
    page = clerk.open_log(IN_TIME, district="S")
    assert not [form for form in read_forms(page) if form.get("record") == "R1"]
    (form,) = [form for form in read_forms(page) if form["action"] == "log#link"]
    assert (form["call"], form["district"], form["record"]) == (IN_TIME, "S", "")
    page = clerk.open_log(IN_TIME, district="S", record=" r1 ")
    text = words_of(page)
    assert "R1 : Assault, recorded 5 January 2026, 11:30am; linked with T-0001." in text
    assert "Link R1 This takes it from T-0001 ." in text
    answer = clerk.send(clerk.find_form(page, "link", ""))
    assert "Until then the crimes of this log stay on their list." in words_of(answer.text)
    (row,) = read_decisions(told.agency)
    assert (row["decision_kind"], row["call_reference"], row["record_reference"]) == (
        "link", IN_TIME, "R1",
    )  # fmt: skip
    # whoever looks it up elsewhere sees where it is since, though no version has been built
    page = clerk.open_log(RAPE, record="R1")
    assert f"linked with {IN_TIME} by reader.one." in words_of(page)
    assert f"This takes it from {IN_TIME} , with which reader.one linked it." in words_of(page)
    # a form that is not believed comes back with the record that was looked up
    page = clerk.open_log(RAPE, record="R1")
    form = clerk.find_form(page, "link", "")
    again = clerk.send(form | {"token": "forged"})
    assert again.status_code == 403 and "Link R1" in words_of(again.text)
    unknown = clerk.open_log(IN_TIME, record="<R99>")
    assert "has no record “&lt;R99&gt;” in this version." in unknown
    assert not [form for form in read_forms(unknown) if form.get("kind") == "link"]


def test_of_two_people_who_link_one_record_the_second_is_told_of_the_first(
    told: SmallAgency,
) -> None:
    first, second = sign_in("reader.one"), sign_in("reader.two")
    form = second.find_form(second.open_log(RAPE, record="R1"), "link", "")
    first.send(first.find_form(first.open_log(IN_TIME, record="R1"), "link", ""))
    answer = second.send(form)
    assert answer.status_code == 409
    assert (
        f"Record R1 is already linked with log {IN_TIME}: linked with a record by reader.one on"
        in words_of(answer.text)
    )
    # `cdi decide` shows no page that could say so beforehand, and keeps the same rule
    by_command = {"decision_kind": "link", "call_reference": RAPE, "record_reference": "r1"}
    with pytest.raises(CdiError, match="DECIDE-LINKED"):
        add_decision(told.agency, by_command | {"decided_by": "1207"})
    assert len(read_decisions(told.agency)) == 1
    # what the page says now, the second one may decide
    assert second.send(second.find_form(answer.text, "link", "")).status_code == 200
    assert [row["call_reference"] for row in read_decisions(told.agency)] == [IN_TIME, RAPE]
    back = {**by_command, "decision_kind": "undone", "decided_by": "1207"}
    add_decision(told.agency, back)
    add_decision(told.agency, {**back, "decision_kind": "null_link", "call_reference": "T-0001"})
    # as in the next version, the newest link of those that stand counts
    assert f"linked with {IN_TIME} by reader.one." in words_of(second.open_log(RAPE, record="R1"))


def test_a_record_that_was_just_linked_leads_to_its_log(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    clerk.send(clerk.find_form(clerk.open_log(IN_TIME, record="R1"), "link", ""))
    assert clerk.get("search", q="r1").url.params["call"] == IN_TIME
    add_decision(
        told.agency,
        {
            "decision_kind": "undone", "call_reference": IN_TIME, "record_reference": "R1",
            "decided_by": "1207",
        },
    )  # fmt: skip
    assert clerk.get("search", q="R1").url.params["call"] == "T-0001"
    clerk.decide("T-0001", "null_link", "")
    answer = clerk.get("search", q="R1")
    assert answer.status_code == 404
    assert "R1 is a record that no log is linked to." in words_of(answer.text)


def test_a_cancelled_record_is_said_to_be_so(told: SmallAgency) -> None:
    with duckdb.connect(str(told.published / "recording.duckdb")) as con:
        con.execute("insert into main.cancellations by name select 'R1' as crime_record_id")
    page = words_of(sign_in("reader.one").open_log("T-0001", record="R1"))
    assert "R1 cancelled Assault" in page  # among the records that could be this crime
    assert "linked with this log. It was cancelled." in page


def test_a_rape_that_one_person_dismissed_waits_for_the_second(told: SmallAgency) -> None:
    """As it did in a file of another time, or before the log was known to report a rape."""
    row = dict.fromkeys(HEADER, "") | {
        "decision_reference": "D1", "decision_kind": "dismissed", "call_reference": RAPE,
        "crime_number": "1", "reason_code": "CREDIBLE_CONTRARY", "decided_by": "reader.one",
        "decided_at": "2026-01-06 12:00:00+0000",
    }  # fmt: skip
    keep_decisions(told.agency, [row])
    clerk = sign_in("reader.two")
    assert clerk.listed(list="dismissed") == []
    assert clerk.listed(list="proposed") == [RAPE]
    answer = clerk.send(clerk.find_form(clerk.open_log(RAPE), "agreed"))
    assert answer.status_code == 200, answer.text
    written = read_decisions(told.agency)[-1]
    assert (written["decided_by"], written["second_person"]) == ("reader.one", "reader.two")
    assert clerk.listed(list="dismissed") == [RAPE]


def test_the_desk_says_that_decisions_that_the_version_counts_are_gone(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    clerk.decide(ASSAULT, "confirmed")
    (row,) = read_decisions(told.agency)
    with duckdb.connect(str(told.published / "recording.duckdb")) as con:
        con.execute(  # as after the next build
            "insert into staging.stg_decisions by name select ? as decision_reference, "
            "'decisions.csv' as source_file, false as is_withdrawn",
            [row["decision_reference"]],
        )
    for page in (clerk.get().text, clerk.open_log(ASSAULT)):
        assert "gone from the file of decisions" not in words_of(page)
    file = paths.decisions_file("testville")
    told_gone = "1 decision that this version counts is gone from the file of decisions"
    header = file.read_text().splitlines(keepends=True)[0]
    seal_of(file).unlink()
    file.write_text(header)
    for page in (clerk.get().text, clerk.open_log(ASSAULT)):
        assert told_gone in words_of(page)
    answer = clerk.decide(ASSAULT, "confirmed", note="A new note.")
    assert answer.status_code == 409
    assert "Operations must restore that file from the backup" in words_of(answer.text)
    assert "A new note." in answer.text
    assert file.read_text() == header
    file.unlink()
    assert told_gone in words_of(clerk.get().text)


def test_the_desk_says_that_the_file_of_decisions_is_lost(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    clerk.decide(ASSAULT, "confirmed")
    paths.decisions_file("testville").unlink()
    answer = clerk.get()
    assert answer.status_code == 409
    assert "decisions.csv is missing" in words_of(answer.text)


def test_who_may_not_decide_is_offered_no_record_to_link(told: SmallAgency) -> None:
    page = sign_in("viewer").open_log(IN_TIME, record="R1")
    assert not [form for form in read_forms(page) if form["action"] in ("log#link", "decide")]
    assert "Link a record" not in page


def test_one_log_of_ten_comes_by_lot(told: SmallAgency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LOT_SHARE", 2)
    clerk = sign_in("reader.one")
    served = []
    page = clerk.get("start")
    for _ in range(4):
        served.append(page.url.params["by"])
        kind = "confirmed"
        page = clerk.send(clerk.find_form(page.text, kind))
    assert served == ["order", "lot", "order", "lot"]
    assert [row["selection"] for row in read_decisions(told.agency)] == served
    assert page.url.path == "/testville/"  # nothing is left


def test_a_lot_draws_the_log_with_the_least_number(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LOT_SHARE", 1)
    by_number = told.rows(
        "select distinct call_id, call_no from unrecorded_crimes inner join fct_calls "
        "using (call_id) order by call_no"
    )
    clerk, served = sign_in("reader.one"), []
    listed = clerk.listed()
    page = clerk.get("start")
    while page.url.path.endswith("/log"):
        served.append(page.url.params["call"])
        page = clerk.send(clerk.find_form(page.text, "confirmed"))
    assert served == [call for call, _ in by_number]
    assert served != listed


def test_no_lot_is_drawn_where_a_filter_hides_a_part_of_the_list(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LOT_SHARE", 1)
    clerk = sign_in("reader.one")
    assert clerk.get("start", district="S").url.params["by"] == "order"
    assert clerk.get("start").url.params["by"] == "lot"


def test_a_sheet_full_of_decisions_is_no_reason_for_many_lots_in_a_row() -> None:
    logs = [queue.QueuedLog(f"T-{number}", 50 - number, [], None, None) for number in range(50)]
    came: list[str] = []
    for _ in range(40):
        since = [*reversed(came), "lot"].index("lot")
        lots = came.count("lot")
        # 500 were decided on a sheet, the last thing before these
        standing = Standing(
            from_order=500 + len(came) - lots, from_lot=lots, since_lot=since if lots else 500
        )
        by, _ = queue.order_of_reading(logs, standing, Filters())
        came.append(by)
    assert came == [("lot" if place % 10 == 0 else "order") for place in range(40)]


def test_each_look_and_each_form_is_written_down(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    before = len(list(read_access_log("testville")))
    clerk.get("", district="N")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    clerk.send(form, token="forged")
    clerk.get("search", q="T-9999")
    written = [(e["who"], e["what"]) for e in read_access_log("testville")][before:]
    assert written == [
        ("reader.one", "desk GET queue?district=N"),
        ("reader.one", f"desk GET log?call={ASSAULT}"),
        ("reader.one", f"desk POST decide confirmed {ASSAULT}#1"),
        ("reader.one", "desk GET search?q=T-9999"),
    ]


def test_what_cannot_be_written_down_is_not_shown(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    log = paths.access("testville")
    log.unlink(missing_ok=True)
    log.mkdir(parents=True)
    answer = clerk.get("log", call=ASSAULT)
    assert answer.status_code == 503
    assert "was pushed" not in answer.text


def test_a_viewer_reads_and_claims_nothing(told: SmallAgency) -> None:
    viewer = sign_in("viewer")
    page = viewer.open_log(ASSAULT)
    assert not [form for form in read_forms(page) if form.get("kind")]
    assert "You may read, not decide." in words_of(page)
    assert "<h2>Decide</h2>" not in page
    assert read_claims("testville") == {}
    form = sign_in("reader.one").find_form(sign_in("reader.one").open_log(ASSAULT), "confirmed")
    assert viewer.get("start").status_code == 403
    assert "start?" not in viewer.get().text  # nor is it offered
    assert "start?" not in page
    assert "start?" in sign_in("reader.one").get().text
    token = next(f["token"] for f in read_forms(page)) if "token" in page else "none"
    assert viewer.send(form, token=token).status_code == 403
    assert read_decisions(told.agency) == []


def test_without_a_log_in_nothing_is_shown(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    clerk.client.cookies.clear()
    for path in ("", "log", "start", "search"):
        answer = clerk.get(path, call=ASSAULT)
        assert answer.url.path == "/sign-in"
    answer = clerk.send(form)
    assert answer.status_code == 401
    assert "Nothing was saved" in words_of(answer.text)
    # from there to the log-in and the queue; this page stays, as a reload sends the form once more
    other = 'target="_blank" rel="noopener">Sign in (in another tab)</a>'
    assert f'<a href="./" {other}' in answer.text
    assert clerk.get().url.path == "/sign-in"
    # a browser also says which page the form was on: from there to the log-in and the log
    clerk.client.headers["Referer"] = (
        f"http://desk.test/testville/log?call={ASSAULT}&district=N&done=D1"
    )
    answer = clerk.send(form)
    assert f'<a href="log?call={ASSAULT}&amp;district=N" {other}' in answer.text
    clerk.client.headers["Referer"] = "http://desk.test/testville/audit-log?draw=d1&call=T-0001"
    assert f'<a href="audit-log?draw=d1&amp;call=T-0001" {other}' in clerk.send(form).text
    clerk.client.headers["Referer"] = "http://elsewhere.test/testville/log?call=T-0001"
    assert f'<a href="./" {other}' in clerk.send(form).text
    # where nothing is typed, nothing is lost
    assert '<a href="./">Sign in</a>' in clerk.send(form, action="release").text
    assert read_decisions(told.agency) == []


def test_a_form_is_believed_once_for_this_log_in_from_this_site(told: SmallAgency) -> None:
    clerk, other = sign_in("reader.one"), sign_in("reader.one")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    theirs = other.find_form(other.open_log(ASSAULT), "confirmed")
    for changes in ({"token": ""}, {"token": form["token"] + "x"}, {"token": theirs["token"]}):
        assert clerk.send(form, **changes).status_code == 403
    path = clerk.base + "decide"
    fields = {name: value for name, value in form.items() if name != "action"}
    for origin in ({"Origin": "http://elsewhere.test"}, {"Origin": "null"}, {}):
        assert clerk.client.post(path, data=fields, headers=origin).status_code == 403
    assert read_decisions(told.agency) == []
    assert clerk.send(form).status_code == 200
    again = clerk.send(form)
    assert again.status_code == 409
    assert "written already" in words_of(again.text)
    assert len(read_decisions(told.agency)) == 1
    # to say so takes the log from nobody
    assert make_call_hash("testville")(ASSAULT) not in read_claims("testville")


def test_an_agreement_that_is_sent_twice_says_that_it_was_saved(told: SmallAgency) -> None:
    sign_in("reader.one").decide(RAPE, "dismissed", reason_code="GOOD_INTENT")
    second = sign_in("reader.two")
    form = second.find_form(second.open_log(RAPE), "agreed")
    assert second.send(form).status_code == 200
    again = second.send(form)
    assert again.status_code == 409
    assert "written already: dismissed by reader.one and reader.two" in words_of(again.text)
    kinds = [row["decision_kind"] for row in read_decisions(told.agency)]
    assert kinds == ["proposed", "dismissed"]


def test_a_link_that_names_a_crime_keeps_nobody_from_deciding_the_others(
    told: SmallAgency,
) -> None:
    row = dict.fromkeys(HEADER, "") | {
        "decision_reference": "D1", "decision_kind": "link", "call_reference": "t0002",
        "crime_number": "2", "record_reference": "R1", "decided_by": "1207",
        "decided_at": "2026-01-07 09:00:00",
    }  # fmt: skip
    paths.decisions(told.agency.agency).mkdir(parents=True, exist_ok=True)
    keep_decisions(told.agency, [row])
    clerk = sign_in("reader.one")
    answer = clerk.decide(ASSAULT, "confirmed")
    assert answer.status_code == 200
    assert [row["decision_kind"] for row in read_decisions(told.agency)] == ["link", "confirmed"]


def test_a_page_that_only_a_form_reaches_says_so(told: SmallAgency) -> None:
    answer = sign_in("reader.one").get("decide")
    assert answer.status_code == 405
    assert "This page is reached by a form." in words_of(answer.text)
    assert "Method Not Allowed" not in answer.text


def test_what_is_printed_says_what_is_filtered_and_has_no_search_and_no_buttons(
    told: SmallAgency,
) -> None:
    """No class of a page, such as the one of its filters, comes before the rule of the paper."""
    clerk = sign_in("reader.one")
    for page in (clerk.get().text, clerk.open_log(ASSAULT)):
        assert "@media print { .bar, .go, main form { display: none !important; } }" in page
    text = words_of(clerk.get(district="S", severity="rape", since="2026-01-05", text="a b").text)
    assert "Filter: S, rape, received from 5 January 2026, with the words “a b” District" in text
    assert "Filter District" in words_of(clerk.get().text)


def test_the_sign_in_says_what_each_person_does(told: SmallAgency) -> None:
    text = words_of(sign_in("viewer").client.get("/sign-in").text)
    for person in (
        "registrar (decides and manages)",
        "reader.one (decides)",
        "viewer (only reads)",
        "auditor.one (audits)",
    ):
        assert person in text


def test_the_sheet_of_feedback_says_whose_it_is(
    told: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "read_feedback", lambda *_: [])  # nothing is confirmed yet
    registrar = sign_in("registrar")
    text = words_of(registrar.get("feedback").text)
    assert "What is confirmed on the desk today counts from the next version." in text
    names = [
        registrar.get("feedback.xlsx", **query).headers["Content-Disposition"]
        for query in ({}, {"team": 'A "B"/C', "month": "2026-01"})
    ]
    assert [name.partition("filename=")[2] for name in names] == [
        '"testville-feedback.xlsx"',
        '"testville-feedback-2026-01-A-B-C.xlsx"',
    ]


def test_a_version_of_an_older_release_says_what_to_do(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    file = told.published / "recording.duckdb"
    copy = file.with_suffix(".copy")
    shutil.copy(file, copy)
    copy.chmod(0o600)
    with duckdb.connect(str(copy)) as con:
        con.execute("drop view main.likelihood_yields")
    copy.replace(file)
    answer = clerk.get()
    assert answer.status_code == 409
    assert "published by another release of the software" in words_of(answer.text)


def test_a_damaged_version_says_what_to_do(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    file = told.published / "recording.duckdb"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[: len(content) // 2])
    answer = clerk.get()
    assert answer.status_code == 409
    assert "Next step: run the build: it makes the version again" in words_of(answer.text)


def test_a_wrong_code_is_said_at_its_field_and_keeps_the_name(told: SmallAgency) -> None:
    clerk = sign_in("reader.one")
    answer = clerk.client.post(
        "/sign-in",
        data={"name": "viewer", "typed": "guess"},
        headers={"Origin": "http://desk.test"},
    )
    assert answer.status_code == 403
    assert '<p class="banner bad" role="alert" id="problem">That is not the code.' in answer.text
    assert 'aria-invalid="true" aria-describedby="problem"' in answer.text
    assert '<option value="viewer" selected>' in answer.text


def test_a_form_grows_old(told: SmallAgency, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk = sign_in("reader.one")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    monkeypatch.setattr(forms, "FORM_SECONDS", -1)
    answer = clerk.send(form)
    assert answer.status_code == 403
    assert "opened before you signed in, or too long ago" in words_of(answer.text)


def test_filters_are_written_as_they_were_read() -> None:
    query = {"district": "N & S", "text": 'a "b"', "since": "2026-01-05", "list": "passed"}
    filters = Filters.from_query(query)
    assert filters.to_query() == ("list=passed&district=N+%26+S&since=2026-01-05&text=a+%22b%22")
    assert Filters.from_query({}).to_query() == ""
