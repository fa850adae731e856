"""Audits at the desk: drawn logs, blind readings, what differs, and what is refused."""

import csv
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from cdi import files, paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.audit.draws import ADJUDICATOR, EXPIRED, Draw, erase_from_register, load_draw
from cdi.audit.register import Register
from cdi.desk import trial
from cdi.errors import AuditError
from cdi.people import audit, saved_readings
from cdi.people.audit import choose_period, deliver_worksheet, draw_period
from cdi.people.audit_sheet import HEADER, MOMENT
from cdi.people.decisions import add_decision
from cdi.people.open_draws import Progress, find_progress
from cdi.people.saved_readings import (
    Reading,
    draw_second_if_due,
    keep_others_out,
    keep_readings,
    refuse_bad_rows,
    save_reading,
)
from cdi.people.worksheets import write_draw_worksheets
from cdi.publish.access import read_access_log
from cdi.steps.retain import erase_reference
from tests.conftest import SmallAgency
from tests.desk import Clerk, read_forms, sign_in, words_of
from tests.pipeline.test_audit_loop import (
    CALLS,
    ENDS,
    STARTS,
    is_crime,
    is_recorded,
    number,
    phrase,
    published_force,
)
from tests.traces import kinds_with

ONE, TWO = "auditor.one", "auditor.two"
AFTER_DRAW = datetime.now() + timedelta(hours=12)  # and no day after the reading, as RDG-09 asks
LOGS = 32  # the fewest that the strata of this force allow


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgency]:
    """The published force of tests/pipeline/test_audit_loop.py, for the audits of this file."""
    with published_force(tmp_path_factory) as agency:
        yield agency


@pytest.fixture
def fresh(force: SmallAgency) -> Iterator[SmallAgency]:
    """The same, with nothing drawn and nothing found yet."""
    yield force
    for folder in (
        paths.audit("testville"),
        paths.landing("testville", "audit_readings"),
        paths.decisions("testville"),
    ):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def drawn(fresh: SmallAgency) -> Draw:
    """A draw that the two auditors of the trial are to read."""
    return draw_logs(fresh)


class KilledError(Exception):
    """In place of a signal: nothing that follows is done."""


def draw_logs(force: SmallAgency, logs: int = LOGS, auditors: tuple[str, ...] = (ONE, TWO)) -> Draw:
    period = choose_period(force.agency, "frame", STARTS, ENDS)
    return draw_period(force.agency, period, auditors, logs=logs, seed=1)


def given_to(draw: Draw, name: str) -> list[str]:
    """The logs that an auditor reads first, by the draw itself."""
    return [
        str(call)
        for call, auditor in zip(draw.call_ids, draw.auditors, strict=True)
        if auditor == name.upper()
    ]


def told_by(call: str) -> str:
    """Words of a log's account; one of them looks like a formula."""
    n = int(call[2:])
    return phrase(n) if n else "=hyperlink(1)"


def truth(call: str, crime: int = 1) -> dict[str, str]:
    """What an auditor types who knows the truth of a log."""
    n = int(call[2:])
    if not is_crime(n):
        return {"none": "1"}
    recorded = "Y" if is_recorded(n) else "N"
    record = f"R{n}" if is_recorded(n) else ""
    return {
        "due_count": "1",
        "recorded_count": str(int(is_recorded(n))),
        f"offence_code_{crime}": "A1",
        f"recorded_code_{crime}": recorded,
        f"record_reference_{crime}": record,
    }


def reading_form(page: str) -> dict[str, str]:
    """The form for a reading, as it is: the parser of tests ticks a box, and asks for more rows."""
    (form,) = [f for f in read_forms(page) if f["action"] in ("audit-read", "audit-decide")]
    del form["none"]
    form.pop("more", None)
    return form


def open_drawn(clerk: Clerk, draw: Draw, call: str) -> str:
    answer = clerk.get("audit-log", draw=draw.draw_id, call=call)
    assert answer.status_code == 200, answer.text
    return answer.text


def read_log(clerk: Clerk, draw: Draw, call: str, **typed: str) -> httpx.Response:
    """Open a log and send a reading of it: the truth, unless something else is typed."""
    form = reading_form(open_drawn(clerk, draw, call))
    return clerk.send(form, **(typed or truth(call)))


def read_all(clerk: Clerk, draw: Draw, wrong: str = "") -> list[str]:
    """Read what is left, from the first page on; of one log no record is found."""
    read: list[str] = []
    answer = clerk.get("audit-next", draw=draw.draw_id)
    while answer.url.path.endswith("/audit-log"):
        call = answer.url.params["call"]
        assert call not in read
        typed = truth(call)
        if call == wrong:
            typed |= {"recorded_count": "0", "recorded_code_1": "N", "record_reference_1": ""}
        answer = clerk.send(reading_form(answer.text), **typed)
        assert answer.status_code == 200, words_of(answer.text)
        read.append(call)
    assert answer.url.path.endswith("/audit")
    return read


def read_first(draw: Draw, *, without: tuple[str, ...] = ()) -> None:
    """Put all first readings where they are kept, without the desk: it takes a second for each."""
    agency = load_agency("testville")
    for name in (ONE, TWO):
        rows: list[dict[str, str]] = []
        for call in given_to(draw, name):
            n = int(call[2:])
            of_log = dict.fromkeys(HEADER, "") | {
                "draw_id": draw.draw_id, "call_reference": call, "auditor_code": name.upper(),
                "audited_at": f"{datetime.now(agency.zone):{MOMENT}}",
            }  # fmt: skip
            counts = {
                "due_count": str(int(is_crime(n))),
                "recorded_count": str(int(is_recorded(n))),
            }
            crime = {"offence_code": "A1", "recorded_code": "Y" if is_recorded(n) else "N"}
            if call not in without:
                rows.append(of_log | counts | {"crime_number": "0"})
                rows += [of_log | crime | {"crime_number": "1"}] if is_crime(n) else []
        with keep_others_out(agency):
            keep_readings(agency, draw, name.upper(), rows, "delivery")
            draw_second_if_due(agency, draw)


def kept(draw: Draw) -> dict[str, bytes]:
    folder = paths.audit("testville") / "findings"
    return {file.name: file.read_bytes() for file in sorted(folder.glob(f"{draw.draw_id}_*.csv"))}


def kept_rows(draw: Draw, call: str | None = None) -> list[dict[str, str]]:
    text = [content.decode() for content in kept(draw).values()]
    rows = [row for one in text for row in csv.DictReader(one.splitlines())]
    return [row for row in rows if call in (None, row["call_reference"])]


def lines_of(kind: str) -> list[dict[str, Any]]:
    return [line for line in Register("testville").entries() if line["kind"] == kind]


# ---------------------------------------------------------------------- reading


def test_an_auditor_reads_the_logs_that_were_drawn_for_them_and_no_others(
    fresh: SmallAgency, drawn: Draw
) -> None:
    clerk = sign_in(ONE)  # the only page of somebody who may audit and nothing else
    start = words_of(clerk.client.get("/").text)
    own = given_to(drawn, ONE)
    assert f"{len(own)} of your {len(own)} logs are left to read" in start
    page = open_drawn(clerk, drawn, own[0])
    assert told_by(own[0]) in words_of(page)
    assert "SIMULATED" in page
    assert (
        "Do not count a crime whose record was cancelled by the rules. If its record was cancelled "
        "against the rules, count it and choose No under “Recorded”." in words_of(page)
    )
    read_first(drawn, without=(*own[:4], given_to(drawn, TWO)[0]))
    assert sorted(read_all(clerk, drawn)) == sorted(own[:4])
    assert f"of your {len(own)}" in words_of(page)
    for call in own[:4]:
        log, *crimes = kept_rows(drawn, call)
        n = int(call[2:])
        assert (log["auditor_code"], log["crime_number"]) == (ONE.upper(), "0")
        counts = (log["due_count"], log["recorded_count"])
        assert counts == (str(int(is_crime(n))), str(int(is_recorded(n))))
        assert [crime["recorded_code"] for crime in crimes] == (
            ["Y" if is_recorded(n) else "N"] if is_crime(n) else []
        )
        read_at = datetime.fromisoformat(log["audited_at"]).replace(tzinfo=fresh.agency.zone)
        assert timedelta(0) <= datetime.now(fresh.agency.zone) - read_at < timedelta(minutes=10)
    # neither another auditor's log, nor one that nobody was given, nor one that there is not
    other = given_to(drawn, TWO)[0]
    undrawn = next(number(n) for n in range(CALLS) if number(n) not in drawn.call_ids)
    answers = [
        clerk.get("audit-log", draw=drawn.draw_id, call=call) for call in (other, undrawn, "T-9999")
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    texts = {
        words_of(answer.text).replace(call, "LOG")
        for answer, call in zip(answers, (other, undrawn, "T-9999"), strict=True)
    }
    assert len(texts) == 1
    form = reading_form(page)
    before = kept(drawn)
    assert clerk.send(form, call=other).status_code == 404
    assert kept(drawn) == before


def test_the_order_of_reading_tells_nothing(force: SmallAgency, drawn: Draw) -> None:
    progress = find_progress(force.agency, drawn.draw_id)
    order = progress.list_given(ONE.upper())
    assert sorted(order) == sorted(given_to(drawn, ONE))
    assert order != sorted(order)
    # a log has its place among the others whether it is read first or second
    seconds = [ONE.upper() if name == TWO.upper() else TWO.upper() for name in drawn.auditors]
    both = with_draw(progress, replace(drawn, seconds=seconds))
    swapped = with_draw(progress, replace(drawn, auditors=seconds, seconds=drawn.auditors))
    assert both.list_given(ONE.upper()) == swapped.list_given(ONE.upper())
    mixed = [log in order for log in both.list_given(ONE.upper())]
    assert True in mixed[mixed.index(False) :]  # second readings do not come last


def with_draw(progress: Progress, draw: Draw) -> Progress:
    return Progress(progress.agency, draw, progress.read, progress.differing)


def test_the_pages_of_an_auditor_say_nothing_of_what_others_say(
    fresh: SmallAgency, drawn: Draw
) -> None:
    """Whatever the pipeline, the registrar or the other auditor says of a log stays hidden."""
    listed = {
        str(call): str(suspicion)
        for call, suspicion in fresh.rows("select call_id, suspicion from unrecorded_crimes")
    }
    read_first(drawn, without=tuple(given_to(drawn, ONE)[-1:]))
    for call in given_to(drawn, ONE):
        if call in listed:
            decision = {"decision_kind": "confirmed", "call_reference": call, "crime_number": 1}
            add_decision(fresh.agency, decision | {"decided_by": "registrar", "reason": "seen"})
    frame = drawn.frame.logs.to_pylist()
    chances = {row["call_id"]: row["missed"] for row in frame}
    clerk, registrar = sign_in(ONE), sign_in("registrar")
    hidden = 0
    for call in sorted(given_to(drawn, ONE), key=lambda call: call not in listed)[:5]:
        page = open_drawn(clerk, drawn, call)
        text = words_of(page).lower()
        told = words_of(registrar.open_log(call)).lower()
        for said in ("registrar", "confirmed", "a crime is likely", "text model", "<mark",
                     "suspected", "linked", "unrecorded", "of a miss", TWO):  # fmt: skip
            assert said not in page.lower(), said
        if call in listed:
            assert listed[call].lower() in told  # else this would prove nothing
            assert "registrar" in told
            assert listed[call].lower() not in text
            hidden += 1
        assert f"{100 * chances[call]:.1f}" not in text
        assert f"{chances[call]:.2f}" not in text
    assert hidden
    draws = words_of(clerk.get("audit").text).lower()
    assert TWO not in draws
    assert not re.search(r"[0-9]%", draws)


def plain(answer: httpx.Response, *unlike: str) -> str:
    """A page without its token, and without words that differ between two people."""
    page = re.sub(r'name="token" value="[^"]*"', "", answer.text)
    page = re.sub(r"(<strong>)?[0-9]+(</strong>)? of your [0-9]+", "N of your N", page)
    for word in unlike:
        page = page.replace(word, "")
    return page


def second_readers(draw: Draw) -> dict[str, str]:
    """Who reads which log a second time."""
    draw = load_draw("testville", draw.draw_id)
    rows = zip(draw.call_ids, draw.seconds, strict=True)
    return {str(call): name.lower() for call, name in rows if name}


def test_a_second_reading_looks_like_a_first_one(fresh: SmallAgency, drawn: Draw) -> None:
    read_first(drawn)
    second = second_readers(drawn)
    assert len(second) == 3
    # the same draw once more, of which these logs are opened by those who read them first
    shutil.rmtree(paths.audit("testville"))
    draw = draw_logs(fresh)
    people = {name: sign_in(name) for name in (ONE, TWO)}
    others = {ONE: TWO, TWO: ONE}
    pages = {
        call: people[others[name]].get("audit-log", draw=draw.draw_id, call=call)
        for call, name in second.items()
    }
    first_list = plain(people[TWO].get("audit"), TWO)
    last = given_to(draw, TWO)[0]
    read_first(draw, without=(last,))
    assert lines_of("second") == []
    read_all(people[TWO], draw)
    assert len(lines_of("second")) == 1  # with the last of the first readings
    assert second_readers(draw) == second
    for call, name in second.items():
        answer = people[name].get("audit-log", draw=draw.draw_id, call=call)
        assert plain(answer, ONE, TWO) == plain(pages[call], ONE, TWO)
        assert answer.url.path == pages[call].url.path
        assert set(answer.url.params) == set(pages[call].url.params)
    # the list of draws differs in what was read, and in nothing else
    reader = max(second.values(), key=list(second.values()).count)
    page = plain(people[reader].get("audit"), reader)
    page = re.sub(r"<details>.*?</details>", "", page, flags=re.S)
    assert page.split() == first_list.split()
    for name in set(second.values()):
        read_all(people[name], draw)
    assert not find_progress(fresh.agency, draw.draw_id).is_open
    assert "No draw is open" in words_of(people[ONE].get("audit").text)


def test_a_reading_can_be_corrected_until_second_ones_are_drawn(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call = next(c for c in given_to(drawn, ONE) if is_recorded(int(c[2:])))
    read_log(clerk, drawn, call)
    page = open_drawn(clerk, drawn, call)
    assert "You have read this one" in words_of(page)
    form = reading_form(page)
    assert (form["due_count"], form["recorded_count"]) == ("1", "1")
    assert form["record_reference_1"] == f"R{call[2:].lstrip('0')}"
    wrong = {"recorded_count": "0", "recorded_code_1": "N", "offence_code_1": "A1"}
    assert clerk.send(form, **wrong).status_code == 200
    log, crime = kept_rows(drawn, call)
    assert (log["recorded_count"], crime["recorded_code"]) == ("0", "N")
    read_first(drawn, without=(call,))
    before = kept(drawn)
    assert len(lines_of("second")) == 1
    form = reading_form(open_drawn(clerk, drawn, call))
    answer = clerk.send(form, **truth(call))
    assert answer.status_code == 409
    assert "AUDIT-SECOND" in answer.text
    assert kept(drawn) == before


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("typed", "rule"),
    [
        ({"due_count": "1", "recorded_count": "2", "recorded_code_1": "Y"}, "RDG-04"),
        ({"due_count": "", "recorded_count": "", "recorded_code_1": "Y"}, "RDG-04"),
        ({"due_count": "2", "recorded_count": "1", "recorded_code_1": "Y"}, "RDG-05"),
        ({"due_count": "1", "recorded_count": "0", "recorded_code_1": "Y"}, "RDG-05"),
        ({"due_count": "1", "recorded_count": "0", "recorded_code_1": ""}, "RDG-06"),
        ({"due_count": "1", "recorded_count": "0", "recorded_code_1": "maybe"}, "RDG-06"),
        ({"due_count": "1", "recorded_count": "0", "recorded_code_1": "N",
          "domestic_abuse_code_1": "?"}, "RDG-06"),
        ({"due_count": "1", "recorded_count": "0", "recorded_code_1": "N",
          "offence_code_1": "ZZ"}, "RDG-07"),
        ({"due_count": "1", "recorded_count": "0", "recorded_code_1": "N",
          "offence_code_1": ""}, "RDG-07"),
        ({"due_count": "0", "recorded_count": "0", "recorded_code_1": "N"}, "RDG-05"),
        ({"due_count": "1", "recorded_count": "1", "recorded_code_1": "Y",
          "recorded_at_1": "2099-01-05T10:30"}, "RDG-09"),
        ({"due_count": "1", "recorded_count": "1", "recorded_code_1": "Y",
          "recorded_at_1": "1026-01-05T10:30"}, "RDG-09"),
        ({"due_count": "1", "recorded_count": "1", "recorded_code_1": "Y",
          "recorded_at_1": f"{AFTER_DRAW:%Y-%m-%dT%H:%M}"}, "RDG-10"),
    ],
)  # fmt: skip
def test_what_a_worksheet_may_not_say_the_desk_refuses(
    drawn: Draw, typed: dict[str, str], rule: str
) -> None:
    clerk = sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    typed = {"offence_code_1": "A1", "record_reference_1": "R-typed", **typed}
    answer = read_log(clerk, drawn, call, **typed)
    assert answer.status_code == 422
    assert f"{rule}: " in words_of(answer.text)
    assert kept(drawn) == {}
    assert lines_of("reading") == []
    again = reading_form(answer.text)
    assert again["record_reference_1"] == "R-typed"
    for name in ("due_count", "recorded_count"):
        assert again[name] == typed[name]
    # put right, the same form is taken
    right = truth(call) | {f"record_reference_{1}": ""}
    clean = {"due_count": "", "recorded_count": "", "recorded_code_1": "", "offence_code_1": ""}
    clean |= {"domestic_abuse_code_1": "", "recorded_at_1": ""}
    assert clerk.send(again, **{**clean, **right}).status_code == 200


def test_all_that_is_wrong_is_said_at_once_and_all_that_was_typed_is_kept(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    typed = {
        "due_count": "1", "recorded_count": "2", "offence_code_1": "", "recorded_code_1": "Y",
        "rightly_classified_code_1": "N", "recorded_at_1": "2026-01-05T10:30",
        "record_reference_3": "<R&1>", "domestic_abuse_code_3": "Y",
    }  # fmt: skip
    answer = read_log(clerk, drawn, given_to(drawn, ONE)[0], **typed)
    text = words_of(answer.text)
    assert all(f"{rule}: " in text for rule in ("RDG-04", "RDG-05", "RDG-06", "RDG-07"))
    # who works by keyboard or with a screen reader begins there
    assert "<title>Nothing was saved: " in answer.text
    assert re.search(r'id="problems" tabindex="-1" autofocus', answer.text)
    form = reading_form(answer.text)
    assert form["recorded_at_1"] == "2026-01-05T10:30"
    assert form["record_reference_3"] == "<R&1>"
    lists = re.findall(r'<select id="(\w+)"(.*?)</select>', answer.text, re.S)
    chosen = [
        (name, v) for name, inner in lists for v in re.findall(r'value="(\w+)" selected', inner)
    ]
    assert ("rightly_classified_code_1", "N") in chosen
    assert ("recorded_code_1", "Y") in chosen
    # numbers and times that are none are said too, beside the rest
    typed |= {"due_count": "many", "recorded_at_1": "yesterday"}
    text = words_of(read_log(clerk, drawn, given_to(drawn, ONE)[0], **typed).text)
    assert "TYPE-VALUE: Write “Crimes that should be recorded” as a figure, for example 2" in text
    assert (
        "TYPE-VALUE: Write “Recorded on” of crime 1 as date and time, for example 2026-01-31 14:30"
        in text
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"due_count": "1", "recorded_count": "0"}, "You counted 1, but filled in no crime row"),
        (
            {
                "due_count": "2",
                "recorded_count": "1",
                "recorded_code_1": "N",
                "offence_code_1": "A1",
            },
            "You counted 2, but filled in 1 crime row. "
            "You counted 1 as recorded, but marked none as recorded",
        ),
    ],
)
def test_counts_that_differ_from_the_rows_are_told_as_they_differ(
    drawn: Draw, typed: dict[str, str], said: str
) -> None:
    clerk = sign_in(ONE)
    answer = read_log(clerk, drawn, given_to(drawn, ONE)[0], **typed)
    assert f"RDG-05: {said}" in words_of(answer.text)


def test_no_crime_and_a_crime_are_not_both_taken(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    for typed in ({"due_count": "1"}, {"offence_code_1": "A1"}):
        answer = read_log(clerk, drawn, call, none="1", **typed)
        assert answer.status_code == 422
        assert "You ticked that no crime is reported" in words_of(answer.text)
    assert kept(drawn) == {}
    assert read_log(clerk, drawn, call, none="1").status_code == 200
    (log,) = kept_rows(drawn, call)
    assert (log["due_count"], log["recorded_count"]) == ("0", "0")
    assert 'name="none" value="1" checked' in open_drawn(clerk, drawn, call)


def test_a_log_may_have_more_crimes_than_rows(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    form = reading_form(open_drawn(clerk, drawn, call))
    typed = {"due_count": "5", "recorded_count": "0", "offence_code_1": "A1"}
    assert "offence_code_4" not in form
    answer = clerk.send(form, more="1", **typed)
    assert answer.status_code == 200
    assert kept(drawn) == {}
    form = reading_form(answer.text)
    assert (form["due_count"], "offence_code_6" in form, "offence_code_7" in form) == (
        "5", True, False,
    )  # fmt: skip
    crimes = {f"offence_code_{n}": "A1" for n in (1, 2, 4, 5, 6)}
    crimes |= {f"recorded_code_{n}": "N" for n in (1, 2, 4, 5, 6)}
    assert clerk.send(form, **typed | crimes).status_code == 200
    assert [row["crime_number"] for row in kept_rows(drawn, call)] == list("012345")


def test_whose_log_it_is_and_when_it_was_read_is_checked_like_a_worksheet(
    fresh: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = fresh.agency
    later = datetime.now() + timedelta(days=2)
    with monkeypatch.context() as patch:
        patch.setattr(audit, "utc_now", lambda: later)
        draw = draw_logs(fresh)
    own, other = given_to(draw, ONE)[0], given_to(draw, TWO)[0]
    undrawn = next(number(n) for n in range(CALLS) if number(n) not in draw.call_ids)
    assert refused(agency, draw, ONE.upper(), own) == ["RDG-02"]
    assert "RDG-01" in refused(agency, draw, ONE.upper(), other)
    assert "RDG-01" in refused(agency, draw, ONE.upper(), undrawn)
    assert "RDG-01" in refused(agency, draw, ADJUDICATOR, own)  # nobody reads it twice
    row = dict.fromkeys(HEADER, "") | {
        "draw_id": draw.draw_id, "call_reference": own, "auditor_code": ONE.upper(),
        "audited_at": f"{later + timedelta(days=1):%Y-%m-%d %H:%M:%S}",
        "due_count": "0", "recorded_count": "0",
    }  # fmt: skip
    for crime in ("-1", "0.5"):
        with pytest.raises(saved_readings.RefusedReadingsError) as error:
            refuse_bad_rows(agency, "the reading", [{**row, "crime_number": crime}])
        assert any(problem.startswith("RDG-03: ") for problem in error.value.problems)
    assert kept(draw) == {}


def refused(agency: Agency, draw: Draw, auditor: str, call: str) -> list[str]:
    """The rules that a reading of no crime breaks."""
    with pytest.raises(saved_readings.RefusedReadingsError) as error:
        save_reading(agency, draw.draw_id, auditor, call, Reading("0", "0", []), "", "somebody")
    return [problem.split(":")[0] for problem in error.value.problems]


def test_a_draw_that_was_changed_is_not_read(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    form = reading_form(open_drawn(clerk, drawn, call))
    file = paths.audit("testville") / drawn.draw_id / "frame.parquet"
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    answer = clerk.send(form, **truth(call))
    assert answer.status_code == 409
    assert "changed since the draw" in words_of(answer.text)
    assert kept(drawn) == {}
    assert "A draw cannot be read" in words_of(clerk.get("audit").text)


# ---------------------------------------------------------------------- once, and durably


def test_a_form_that_is_sent_twice_writes_once(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    form = reading_form(open_drawn(clerk, drawn, call)) | truth(call)
    assert clerk.send(form).status_code == 200
    before = kept(drawn)
    # as when the server died after it wrote and before it answered
    answer = clerk.send(form)
    assert answer.status_code == 200
    assert answer.url.params["call"] != call
    assert kept(drawn) == before
    (line,) = lines_of("reading")
    assert (line["draw_id"], line["auditor"], line["by"]) == (drawn.draw_id, ONE.upper(), ONE)


def test_what_was_killed_before_it_was_written_is_written_when_it_is_sent_again(
    drawn: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = sign_in(ONE)
    first, second = given_to(drawn, ONE)[:2]
    read_log(clerk, drawn, first)
    before = kept(drawn)
    form = reading_form(open_drawn(clerk, drawn, second)) | truth(second)
    rename = files.rename_durably

    def killed(path: Path, target: Path) -> Path:
        if target.parent.name == "findings" and target.suffix == ".csv":
            raise KilledError
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(files, "rename_durably", killed)
        with pytest.raises(KilledError):
            clerk.send(form)
    assert kept(drawn) == before
    assert len(lines_of("reading")) == 2  # the register is written first
    assert clerk.send(form).status_code == 200
    assert kept_rows(drawn, first)
    assert len([row for row in kept_rows(drawn, second) if row["crime_number"] == "0"]) == 1


def test_second_readings_that_were_not_drawn_when_somebody_was_killed_are_drawn_later(
    fresh: SmallAgency, drawn: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = sign_in(TWO)
    last = given_to(drawn, TWO)[-1]
    read_first(drawn, without=(last,))
    form = reading_form(open_drawn(clerk, drawn, last)) | truth(last)

    def killed(*_: object) -> Draw:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(saved_readings, "draw_second_readings", killed)
        with pytest.raises(KilledError):
            clerk.send(form)
    assert kept_rows(drawn, last)
    assert lines_of("second") == []
    clerk.get("audit")
    assert len(lines_of("second")) == 1
    assert find_progress(fresh.agency, drawn.draw_id).left_count == 3


def test_a_reading_that_was_saved_meanwhile_is_shown_and_not_overwritten(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call = next(c for c in given_to(drawn, ONE) if is_recorded(int(c[2:])))
    late = reading_form(open_drawn(clerk, drawn, call))
    read_log(sign_in(ONE), drawn, call)  # in another window
    before = kept(drawn)
    answer = clerk.send(late, none="1")
    assert answer.status_code == 409
    assert "another reading" in answer.text
    assert "What is kept now" in words_of(answer.text)
    assert kept(drawn) == before
    assert clerk.send(reading_form(answer.text), none="1").status_code == 200
    (log,) = kept_rows(drawn, call)
    assert log["due_count"] == "0"


# ---------------------------------------------------------------------- beside the worksheet


def test_readings_by_worksheet_and_at_the_desk_are_the_same(fresh: SmallAgency) -> None:
    """The same readings by both roads, one of them wrong, give the same rows and the same rate."""
    at_desk = audit_at_desk(fresh)
    assert fresh.run()
    rates = fresh.rows("from audited_rates order by all")
    audits = (
        "select read_count, double_count, kappa, is_headline, taken_for_missed_share from audits"
    )
    whole = fresh.rows(audits)
    assert [row[:2] for row in whole] == [(LOGS, 3)]
    assert rates[0]
    assert fresh.rows("select recording_rate is not null from audited_rates "
                      "where domain = 'force'") == [(True,)]  # fmt: skip
    for folder in (paths.audit("testville"), paths.landing("testville", "audit_readings")):
        shutil.rmtree(folder)
    by_sheet = audit_by_sheet(fresh, at_desk)
    assert without_times(by_sheet) == without_times(at_desk)
    assert fresh.run()
    assert fresh.rows("from audited_rates order by all") == rates
    assert fresh.rows(audits) == whole
    # a worksheet is a delivery, a reading at the desk is none
    assert fresh.rows("select delivery_count > 0 from audits") == [(True,)]


def audit_at_desk(force: SmallAgency) -> dict[str, bytes]:
    """A whole audit at the desk; the second reader overlooks a record, the registrar does not."""
    draw = draw_logs(force)
    for name in (ONE, TWO):
        read_all(sign_in(name), draw)
    draw = load_draw("testville", draw.draw_id)
    second = dict(zip(draw.call_ids, draw.seconds, strict=True))
    wrong = next(str(c) for c, name in second.items() if name and is_recorded(int(str(c)[2:])))
    for name in (ONE, TWO):
        read_all(sign_in(name), draw, wrong=wrong if second[wrong] == name.upper() else "")
    registrar = sign_in("registrar")
    answer = registrar.get("audit-difference", draw=draw.draw_id, call=wrong)
    answer = registrar.send(reading_form(answer.text), **truth(wrong))
    assert answer.status_code == 200, words_of(answer.text)
    return kept(draw)


def audit_by_sheet(force: SmallAgency, readings: dict[str, bytes]) -> dict[str, bytes]:
    """The same readings, typed into worksheets after the same draw was made anew."""
    draw = draw_logs(force)
    now = f"{datetime.now(force.agency.zone):%Y-%m-%d %H:%M:%S%z}"
    folder = paths.audit("testville") / draw.draw_id / "worksheets"
    write_draw_worksheets(force.agency, draw)
    names = sorted(readings, key=lambda name: ("FCR" in name, "second" in name))
    for name in names:
        rows = list(csv.DictReader(readings[name].decode().splitlines()))
        sheet = folder / f"SIMULATED_{name}"
        assert sheet.is_file(), "the command wrote a sheet for these readings"
        with sheet.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, HEADER)
            writer.writeheader()
            writer.writerows(row | {"audited_at": now} for row in rows)
        deliver_worksheet(force.agency, sheet)
    return kept(draw)


def without_times(files: dict[str, bytes]) -> dict[str, list[dict[str, str]]]:
    """The rows of files of readings, without when each log was read."""
    return {
        name: [
            {column: cell for column, cell in row.items() if column != "audited_at"}
            for row in csv.DictReader(content.decode().splitlines())
        ]
        for name, content in files.items()
    }


def test_a_draw_is_read_partly_by_worksheet_and_partly_at_the_desk(
    fresh: SmallAgency, drawn: Draw
) -> None:
    clerk = sign_in(ONE)
    own = given_to(drawn, ONE)
    read_log(clerk, drawn, own[0])
    (first, *_) = kept_rows(drawn, own[0])
    write_draw_worksheets(fresh.agency, drawn)
    folder = paths.audit("testville") / drawn.draw_id / "worksheets"
    sheet = folder / f"SIMULATED_{drawn.draw_id}_{ONE.upper()}.csv"
    with sheet.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["call_reference"] for row in rows} == set(own)
    for row in rows:  # those in the middle are read on the sheet, and no crime is found
        if row["call_reference"] in own[1:3]:
            row |= {"due_count": "0", "recorded_count": "0", "audited_at": first["audited_at"]}
    with sheet.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    delivery = deliver_worksheet(fresh.agency, sheet)
    assert (delivery.read, delivery.given) == (2, len(own))
    assert {row["call_reference"] for row in kept_rows(drawn)} == set(own[:3])
    assert sorted(read_all(clerk, drawn)) == sorted(own[3:])
    assert [line["kind"] for line in Register("testville").entries()][2:4] == [
        "reading",
        "delivery",
    ]


# ---------------------------------------------------------------------- the registrar


@pytest.fixture
def differing(drawn: Draw) -> tuple[Draw, str]:
    """A draw, and a log of it on which two auditors differ."""
    read_first(drawn)
    draw = load_draw("testville", drawn.draw_id)
    second = second_readers(draw)
    wrong = min(second)
    for name in (ONE, TWO):
        clerk = sign_in(name)
        for call in (call for call, reader in second.items() if reader == name):
            more = {"due_count": "2", "recorded_count": truth(call)["recorded_count"],
                    "offence_code_2": "A1", "recorded_code_2": "N"}  # fmt: skip
            read_log(clerk, draw, call, **truth(call) | (more if call == wrong else {}))
    return draw, wrong


def test_pages_of_audits_lead_to_feedback_and_search_whoever_may_use_them(drawn: Draw) -> None:
    registrar, auditor = sign_in("registrar"), sign_in(ONE)
    answer = registrar.get("audit-differences", draw=drawn.draw_id)
    assert "0 logs wait for a decision. More may come until every log has been read." in words_of(
        answer.text
    )
    for page in (registrar.get("audit").text, answer.text):
        assert '<a href="feedback">Feedback</a>' in page
        assert '<form action="search" role="search">' in page
    own = open_drawn(auditor, drawn, given_to(drawn, ONE)[0])
    for page in (auditor.get("audit").text, own):
        assert "Feedback" not in page
        assert 'action="search"' not in page


def test_a_draw_is_named_by_its_days(differing: tuple[Draw, str]) -> None:
    draw, call = differing  # of the local days from 5 January 2026 until before the 7th
    registrar = sign_in("registrar")
    listed = registrar.get("audit").text
    assert f"<h2>5 to 6 January 2026 <small>{draw.draw_id}</small></h2>" in listed
    for answer in (
        sign_in(ONE).get("audit-log", draw=draw.draw_id, call=given_to(draw, ONE)[0]),
        registrar.get("audit-differences", draw=draw.draw_id),
        registrar.get("audit-difference", draw=draw.draw_id, call=call),
    ):
        assert f"audit of 5 to 6 January 2026 ({draw.draw_id})" in words_of(answer.text)
        assert words_of(answer.text).count(draw.draw_id) == 1


def test_the_registrar_decides_where_two_auditors_differ(
    fresh: SmallAgency, differing: tuple[Draw, str]
) -> None:
    draw, call = differing
    registrar = sign_in("registrar")
    assert "Decide 1 log on which two auditors differ" in words_of(registrar.get("audit").text)
    answer = registrar.get("audit-differences", draw=draw.draw_id)
    assert f"audit-difference?draw={draw.draw_id}&amp;call={call}" in answer.text
    answer = registrar.get("audit-difference", draw=draw.draw_id, call=call)
    text = words_of(answer.text)
    assert told_by(call) in text
    assert "Reading A" in text
    assert "Reading B" in text
    assert text.count("(A1)") == 3  # one crime and two
    assert "auditor." not in text.lower()
    # a form that is filled with one of the readings has one crime or two
    filled = [
        reading_form(registrar.get("audit-difference", draw=draw.draw_id, call=call, like=n).text)
        for n in ("1", "2")
    ]
    assert sorted(form["due_count"] for form in filled) == ["1", "2"]
    answer = registrar.send(reading_form(answer.text), **truth(call))
    assert answer.status_code == 200
    assert (
        "0 logs wait for a decision. Every log has been read and decided. "
        "The result of this audit comes with the next build." in words_of(answer.text)
    )
    rows = [row for row in kept_rows(draw, call) if row["auditor_code"] == ADJUDICATOR]
    assert [row["crime_number"] for row in rows] == ["0", "1"]
    assert lines_of("reading")[-1]["by"] == "registrar"
    assert not find_progress(fresh.agency, draw.draw_id).is_open
    # what was decided can be decided anew, and not twice by one form
    page = registrar.get("audit-difference", draw=draw.draw_id, call=call).text
    assert "It was decided already" in words_of(page)


def test_nothing_is_decided_where_two_auditors_agree_or_by_one_of_them(
    fresh: SmallAgency, differing: tuple[Draw, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, call = differing
    agreed = next(
        str(c) for c, name in zip(draw.call_ids, draw.seconds, strict=True) if name and c != call
    )
    registrar = sign_in("registrar")
    form = reading_form(
        registrar.get("audit-difference", draw=draw.draw_id, call=call).text
    ) | truth(call)
    before = kept(draw)
    assert registrar.send(form, call=agreed).status_code == 404
    with pytest.raises(AuditError, match="AUDIT-AGREED"):
        save_reading(
            fresh.agency, draw.draw_id, ADJUDICATOR, agreed, Reading("0", "0", []), "", "registrar"
        )
    for name in (ONE, "reader.one", "viewer"):
        clerk = sign_in(name)
        answers = [
            clerk.get("audit-differences", draw=draw.draw_id),
            clerk.get("audit-difference", draw=draw.draw_id, call=call),
            clerk.send(form),
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert told_by(call) not in answers[1].text
    monkeypatch.setitem(trial.PEOPLE, ONE, trial.PEOPLE["registrar"])
    own = sign_in(ONE)
    answer = own.get("audit-difference", draw=draw.draw_id, call=call)
    assert answer.status_code == 403
    assert "is your own" in words_of(answer.text)
    assert kept(draw) == before


# ---------------------------------------------------------------------- rights


def test_who_may_not_audit_sees_no_draw_and_auditors_see_nothing_else(drawn: Draw) -> None:
    own = given_to(drawn, ONE)[0]
    clerk = sign_in(ONE)
    page = open_drawn(clerk, drawn, own)
    received = r"Received \d+ January 2026, (\d+(:\d+)?[ap]m|midday|midnight)"
    assert re.search(received, words_of(page))
    form = reading_form(page) | truth(own)
    pages = {
        "audit": {},
        "audit-next": {"draw": drawn.draw_id},
        "audit-log": {"draw": drawn.draw_id, "call": own},
    }
    for name in ("viewer", "reader.one"):
        other = sign_in(name)
        for path, query in pages.items():
            answer = other.get(path, **query)
            assert answer.status_code == 403
            assert own not in answer.text
            entry = list(read_access_log("testville"))[-1]
            assert entry["who"] == name
            assert entry["what"].startswith(f"refused: desk GET {path}")
        assert other.send(form).status_code == 403
        assert "Audits" not in other.get().text
    for path, query in (("", {}), ("log", {"call": own}), ("start", {}), ("search", {"q": own})):
        answer = clerk.get(path, **query)
        assert answer.status_code == 403
        assert "You have no right to the queue" in words_of(answer.text)
        assert '<a href="audit">Back to the audits</a>' in answer.text
        assert list(read_access_log("testville"))[-1]["what"].startswith("refused: desk GET")
    stranger = Clerk(clerk.client, "other")
    assert stranger.get("audit").status_code == 404
    assert stranger.send(form).status_code == 404
    clerk.client.cookies.clear()
    for path, query in pages.items():
        assert clerk.get(path, **query).url.path == "/sign-in"
    assert clerk.send(form).status_code == 401
    assert kept(drawn) == {}


def test_who_is_no_auditor_is_told_so(fresh: SmallAgency) -> None:
    draw = draw_logs(fresh, auditors=(ONE, "1311"))
    clerk = sign_in(TWO)
    for path in ("audit", "audit-next", "audit-log"):
        answer = clerk.get(path, draw=draw.draw_id, call=given_to(draw, ONE)[0])
        assert answer.status_code == 403
        assert "You are not one of the auditors" in words_of(answer.text)
    settings = fresh.settings
    try:
        fresh.settings = settings | {"auditors": ["Auditor.Two", "1311"]}
        fresh.write_settings()
        assert "No draw is open for you" in words_of(clerk.get("audit").text)
        answer = clerk.get("audit-next", draw=draw.draw_id)
        assert "is not an auditor of" in words_of(answer.text)
    finally:
        fresh.settings = settings
        fresh.write_settings()


def test_a_reading_is_believed_from_this_log_in_and_this_site_only(drawn: Draw) -> None:
    clerk, other = sign_in(ONE), sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    form = reading_form(open_drawn(clerk, drawn, call)) | truth(call)
    theirs = reading_form(open_drawn(other, drawn, call))["token"]
    for token in ("", form["token"] + "x", theirs):
        assert clerk.send(form, token=token).status_code == 403
    fields = {name: value for name, value in form.items() if name != "action"}
    for headers in ({"Origin": "http://elsewhere.test"}, {"Origin": "null"}, {}):
        answer = clerk.client.post(f"{clerk.base}audit-read", data=fields, headers=headers)
        assert answer.status_code == 403
    assert kept(drawn) == {}


def test_what_was_typed_before_the_sign_in_ended_is_not_lost(drawn: Draw) -> None:
    """The browser sends the same form again after the next sign-in, with the token of the first."""
    clerk = sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    form = reading_form(open_drawn(clerk, drawn, call))
    clerk.client.cookies.clear()
    answer = clerk.send(form, due_count="2", offence_code_1="A1")
    assert answer.status_code == 401
    assert "sign in in another tab" in words_of(answer.text)
    clerk = sign_in(ONE)
    answer = clerk.send(form, due_count="2", offence_code_1="A1")
    assert answer.status_code == 403
    assert "opened before you signed in" in words_of(answer.text)
    shown = reading_form(answer.text)
    assert (shown["due_count"], kept(drawn)) == ("2", {})
    assert '<option value="A1" selected>' in answer.text
    assert clerk.send(shown, **truth(call)).status_code == 200
    assert {row["call_reference"] for row in kept_rows(drawn)} == {call}


def test_each_look_is_written_down_before_anything_is_shown(drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call = given_to(drawn, ONE)[0]
    before = len(list(read_access_log("testville")))
    query = f"draw={drawn.draw_id}&call={call}"
    form = reading_form(open_drawn(clerk, drawn, call))
    clerk.send(form, token="forged")
    written = [(e["who"], e["what"]) for e in read_access_log("testville")][before:]
    assert written == [
        (ONE, f"desk GET audit-log?{query}"),
        (ONE, f"desk POST audit-read {drawn.draw_id} {call}"),
    ]
    log = paths.access("testville")
    aside = log.with_suffix(".aside")
    log.rename(aside)
    log.mkdir()
    try:
        answer = clerk.get("audit-log", draw=drawn.draw_id, call=call)
        assert answer.status_code == 503
        assert told_by(call) not in answer.text
    finally:
        log.rmdir()
        aside.rename(log)


# ---------------------------------------------------------------------- the pages themselves


class _Fields(HTMLParser):
    """Collects the ids of the fields that people fill in, and what the labels are for."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[str] = []
        self.labelled: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag in ("input", "select", "textarea") and values.get("type") != "hidden":
            self.fields.append(values.get("id", ""))
        if tag == "label":
            self.labelled.append(values.get("for", ""))


def test_each_field_has_a_label_and_no_page_a_script_or_a_table(
    differing: tuple[Draw, str],
) -> None:
    draw, call = differing
    clerk, registrar = sign_in(ONE), sign_in("registrar")
    own = given_to(draw, ONE)[0]
    pages = [
        clerk.get("audit"),
        clerk.get("audit-log", draw=draw.draw_id, call=own),
        registrar.get("audit"),
        registrar.get("audit-differences", draw=draw.draw_id),
        registrar.get("audit-difference", draw=draw.draw_id, call=call),
    ]
    for answer in pages:
        found = _Fields()
        found.feed(answer.text)
        assert found.fields == found.labelled
        assert len(set(found.fields)) == len(found.fields)
        assert not found.tags & {"script", "table"}
        assert answer.headers["cache-control"] == "no-store"


def test_nothing_of_an_erased_log_is_left_of_its_reading(fresh: SmallAgency, drawn: Draw) -> None:
    clerk = sign_in(ONE)
    call, other = given_to(drawn, ONE)[:2]
    for one in (call, other):
        read_log(clerk, drawn, one)
    words = [call, told_by(call)]
    before = kinds_with(paths.home(), "testville", words)
    for place in ("findings", "access/testville.jsonl", "frame.parquet"):
        assert any(place in name for name in before), place
    erase_reference(fresh.agency, call, "request 7", lambda line: None)
    assert kinds_with(paths.home(), "testville", words) == {}
    assert {row["call_reference"] for row in kept_rows(drawn)} == {other}
    progress = find_progress(fresh.agency, drawn.draw_id)
    assert call not in progress.readers
    assert clerk.get("audit-log", draw=drawn.draw_id, call=call).status_code == 404
    assert len(progress.list_left(ONE.upper())) == len(given_to(drawn, ONE)) - 2
    assert read_log(clerk, drawn, given_to(drawn, ONE)[2]).status_code == 200


@pytest.mark.parametrize("left", [0, 1])
def test_a_draw_of_which_logs_expired_is_offered_to_nobody(
    fresh: SmallAgency, drawn: Draw, left: int
) -> None:
    """No rate can be worked out any more, whether some of its logs are left or none."""
    clerk, registrar = sign_in(ONE), sign_in("registrar")
    calls = [str(call) for call in drawn.call_ids]
    form = reading_form(open_drawn(clerk, drawn, given_to(drawn, ONE)[0]))
    gone = [call for call in calls if call != form["call"] or not left]
    erase_from_register("testville", gone, datetime(2026, 3, 1), f"{EXPIRED}2026-03-01")
    for person in (clerk, registrar):
        assert drawn.draw_id not in words_of(person.get("audit").text)
    answers = [
        clerk.get("audit-next", draw=drawn.draw_id),
        clerk.get("audit-log", draw=drawn.draw_id, call=form["call"]),
        clerk.send(form, none="1"),
    ]
    for answer in answers:
        assert answer.status_code == 409
        assert f"{len(gone)} of the {LOGS} logs of {drawn.draw_id} were removed" in answer.text
    assert kept(drawn) == {}
