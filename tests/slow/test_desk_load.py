"""Five people at one desk whose server is killed again and again: nothing is read twice or lost.

CDI_DESK_DECISIONS and CDI_DESK_KILLS say how many decisions and kills there are: 60 and 10, if
they say nothing. A killed server takes seconds to come back, so 500 and 20 take some ten minutes.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import httpx
import pytest

from cdi import paths
from cdi.local.airflow import free_port
from cdi.people.decision_file import read_decisions
from cdi_proofs.published import run_simulated
from tests.desk import Clerk
from tests.slow.conftest import MONTH, environment

DECISIONS = int(os.environ.get("CDI_DESK_DECISIONS", "60"))
KILLS = int(os.environ.get("CDI_DESK_KILLS", "10"))
PEOPLE = 5
# Signs people in by a name in the address, and is served as `cdi desk` is.
SERVER = """
import sys
import uvicorn
from cdi.desk import trial
trial.PEOPLE = {f"reader.{n}": trial.PEOPLE["reader.one"] for n in range(5)}
uvicorn.run(trial.make_trial_desk("code"), host="127.0.0.1", port=int(sys.argv[1]),
            log_level="error")
"""


class Server:
    """The desk in a process of its own, which can be killed and comes back on the same port."""

    def __init__(self, home: Path) -> None:
        """Start it."""
        self.port = free_port()
        self.home = home
        self.start()

    def start(self) -> None:
        """Start the process; it answers some seconds later."""
        command = [sys.executable, "-c", SERVER, str(self.port)]
        self.process = subprocess.Popen(command, env=environment(self.home))

    def kill(self) -> None:
        """Kill it in the middle of whatever it does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class Told:
    """What the desk told the people: what each had open, when, and which decisions it took."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    read: list[tuple[str, str]] = field(default_factory=list)
    kinds: dict[tuple[str, str], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def patiently(send: object, seconds: float = 300) -> httpx.Response:
    """Send a request again until a server answers it, as people press the button again."""
    until = time.monotonic() + seconds
    while True:
        try:
            return send()  # type: ignore[operator, no-any-return]
        except httpx.HTTPError:
            assert time.monotonic() < until, "the desk does not come back"
            time.sleep(0.2)


def work(server: Server, name: str, told: Told, enough: threading.Event) -> None:
    """Work as `read_and_decide`; what goes wrong is told, as a thread would end without a word."""
    try:
        read_and_decide(server, name, told, enough)
    except Exception as error:
        told.problems.append(f"{name}: {error!r}")
        enough.set()


def read_and_decide(server: Server, name: str, told: Told, enough: threading.Event) -> None:
    """Read logs and decide about them, as one person, until there are enough decisions."""
    chance = random.Random(name)  # noqa: S311
    url = f"http://127.0.0.1:{server.port}"
    client = httpx.Client(base_url=url, follow_redirects=True, timeout=300)
    body = {"name": name, "typed": "code"}
    patiently(lambda: client.post("/sign-in", data=body, headers={"Origin": url}))
    clerk = Clerk(client, paths.SIMULATED)
    page = patiently(lambda: clerk.get("start"))
    while not enough.is_set():
        if page.url.path.rpartition("/")[2] != "log":
            page = patiently(lambda: clerk.get("start"))
            if page.url.path.rpartition("/")[2] != "log":
                return  # nothing is left
        call = page.url.params["call"]
        with told.lock:
            told.read.append((call, name))
        crimes = re.findall(r'<section class="crime" id="(\d+)"', page.text)
        with told.lock:
            if told.read.count((call, name)) > KILLS:  # each kill may show a log once more
                told.problems.append(f"{call} cannot be decided: {page.text}")
                enough.set()
        page = decide_log(clerk, page, call, crimes, chance, told)
        with told.lock:
            if len(told.kinds) >= DECISIONS:
                enough.set()


def decide_log(
    clerk: Clerk, page: httpx.Response, call: str, crimes: list[str],
    chance: random.Random, told: Told,
) -> httpx.Response:  # fmt: skip
    """Decide about each crime of a log that can be decided; returns the page that came last."""
    for number in crimes:
        kinds = [kind for kind in ("confirmed", "dismissed", "passed")
                 if f'name="kind" value="{kind}"' in page.text]  # fmt: skip
        if not kinds or page.url.params.get("call") != call:
            break
        if (call, number) in told.kinds:
            continue  # one of its crimes was decided before the server was killed
        kind = chance.choice(kinds)
        try:
            form = clerk.find_form(page.text, kind, number)
        except ValueError:
            continue  # decided already
        changes = {"reason_code": "GOOD_INTENT"} if kind == "dismissed" else {}
        page = patiently(lambda form=form, changes=changes: clerk.send(form, **changes))
        is_written = page.status_code == 200 or "written already" in page.text
        with told.lock:
            if is_written:
                if (call, number) in told.kinds:
                    told.problems.append(f"{call}#{number} was decided twice")
                told.kinds[call, number] = kind
            else:
                what = f"{call}#{number} {kind}: {page.status_code} {page.text[-600:]}"
                told.problems.append(what)
        if page.status_code != 200:
            return patiently(lambda: clerk.get("start"))
    if page.url.params.get("call") != call:
        return page
    return patiently(lambda: clerk.get("start"))


@contextmanager
def killed_again_and_again(
    server: Server, enough: threading.Event, told: Told
) -> Iterator[list[int]]:
    """Kill the server in the middle of the work, as often as planned, and start it again."""
    kills: list[int] = []

    def kill() -> None:
        chance = random.Random(20)  # noqa: S311
        while not enough.is_set() and len(kills) < KILLS:
            wanted = (len(kills) + 1) * DECISIONS // (KILLS + 1)
            if len(told.kinds) >= wanted:
                time.sleep(chance.random() * 0.3)
                server.kill()
                kills.append(len(told.kinds))
                server.start()
            time.sleep(0.02)

    thread = threading.Thread(target=kill)
    thread.start()
    yield kills
    thread.join()


@pytest.fixture(scope="module")
def home(published_month: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of a published month of the simulated force."""
    copy = tmp_path_factory.mktemp("state") / "home"
    shutil.copytree(published_month, copy, symlinks=True)
    with pytest.MonkeyPatch.context() as patch, MONTH.selected():
        patch.setenv("CDI_HOME", str(copy))
        for name in ("CDI_DATA", "CDI_AGENCIES"):
            patch.delenv(name, raising=False)
        yield copy


def test_nothing_is_read_twice_or_lost_though_the_server_is_killed(home: Path) -> None:
    server, told, enough = Server(home), Told(), threading.Event()
    try:
        with killed_again_and_again(server, enough, told) as kills:
            threads = [
                threading.Thread(target=work, args=(server, f"reader.{n}", told, enough))
                for n in range(PEOPLE)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            enough.set()
    finally:
        server.kill()
    assert told.problems == []
    assert len(told.kinds) >= DECISIONS
    assert len(kills) == KILLS
    readers: dict[str, set[str]] = {}
    for call, name in told.read:  # the whole test is shorter than a claim
        readers.setdefault(call, set()).add(name)
    assert len(readers) > DECISIONS // 3
    assert {call: names for call, names in readers.items() if len(names) > 1} == {}
    assert len({name for names in readers.values() for name in names}) == PEOPLE

    from cdi.agency.load import load_agency

    rows = read_decisions(load_agency(paths.SIMULATED))
    written = [(row["call_reference"], row["crime_number"]) for row in rows]
    assert len(written) == len(set(written))
    assert told.kinds.keys() <= set(written)  # a form may have been cut off after its row

    # every acknowledged decision is in the next build, once
    run_simulated(lambda told: None)
    file = paths.published(paths.SIMULATED) / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        found = con.execute(
            "select call_id, cast(split_part(reported_crime_id, '#', -1) as varchar), status "
            "from unrecorded_crimes where status <> 'suspected'"
        ).fetchall()
    status = {(call, number): status for call, number, status in found}
    assert len(found) == len(status)
    wanted = {key: kind for key, kind in told.kinds.items() if kind in ("confirmed", "dismissed")}
    assert len(wanted) > DECISIONS // 3
    rapes = {key for key, kind in wanted.items() if key not in status and kind == "dismissed"}
    assert {key: status.get(key) for key in wanted if key not in rapes} == {
        key: kind for key, kind in wanted.items() if key not in rapes
    }
    proposed = {
        (row["call_reference"], row["crime_number"])
        for row in rows if row["decision_kind"] == "proposed"
    }  # fmt: skip
    assert rapes == proposed & wanted.keys()
