"""What the desk promises wherever it runs: in Airflow, and alone behind a proxy."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import itsdangerous.timed
import pytest

from cdi import paths
from cdi.desk import forms
from cdi.people.decisions import read_decisions
from cdi.publish.access import read_access_log
from tests.conftest import ACCOUNT, SmallAgency
from tests.desk import Clerk, read_forms, words_of
from tests.slow.desk_houses import (
    BehindProxy,
    House,
    behind_proxy,
    forget,
    in_airflow,
    two_agencies,
)

RAPE, ASSAULT = "T-0007", "T-0002"
SEEN = ACCOUNT.partition("he was")[2]  # words of an account that nobody may see who may not


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, told_once: Any
) -> Iterator[SmallAgency]:  # fmt: skip
    folder = tmp_path_factory.mktemp("houses")
    with two_agencies(folder / "state", folder / "agencies", told_once) as found:
        yield found


@pytest.fixture(scope="module", params=["in_airflow", "behind_proxy"])
def running_house(
    request: pytest.FixtureRequest, small: SmallAgency, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    runs = {"in_airflow": in_airflow, "behind_proxy": behind_proxy}[request.param]
    with runs(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def house(running_house: House) -> House:
    forget("testville")
    return running_house


def written(small: SmallAgency) -> list[Any]:
    return list(read_decisions(small.agency))


def looks(agency: str = "testville") -> list[tuple[str, str, str]]:
    """The lines of the access log: who, what, and the version."""
    return [(e["who"], e["what"], e["version"]) for e in read_access_log(agency)]


def is_let_in(house: House, answer: httpx.Response) -> bool:
    """Whether an answer came from a page that needs a log-in."""
    inside = str(answer.url).startswith(f"{house.base}{house.path}/testville")
    return answer.status_code == 200 and inside


def test_a_viewer_sees_and_cannot_decide(house: House, small: SmallAgency) -> None:
    viewer, anna = house.sign_in("viewer"), house.sign_in("anna")
    assert ASSAULT in viewer.listed()
    page = viewer.open_log(ASSAULT)
    assert SEEN in words_of(page)
    assert not [form for form in read_forms(page) if form.get("kind")]
    assert viewer.get("start").status_code == 403
    # by hand, with the token of the viewer's own page
    form = anna.find_form(anna.open_log(ASSAULT), "confirmed")
    own = re.search(r'name="token" value="([^"]+)"', page)
    for token in (form["token"], own[1] if own else "none"):
        for kind in ("confirmed", "dismissed", "passed", "link", "agreed"):
            answer = viewer.send(form, token=token, kind=kind, reason_code="GOOD_INTENT")
            assert answer.status_code == 403
    assert written(small) == []
    assert anna.send(form).status_code == 200


def test_rights_are_those_of_an_agency(house: House, small: SmallAgency) -> None:
    there = house.sign_in("mixed", "otherville")
    here = Clerk(there.client, "testville", house.path)
    form = there.find_form(there.open_log(ASSAULT), "confirmed")
    assert not [f for f in read_forms(here.open_log(ASSAULT)) if f.get("kind")]
    assert here.get("start").status_code == 403
    assert here.send(form).status_code == 403
    assert written(small) == []
    forget("otherville")


@pytest.mark.parametrize("other", ["anna", "ANNA"])
def test_nobody_is_both_people_of_a_rapes_dismissal(
    house: House, small: SmallAgency, other: str
) -> None:
    first = house.sign_in("anna")
    answer = first.decide(RAPE, "dismissed", reason_code="NO_CRIME_BOP")
    assert answer.status_code == 200, answer.text
    again = house.sign_in(other)  # another session
    for clerk in (first, again):
        page = clerk.open_log(RAPE)
        assert not [form for form in read_forms(page) if form.get("kind") == "agreed"]
        if mine := [form for form in read_forms(page) if form.get("kind") == "undone"]:
            answer = clerk.send(mine[0], kind="agreed")
            assert answer.status_code in (403, 409)
    assert [row["decision_kind"] for row in written(small)] == ["proposed"]
    forget_claims()
    berta = house.sign_in("berta")
    assert berta.decide(RAPE, "agreed").status_code == 200
    proposed, dismissed = written(small)
    assert (proposed["decision_kind"], proposed["second_person"]) == ("proposed", "")
    assert (dismissed["decision_kind"], dismissed["decided_by"], dismissed["second_person"]) == (
        "dismissed", "anna", "berta",
    )  # fmt: skip


def forget_claims() -> None:
    """Let the quarter of an hour be over for whoever has a log open."""
    for file in paths.desk("testville").iterdir():
        file.unlink()


def test_the_second_person_does_not_take_the_firsts_word_in_the_form(
    house: House, small: SmallAgency
) -> None:
    """Fields that a form does not have are not read: names come from the log-in alone."""
    anna = house.sign_in("anna")
    form = anna.find_form(anna.open_log(RAPE), "dismissed")
    answer = anna.send(
        form, reason_code="NO_CRIME_BOP", second_person="berta", decided_by="berta",
        kind="dismissed",
    )  # fmt: skip
    assert answer.status_code == 200
    (row,) = written(small)
    assert (row["decision_kind"], row["decided_by"], row["second_person"]) == (
        "proposed", "anna", "",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["", "log?call=T-0002", "start", "search?q=T-0002"])
def test_somebody_of_another_agency_sees_nothing_and_is_written_down(
    house: House, path: str
) -> None:
    outsider = house.sign_in("outsider", "otherville")
    assert outsider.get().status_code == 200
    before = len(looks())
    answers = [
        outsider.client.get(f"{house.path}/{agency}/{path}") for agency in ("testville", "nowhere")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    told, nowhere = (answer.text for answer in answers)
    assert told.replace("testville", "nowhere") == nowhere
    assert SEEN not in told
    page, _, query = path.partition("?")
    what = f"desk GET {page or 'queue'}{'?' if query else ''}{query}"
    assert looks()[before:] == [("outsider", f"refused: {what}", "")]


def test_forms_of_another_agencys_user_are_refused_and_written_down(
    house: House, small: SmallAgency
) -> None:
    anna, outsider = house.sign_in("anna"), house.sign_in("outsider", "testville")
    form = anna.find_form(anna.open_log(ASSAULT), "confirmed")
    before = len(looks())
    assert outsider.send(form).status_code == 404
    assert looks()[before:] == [("outsider", "refused: desk POST decide", "")]
    assert written(small) == []


def change_first_letter(part: str) -> str:
    """Change a part of a token. Its last letter would not do: not all its bits are read."""
    return ("A" if part[0] != "A" else "B") + part[1:]


def test_a_forged_form_is_refused_and_written_down(house: House, small: SmallAgency) -> None:
    clerk, other = house.sign_in("anna"), house.sign_in("both")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    theirs = house.sign_in("both", "otherville")
    elsewhere = theirs.find_form(theirs.open_log(ASSAULT), "confirmed")
    forget("otherville")
    content, when, signature = form["token"].rsplit(".", 2)
    bad = {
        "none": "",
        "made up": "made.up.token",
        "other content": f"{change_first_letter(content)}.{when}.{signature}",
        "other time": f"{content}.{change_first_letter(when)}.{signature}",
        "other signature": f"{content}.{when}.{change_first_letter(signature)}",
        "of another person": other.find_form(other.open_log(RAPE), "confirmed")["token"],
    }
    before = len(looks())
    for what, token in bad.items():
        answer = clerk.send(form, token=token)
        assert answer.status_code == (422 if what == "none" and answer.status_code == 422 else 403)
        assert written(small) == [], what
    # one's own token, made for another agency
    mine = Clerk(theirs.client, "testville", house.path)
    forget_claims()
    good = mine.find_form(mine.open_log(ASSAULT), "confirmed")
    assert mine.send(good, token=elsewhere["token"]).status_code == 403
    assert written(small) == []
    refused = [what for who, what, _ in looks()[before:] if "POST decide" in what]
    assert len(refused) >= 6
    assert mine.send(good).status_code == 200


def test_a_form_of_another_site_is_refused(house: House, small: SmallAgency) -> None:
    clerk = house.sign_in("anna")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    fields = {name: value for name, value in form.items() if name != "action"}
    for headers in (
        {},
        {"Origin": "null"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": f"{house.base}.elsewhere.example"},
        {"Referer": "https://elsewhere.example/"},
        {"Origin": "https://elsewhere.example", "Referer": f"{house.base}/"},
        {"Origin": "https://elsewhere.example", "X-Forwarded-Host": "elsewhere.example"},
    ):
        answer = clerk.client.post(f"{clerk.base}decide", data=fields, headers=headers)
        assert answer.status_code == 403, headers
    assert written(small) == []
    assert clerk.send(form).status_code == 200


def test_a_form_that_is_sent_again_is_written_once(house: House, small: SmallAgency) -> None:
    clerk = house.sign_in("anna")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    assert clerk.send(form).status_code == 200
    for changes in ({}, {"kind": "dismissed", "reason_code": "GOOD_INTENT"}):
        again = clerk.send(form, **changes)
        assert again.status_code == 409
        assert "written already" in words_of(again.text)
    assert [row["decision_kind"] for row in written(small)] == ["confirmed"]


def test_an_old_form_is_refused(
    house: House, small: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = house.sign_in("anna")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    serializer = forms._serializer()
    content = serializer.loads(form["token"])
    shift_ago = time.time() - forms.FORM_SECONDS - 60
    with monkeypatch.context() as patch:
        patch.setattr(itsdangerous.timed.time, "time", lambda: shift_ago)
        old = serializer.dumps(content)
    answer = clerk.send(form, token=old)
    assert answer.status_code == 403
    assert "opened before you signed in, or too long ago" in words_of(answer.text)
    assert written(small) == []
    assert clerk.send(form, token=serializer.dumps(content)).status_code == 200


@pytest.mark.parametrize("ended", ["sign_out", "expire"])
def test_a_session_that_ended_is_worth_nothing(
    house: House, small: SmallAgency, ended: str
) -> None:
    clerk = house.sign_in("anna")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    before = looks()
    getattr(house, ended)(clerk)
    answer = clerk.send(form)
    assert answer.status_code == 401
    assert "Nothing was saved" in answer.text
    for path in ("", f"log?call={ASSAULT}"):
        answer = clerk.client.get(clerk.base + path)
        assert not is_let_in(house, answer)
        assert SEEN not in answer.text
    assert written(small) == []
    assert looks() == before
    if isinstance(house, BehindProxy):  # Airflow ties forms to the person
        assert house.sign_in("anna").send(form).status_code == 403
        assert written(small) == []


def test_without_a_log_in_nothing_is_told(house: House, small: SmallAgency) -> None:
    stranger = house.stranger()
    for path in ("", f"log?call={ASSAULT}", "start", f"search?q={ASSAULT}"):
        answer = stranger.client.get(stranger.base + path)
        assert not is_let_in(house, answer)
        assert SEEN not in answer.text
    clerk = house.sign_in("anna")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    assert stranger.send(form).status_code == 401
    assert written(small) == []


def test_each_look_is_written_down_also_of_requests_that_fail(house: House) -> None:
    clerk = house.sign_in("anna")
    version = (paths.published("testville") / "current").resolve().name
    before = len(looks())
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    assert clerk.get("", text="punched").status_code == 200
    assert clerk.get("log", call="T-9999").status_code == 404
    assert clerk.get("search", q="R99").status_code == 404
    assert clerk.send(form, token="forged").status_code == 403
    assert clerk.send(form, kind="nonsense").status_code == 400
    assert looks()[before:] == [
        ("anna", what, version)
        for what in (
            f"desk GET log?call={ASSAULT}",
            "desk GET queue?text=punched",
            "desk GET log?call=T-9999",
            "desk GET search?q=R99",
            f"desk POST decide confirmed {ASSAULT}#1",
            f"desk POST decide nonsense {ASSAULT}#1",
        )
    ]


def test_what_cannot_be_written_down_is_not_shown(house: House, small: SmallAgency) -> None:
    clerk = house.sign_in("anna")
    form = clerk.find_form(clerk.open_log(ASSAULT), "confirmed")
    log = paths.access("testville")
    aside = log.rename(log.with_suffix(".aside"))
    log.mkdir()
    try:
        for answer in (clerk.get(), clerk.get("log", call=ASSAULT), clerk.send(form)):
            assert answer.status_code == 503
            assert SEEN not in answer.text
        assert written(small) == []
    finally:
        log.rmdir()
        aside.rename(log)
    assert clerk.send(form).status_code == 200
