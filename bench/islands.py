"""A centre and three islands, each a host of its own, and what happens when parts of it break.

    .venv/bin/uv pip install s3fs 'moto[server]'         # the store's client, and a server for it
    .venv/bin/python bench/islands.py                    # as root; about an hour and a half
    KILLS=2 ONLY=kills,cut .venv/bin/python bench/islands.py

Each host is a network namespace (`island_network`); the islands reach the centre and the object
store by HTTPS and nothing else, which is tried. The centre has two schedulers and PostgreSQL. The
object store is a server of the test library moto, as no real one could be installed where this was
written; its client, s3fs, is the real one. Heartbeats are as a test needs them, and printed.

Each fault happens while an island has something new to do. Afterwards what is published must equal
one run of the same files on one machine, with neither Airflow nor network. Last, nothing that was
planted at an island may be found at the centre: on its disk, in its database, in what the islands
sent to the store, on the wire, or in what is plain behind the TLS. Prints JSON; exits with 1 if
anything is not as it must be.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from island_nation import (
    HEARTBEATS,
    INTERVAL,
    ISLANDS,
    PLANTED,
    Nation,
    expect_tables,
    make_bucket,
    make_forces,
    wait_until,
)
from island_network import (
    AIRFLOW_PORT,
    CENTRE,
    CENTRE_PORT,
    OBJECTS_PORT,
    STORE,
    STORE_PORT,
    Network,
    capture,
    make_certificates,
    read_bodies,
    run,
    serve_tls,
    stopping,
)
from tests.postgres import Systems

from cdi.console import console
from cdi.steps.peers import compare_sent_extracts
from cdi_force.database import find_program, run_postgres

KILLS = int(os.environ.get("KILLS") or 10)  # in each of extract, build and publish
CUT_SECONDS = int(os.environ.get("CUT") or 180)
DOWN_SECONDS = int(os.environ.get("DOWN") or 600)
PARTS = ("kills", "cut", "scheduler", "postgres", "down", "code")
ONLY = tuple(filter(None, os.environ.get("ONLY", "").split(","))) or PARTS


def prove_walls(nation: Nation) -> dict[str, bool]:
    """Try what an island reaches. A listener that others reach shows that the walls are tried."""
    network = nation.network
    listener = [sys.executable, "-m", "http.server", "8000"]
    centre, south = network.addresses("north")[0], network.addresses("south")[1]
    command = network.inside("south", *listener)
    log = nation.folder / "listener.log"
    with stopping(command, log), stopping(listener, log):
        wait_until("listener", lambda: network.reaches("south", "127.0.0.1", 8000))
        return {
            "the other island reaches its own listener": network.reaches("south", south, 8000),
            "the centre reaches its own listener": network.reaches("centre", centre, 8000),
            "an island reaches the centre by HTTPS": network.reaches("north", CENTRE, CENTRE_PORT),
            "an island reaches the store by HTTPS": network.reaches("north", STORE, STORE_PORT),
            "not the listener of the other island": not network.reaches("north", south, 8000),
            "not the listener of the centre": not network.reaches("north", centre, 8000),
            "not PostgreSQL": not network.reaches("north", centre, nation.database.server.port),
            "not Airflow without TLS": not network.reaches("north", centre, AIRFLOW_PORT),
            "not an address elsewhere": not network.reaches("north", "192.0.2.1", 443),
        }


@dataclass
class Trial:
    """Something that happens to an agency while it has something new to do."""

    nation: Nation
    agency: str
    disturb: Callable[[], Any]
    told: Any = None

    def run(self, district: str) -> dict[str, Any]:
        """Bring news, disturb, wait for the version, and compare it."""
        nation = self.nation
        before = set(nation.client.runs(f"{self.agency}__build"))
        began = time.monotonic()
        extraction = nation.bring_news(self.agency, district)
        self.told = self.disturb()
        build = nation.wait_for_version(self.agency, before, extraction)
        tries = [
            task["try_number"]
            for dag, name in ((f"{self.agency}__extract", extraction),
                              (f"{self.agency}__build", build))
            for task in nation.client.tasks(dag, name)
        ]  # fmt: skip
        return {
            "seconds": round(time.monotonic() - began),
            "most tries of a task": max(tries),
            "differ": nation.differ(self.agency, district),
            **({"told": self.told} if self.told is not None else {}),
        }


def districts() -> Iterator[str]:
    """The two states of an agency's files in turn, after `S`, which was there first."""
    while True:
        yield "N"
        yield "S"


def prove_kills(nation: Nation, states: dict[str, Iterator[str]]) -> dict[str, Any]:
    """Kill the worker with all its tasks at random moments of a step, ten times for each step.

    Each step has an island of its own, so that the three go on side by side.
    """

    def kill_in(agency: str, step: str) -> list[dict[str, Any]]:
        draw = np.random.default_rng(sum(map(ord, step)))
        rows: list[dict[str, Any]] = []
        longest = 0.5

        def disturb() -> str:
            wait_until(f"{step} of {agency}", lambda: nation.running(agency, step))
            time.sleep(draw.uniform(0, longest))
            was_running = nation.running(agency, step)
            nation.workers[ISLANDS[agency]].kill()
            return "in the step" if was_running else "after it"

        longest = {"extract": 1.5, "build": 12.0, "publish": 2.5}[step]
        while sum(row["told"] == "in the step" for row in rows) < KILLS and len(rows) < 3 * KILLS:
            rows.append(Trial(nation, agency, disturb).run(next(states[agency])))
            console.print(f"{agency}: {len(rows)} kills in {step}: {rows[-1]}")
        return rows

    steps = dict(zip(ISLANDS, ("extract", "build", "publish"), strict=True))
    with ThreadPoolExecutor(len(steps)) as pool:
        rows = dict(zip(steps.values(), pool.map(kill_in, steps, steps.values()), strict=True))
    return {
        step: {
            "kills": dict(Counter(row["told"] for row in rows[step])),
            "differ": [row["differ"] for row in rows[step] if row["differ"]],
            "seconds": [row["seconds"] for row in rows[step]],
            "most tries of a task": max(row["most tries of a task"] for row in rows[step]),
        }
        for step in rows
    }


def prove_cut(nation: Nation, states: dict[str, Iterator[str]]) -> dict[str, Any]:
    """Pull the island's cable out for minutes in the middle of a build."""

    def disturb() -> None:
        wait_until("build", lambda: nation.running("testville", "build"))
        time.sleep(2)
        nation.network.cut("north")
        time.sleep(CUT_SECONDS)
        nation.network.connect("north")

    return Trial(nation, "testville", disturb).run(next(states["testville"]))


def prove_scheduler(nation: Nation, states: dict[str, Iterator[str]]) -> dict[str, Any]:
    """Kill a scheduler in the middle, for good; the other takes over."""
    agency = "southville"
    killed = {}

    def disturb() -> None:
        wait_until("extract", lambda: nation.running(agency, "extract"))
        killed["at"] = time.time()
        nation.services["scheduler"].end()

    seen = Trial(nation, agency, disturb).run(next(states[agency]))
    asked = "select extract(epoch from min(start_date)) from task_instance where start_date > "
    first = nation.database.run(f"{asked} to_timestamp(%s)", killed["at"])[0][0]
    seen["seconds until the next task began"] = round(float(first) - killed["at"], 1)
    nation.services["scheduler"].start()
    return seen


def control_postgres(nation: Nation, *words: str) -> None:
    """Stop or start the centre's PostgreSQL, as the user whom its data belong to."""
    data = nation.database.server.folder / "data"
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    run(find_program("pg_ctl"), "-D", data, *words, user="nobody", env=env, cwd=data.parent)


def prove_postgres(nation: Nation, states: dict[str, Iterator[str]]) -> dict[str, Any]:
    """Stop PostgreSQL in the middle of a build, and start it again twenty seconds later."""
    data = nation.database.server.folder / "data"
    options = (data / "postmaster.opts").read_text(encoding="utf-8").split(" ", 1)[1].strip()

    def disturb() -> None:
        wait_until("build", lambda: nation.running("westville", "build"))
        control_postgres(nation, "stop", "-m", "fast")
        time.sleep(20)
        control_postgres(nation, "start", "-w", "-l", str(data.parent / "log2"), "-o", options)

    return Trial(nation, "westville", disturb).run(next(states["westville"]))


def prove_centre_down(nation: Nation, states: dict[str, Iterator[str]]) -> dict[str, Any]:
    """Kill the whole centre for ten minutes while an island's worker works."""

    def disturb() -> None:
        wait_until("build", lambda: nation.running("testville", "build"))
        for service in nation.services.values():
            service.end()
        time.sleep(DOWN_SECONDS)
        for service in nation.services.values():
            service.start()

    return Trial(nation, "testville", disturb).run(next(states["testville"]))


def prove_other_code(nation: Nation, states: dict[str, Iterator[str]]) -> dict[str, Any]:
    """Change the centre's code in the middle of a build: the worker ends its task and stops.

    It is not let in again before the force has the same code.
    """
    agency, queue = "southville", "south"
    log = nation.workers[queue].log

    def change_code(name: str) -> None:
        with (nation.code(name) / "dags" / "build.py").open("a", encoding="utf-8") as file:
            file.write("# a newer version\n")

    def disturb() -> dict[str, Any]:
        wait_until("build", lambda: nation.running(agency, "build"))
        start = log.stat().st_size
        change_code("centre")
        nation.services["api-server"].kill()

        def said(word: bytes) -> bool:
            return word in log.read_bytes()[start:]

        wait_until("refusal", lambda: said(b"[EDGE-CODE]"))
        time.sleep(10)
        told = log.read_bytes()[start:]
        builds = nation.client.runs(f"{agency}__build")
        tasks = nation.client.tasks(f"{agency}__build", next(iter(builds)))
        states = {task["task_id"]: task["state"] for task in tasks}
        change_code("force")
        return {
            "it said so": b"Version mismatch of Edge worker and Core" in told,
            "its task ended well": states["build"] == "success",
            "no task after it began": states["check"] in (None, "scheduled", "queued"),
        }

    return Trial(nation, agency, disturb).run(next(states[agency]))


def search_for_planted(nation: Nation, captured: dict[str, Path]) -> dict[str, Any]:
    """Look for what was planted at the islands in all that the centre has and was sent."""
    files = {file: file.read_bytes() for file in nation.home("centre").rglob("*") if file.is_file()}
    dump = run(
        find_program("pg_dump"), "--inserts",
        f"postgresql://postgres:{nation.database.server.password}@127.0.0.1:"
        f"{nation.database.server.port}/airflow",
    )  # fmt: skip
    files[Path("the database")] = dump.encode()
    for name, file in captured.items():
        files[Path(f"on {name}")] = file.read_bytes()
    bodies = read_bodies(captured["loopback"])
    files[Path("bodies behind the TLS")] = bodies
    wire = run("tshark", "-r", captured["wire"], "-q", "-z", "io,phs")
    ports = run("tshark", "-r", captured["wire"], "-T", "fields", "-e", "tcp.dstport",
                "-e", "tcp.srcport", "-Y", "tcp")  # fmt: skip
    pairs = {tuple(map(int, line.split())) for line in set(ports.splitlines()) if line.strip()}
    return {
        "files searched": len(files),
        "bytes behind the TLS": len(bodies),
        # the search finds what is there
        "outlines found behind the TLS": b"5 read, 5 accepted" in bodies,
        "planted at the forces": sum(
            b"Zebedee" in f.read_bytes() for f in nation.folder.glob("forces/*/data/*")
        ),
        "hits": {
            word: [str(f) for f, content in files.items() if word.encode() in content]
            for word in PLANTED
            if any(word.encode() in content for content in files.values())
        },
        "packets on the wire not to or from a port of HTTPS": sum(
            not {CENTRE_PORT, STORE_PORT} & set(pair) for pair in pairs
        ),
        "HTTP that is not TLS on the wire": " http " in wire,
    }


def compare_nation(nation: Nation) -> dict[str, Any]:
    """Build the national page from what the islands sent, and compare its figures with theirs."""
    env = nation.settings_for_open() | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{OBJECTS_PORT}"}
    env |= {"CDI_HOME": str(nation.home("centre")), "CDI_AGENCIES": str(nation.folder / "settings")}
    with mock.patch.dict(os.environ, env):
        told = compare_sent_extracts().note
    return {"told": told.splitlines()[0].split(":")[0]}


def follow(nation: Nation) -> dict[str, Any]:
    """Start everything, do all parts, and search at the end."""
    found: dict[str, Any] = {"heartbeats": HEARTBEATS, "walls": prove_walls(nation)}
    nation.start_centre()
    for agency, queue in ISLANDS.items():
        nation.start_worker(queue)
        for step in ("extract", "build"):
            nation.client.unpause(f"{agency}__{step}")
    first = {}
    for agency in ISLANDS:
        extraction = nation.client.trigger(f"{agency}__extract", INTERVAL)
        nation.wait_for_version(agency, set(), extraction)
        first[agency] = nation.differ(agency, "S")
        console.print(f"{agency} has published; {len(first[agency])} tables differ")
    found["differ from a run on one machine"] = first
    states = {agency: districts() for agency in ISLANDS}
    proofs = {
        "kills": prove_kills, "cut": prove_cut, "scheduler": prove_scheduler,
        "postgres": prove_postgres, "down": prove_centre_down, "code": prove_other_code,
    }  # fmt: skip
    for name in ONLY:
        began = time.monotonic()
        try:
            found[name] = proofs[name](nation, states)
        except Exception as error:  # the other parts are tried all the same
            found[name] = {"differ": [], "broke": f"{type(error).__name__}: {error}"}
        console.print(f"{name}: {time.monotonic() - began:.0f} s: {json.dumps(found[name])}")
    found["nation"] = compare_nation(nation)
    return found


def find_faults(found: dict[str, Any]) -> list[str]:
    """What is not as it must be."""
    faults = [name for name, holds in found["walls"].items() if not holds]
    faults += [
        f"{a} differs" for a, rows in found["differ from a run on one machine"].items() if rows
    ]
    for name in ONLY:
        if "broke" in found[name]:
            faults.append(f"{name}: {found[name]['broke']}")
            continue
        rows = found[name].values() if name == "kills" else [found[name]]
        faults += [f"{name}: {row['differ']}" for row in rows if row["differ"]]
    if "broke" not in found.get("kills", {"broke": ""}):
        faults += [s for s, r in found["kills"].items() if r["kills"].get("in the step", 0) < KILLS]
    faults += [name for name, holds in found.get("code", {}).get("told", {}).items() if not holds]
    search = found["search"]
    if search["hits"] or search["packets on the wire not to or from a port of HTTPS"]:
        faults.append("something left an island")
    if not search["outlines found behind the TLS"] or search["planted at the forces"] != 3:
        faults.append("the search saw nothing")
    return faults


def prove_inside(folder: Path, prefix: str) -> None:
    """Do all of it, in the namespace of the centre."""
    network = Network(prefix, tuple(ISLANDS.values()))
    authority = make_certificates(folder)
    captured = {"wire": folder / "wire.pcapng", "loopback": folder / "loopback.pcapng"}
    objects = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(OBJECTS_PORT)]
    # an island sends many small answers to its own questions: they are all looked at
    plain = f"tcp port {AIRFLOW_PORT} or tcp port {OBJECTS_PORT}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ))
        os.environ |= {
            "CDI_HOME": str(folder / "homes" / "centre"),
            "CDI_AGENCIES": str(folder / "settings"),
        }
        server = stack.enter_context(run_postgres("max_connections=200"))
        nation = Nation(folder, network, Systems.create(server, "airflow"), authority)
        make_forces(nation)
        expect_tables(nation)
        stack.enter_context(serve_tls(folder))
        stack.enter_context(stopping(objects, folder / "objects.log"))
        with (
            capture(tuple(ISLANDS.values()), captured["wire"], ""),
            capture(("lo",), captured["loopback"], plain),
        ):
            make_bucket(nation)
            try:
                found = follow(nation)
            finally:
                for kept in (*nation.workers.values(), *nation.services.values()):
                    kept.end()
        found["search"] = search_for_planted(nation, captured)
        control_postgres(nation, "stop", "-m", "fast")  # it may not be the one that was started
    found["faults"] = find_faults(found)
    print(json.dumps(found, indent=2))
    sys.exit(1 if found["faults"] else 0)


def main() -> None:
    """Make the hosts, and go on inside the centre."""
    if len(sys.argv) > 1:
        prove_inside(Path(sys.argv[1]), sys.argv[2])
        return
    prefix = f"cdi{os.getpid()}"
    network = Network(prefix, tuple(ISLANDS.values()))
    with tempfile.TemporaryDirectory() as folder, network.up():
        ended = subprocess.run(
            network.inside("centre", sys.executable, __file__, folder, prefix), check=False
        )
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
