"""People at the desk, for tests: a browser's cookies and forms without a browser."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import httpx
from fastapi.testclient import TestClient

from cdi.desk.trial import make_trial_desk

CODE = "the code of the test"


class _Forms(HTMLParser):
    """Collects the forms of a page: where each is sent, and what is in its fields and buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.buttons: list[list[dict[str, str]]] = []
        self.text_of = ""  # name of the text box that is being read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append({"action": values.get("action", "")})
            self.buttons.append([])
        elif tag == "button" and "disabled" not in values and self.forms:
            said = {values["name"]: values.get("value", "")} if "name" in values else {}
            self.buttons[-1].append(said)
        elif tag in ("input", "select", "textarea") and "name" in values and self.forms:
            self.forms[-1][values["name"]] = values.get("value", "")
            self.text_of = values["name"] if tag == "textarea" else ""

    def handle_data(self, data: str) -> None:
        if self.text_of:
            self.forms[-1][self.text_of] += data

    def handle_endtag(self, tag: str) -> None:
        self.text_of = ""


def read_forms(page: str) -> list[dict[str, str]]:
    """The forms of a page, each with its fields and, as `action`, where it is sent.

    A form comes once for each button, if each of them says what to do; else as the button sends it
    that says nothing.
    """
    parser = _Forms()
    parser.feed(page)
    return [
        form | button
        for form, buttons in zip(parser.forms, parser.buttons, strict=True)
        for button in (buttons if all(buttons) and buttons else [{}])
    ]


def words_of(page: str) -> str:
    """The text of a page, without tags and with single blanks."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S)
    return " ".join(text.replace("&#39;", "’").split())


class Clerk:
    """Somebody at the desk of an agency, as their browser would act."""

    def __init__(self, client: httpx.Client, agency: str = "testville", path: str = "") -> None:
        """Take a client that is signed in.

        Args:
            client: It follows redirects and keeps cookies.
            agency: Whose logs they read.
            path: Below which the desk is served.
        """
        self.client = client
        self.base = f"{path}/{agency}/"

    def get(self, path: str = "", **query: str) -> httpx.Response:
        """Open a page of the agency."""
        return self.client.get(self.base + path, params=query or None)

    def open_log(self, call: str, **query: str) -> str:
        """Open the page of a log, which claims it."""
        answer = self.get("log", call=call, **query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def find_form(self, page: str, kind: str, crime: str = "1") -> dict[str, str]:
        """The form of a page that decides this about a crime."""
        (found,) = [
            form
            for form in read_forms(page)
            if form.get("kind") == kind and form.get("crime") in (crime, "")
        ]
        return found

    def send(self, form: Mapping[str, str], **changes: str) -> httpx.Response:
        """Send a form as a browser does."""
        fields = {**form, **changes}
        path = fields.pop("action")
        origin = str(self.client.base_url).rstrip("/")
        return self.client.post(self.base + path, data=fields, headers={"Origin": origin})

    def decide(self, call: str, kind: str, crime: str = "1", **changes: str) -> httpx.Response:
        """Open a log and decide about a crime of it."""
        return self.send(self.find_form(self.open_log(call), kind, crime), **changes)

    def listed(self, **query: str) -> list[str]:
        """The logs that the queue lists, in its order."""
        page = self.get("", **query).text
        return re.findall(
            r'<li>\s*<span class="time.*?<a href="log\?[^"]*">([^<]+)</a>', page, re.S
        )


def sign_in(name: str, agency: str = "testville") -> Clerk:
    """Sign in at a desk with the trial log-in, which runs in this process."""
    client = TestClient(make_trial_desk(CODE), base_url="http://desk.test")
    answer = client.post(
        "/sign-in",
        data={"name": name, "typed": CODE},
        headers={"Origin": "http://desk.test"},
        follow_redirects=False,
    )
    assert answer.status_code == 303, answer.text
    return Clerk(client, agency)
