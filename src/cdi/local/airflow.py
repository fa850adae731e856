"""A local Airflow for `make run` and `make ui`: starts its processes, uses its API, stops them.

Airflow runs in processes of its own (API server, scheduler with LocalExecutor, DAG processor,
triggerer) on SQLite under ``<state>/airflow``; this module imports nothing of it. It stops what it
started and nothing else: its processes are written down in ``processes.json``.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx
import psutil
import tenacity
from cryptography.fernet import Fernet

from cdi import paths
from cdi.build.prepare import find_or_make
from cdi.errors import CdiError, StateError
from cdi.files import read_json, read_json_list, write_json
from cdi.keys import read_or_make_secret
from cdi.sql import SQLITE_LOCK_SECONDS

# The triggerer serves deferred tasks, deadlines and approvals; a run on its own needs none.
RUN_COMPONENTS = ("api-server", "scheduler", "dag-processor")
UI_COMPONENTS = (*RUN_COMPONENTS, "triggerer")
# Their log servers would listen on all interfaces, and no setting narrows that. On one machine
# nobody needs them: the API server reads the files of the logs.
OPTIONS = {"scheduler": ("--skip-serve-logs",), "triggerer": ("--skip-serve-logs",)}
START_SECONDS = 120.0
# How long to wait until processes that were asked to end do, and until killed ones are gone.
STOP_SECONDS = 20.0
KILL_SECONDS = 10.0
# How long to wait for one answer, and for how long to repeat a request that gets none.
ANSWER_SECONDS = 30.0
PATIENCE_SECONDS = 180.0
DATABASE = "airflow.db"
# The account by which tasks write their notes; `cdi_airflow.notes_account` lets it do no more.
NOTES_USER = "cdi-notes"
NOTES_CONNECTION = "cdi_airflow_api"  # by this name the tasks ask for it
AIRFLOW_KEYS = ("fernet_key", "jwt_secret", "secret_key", "admin", NOTES_USER)


def stretch(seconds: float) -> float:
    """How long to wait for what takes so many seconds at most while this machine does little else.

    On a busy machine more processes share each core, and everything takes so many times as long.
    """
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class ServiceError(CdiError):
    """The local Airflow could not be started or asked."""


def _read_or_make_keys() -> dict[str, str]:
    """Airflow's own secrets; they are made on first use, in a file of mode 600."""

    def make_keys() -> str:
        keys = {
            "fernet_key": Fernet.generate_key().decode(),
            "jwt_secret": secrets.token_urlsafe(48),
            "secret_key": secrets.token_urlsafe(48),
            "admin": secrets.token_urlsafe(12),
            NOTES_USER: secrets.token_urlsafe(24),
        }
        return json.dumps(keys)

    file = paths.secrets() / "airflow.json"
    read_or_make_secret(file, make_keys)
    try:
        return read_json(file, AIRFLOW_KEYS)
    except StateError:
        _remove_damaged(file, "new keys are made, and the password of `admin` is another")
        read_or_make_secret(file, make_keys)
        return read_json(file, AIRFLOW_KEYS)


def _remove_damaged(file: Path, consequence: str) -> None:
    """Remove a file that only the local Airflow needs, and say so."""
    file.unlink()
    logging.getLogger(__name__).warning(
        "[STATE-DAMAGED] %s could not be read and was removed: %s.", file, consequence
    )


def read_password() -> str:
    """Read the password of the user `admin`."""
    return _read_or_make_keys()["admin"]


def free_port() -> int:
    """Find a port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def house_environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Give what each process of Airflow is told of this house: where it is, and its settings.

    Args:
        settings: Of Airflow, such as ``core__executor``, beside those that hold everywhere.
    """
    settings = {
        "core__dags_folder": paths.REPO / "dags",
        "core__plugins_folder": paths.REPO / "plugins",
        "core__load_examples": False,
        **settings,
    }
    return {
        "AIRFLOW_HOME": str(paths.home() / "airflow"),
        "GX_ANALYTICS_ENABLED": "false",
        "CDI_HOME": str(paths.home()),
        "CDI_AGENCIES": str(paths.agencies_folder()),
        **{f"AIRFLOW__{name.upper()}": str(value) for name, value in settings.items()},
    }


def airflow_environment(port: int) -> dict[str, str]:
    """Make the environment of all Airflow processes.

    Args:
        port: Port of the API server on 127.0.0.1.
    """
    home = paths.home() / "airflow"
    keys = _read_or_make_keys()
    notes = {
        "conn_type": "http",
        "host": "127.0.0.1",
        "port": port,
        "schema": "http",
        "login": NOTES_USER,
        "password": keys[NOTES_USER],
    }
    settings = {
        # Airflow's default; said here, as a shipped DAG may read a city's portal
        "core__dags_are_paused_at_creation": True,
        "core__executor": "LocalExecutor",
        "core__parallelism": 4,
        "scheduler__scheduler_idle_sleep_time": 0.5,  # Airflow waits a second; each look takes CPU
        "core__fernet_key": keys["fernet_key"],
        "core__execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
        "core__simple_auth_manager_users": f"admin:admin,{NOTES_USER}:user",
        "core__simple_auth_manager_passwords_file": home / "passwords.json",
        "database__sql_alchemy_conn": _connect_to(home),
        "api__base_url": f"http://127.0.0.1:{port}",  # what links in messages begin with
        "api__host": "127.0.0.1",
        "api__port": port,
        "api__workers": 1,
        "api__secret_key": keys["secret_key"],
        "api_auth__jwt_secret": keys["jwt_secret"],
        "dag_processor__refresh_interval": 30,
        # On a busy machine an answer, and to read a DAG file, takes many times as long as usual.
        "workers__execution_api_timeout": 60,
        "core__dagbag_import_timeout": 240,
        "dag_processor__dag_file_processor_timeout": 300,
    }
    # A task is a process of its own. If it may not keep what it compiles, each one compiles Airflow
    # and Great Expectations anew, which takes longer than its work.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **own,
        f"AIRFLOW_CONN_{NOTES_CONNECTION.upper()}": json.dumps(notes),
        **house_environment(settings),
    }


def _airflow_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def prepare_airflow(port: int) -> dict[str, str]:
    """Make Airflow's home, passwords and metadata database.

    Returns:
        The environment for its processes.

    Raises:
        ServiceError: SERVICE-DATABASE if the database cannot be made.
    """
    home = paths.home() / "airflow"
    (home / "logs").mkdir(parents=True, exist_ok=True)
    keys = _read_or_make_keys()
    passwords = home / "passwords.json"
    write_json(passwords, {u: keys[u] for u in ("admin", NOTES_USER)}, mode=0o600)
    env = airflow_environment(port)
    file = home / DATABASE
    if file.exists():
        _migrate_database(env)  # it may be of an earlier Airflow
    else:
        copy = file.with_suffix(".copy")
        shutil.copyfile(_prepare_empty_database(env) / DATABASE, copy)
        copy.rename(file)
    with contextlib.closing(sqlite3.connect(file, timeout=SQLITE_LOCK_SECONDS)) as database:
        # Kept in the file. Without it readers stop the writer: "database is locked" under load.
        database.execute("PRAGMA journal_mode=WAL")
    return env


def _prepare_empty_database(env: Mapping[str, str]) -> Path:
    """Find Airflow's database as it is before anything happened, or make it; gives its folder.

    It follows from Airflow's version alone, so it is made once for all state folders.
    """

    def make(folder: Path) -> Iterable[str]:
        _migrate_database({**env, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _connect_to(folder)})
        return [DATABASE]

    parts = sorted(
        f"{part.name} {part.version}"
        for part in distributions()
        if part.name.startswith("apache-airflow")
    )
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return find_or_make(f"airflow-{name}", make)


def _connect_to(folder: Path) -> str:
    """How Airflow connects to its database in a folder."""
    return f"sqlite:///{folder / DATABASE}?timeout={SQLITE_LOCK_SECONDS}"


def _migrate_database(env: Mapping[str, str]) -> None:
    """Make the database that the environment names, or bring it to this version of Airflow."""
    migration = subprocess.run(
        _airflow_command("db", "migrate"), env=env, capture_output=True, text=True, check=False
    )
    if migration.returncode:
        raise ServiceError(
            "SERVICE-DATABASE",
            f"airflow db migrate failed:\n{migration.stdout[-1500:]}{migration.stderr[-1500:]}",
            f"remove {env['AIRFLOW_HOME']} (it holds no data of yours) and run again",
        )


@contextlib.contextmanager
def own_airflow() -> Iterator[None]:
    """Own the state folder's Airflow alone, and stop what a killed owner left running.

    The lock goes with its process, however that ends. Processes that it starts do not inherit the
    lock, so an Airflow whose owner was killed keeps nobody out.

    Raises:
        ServiceError: SERVICE-BUSY if another process has started an Airflow there.
    """
    home = paths.home() / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("a+") as lock:  # a+ keeps the number of the owner in it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ServiceError(
                "SERVICE-BUSY",
                f"an Airflow of {paths.home()} is running, started by process {lock.read()}",
                "use its UI, end it with Ctrl-C, or name another state folder by CDI_HOME",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        stop_leftovers()
        yield


@contextlib.contextmanager
def run_processes(env: dict[str, str], components: tuple[str, ...]) -> Iterator[Callable[[], None]]:
    """Run Airflow's processes for the length of a `with` block.

    At its end, also by an exception or Ctrl-C, they and their children are stopped. The caller must
    own the state folder's Airflow (`own_airflow`).

    Args:
        env: As `prepare_airflow` gave it.
        components: Which processes.

    Yields:
        A function that raises a ServiceError, SERVICE-ENDED, if one of them runs no more. Without a
        scheduler a run would stay as it is for ever, and nobody would say so.
    """
    home = Path(env["AIRFLOW_HOME"])
    started: list[subprocess.Popen[bytes]] = []

    def demand_all() -> None:
        for component, process in zip(components, started, strict=True):
            # not poll(), which would free its number for another process
            if process.returncode is None and _is_at_work(psutil.Process(process.pid)):
                continue
            raise ServiceError(
                "SERVICE-ENDED",
                f"Airflow's {component} has ended, so nothing goes on",
                "run again; if it ends again, read "
                f"{home / 'logs' / f'{component}.log'}, and find out whether memory ran out",
            )

    try:
        for component in components:
            with (home / "logs" / f"{component}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        _airflow_command(component, *OPTIONS.get(component, ())),
                        env=env,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
            _remember_processes(home, started)
        yield demand_all
    finally:
        # also of one that has ended: its tasks may run on
        _stop_processes([psutil.Process(p.pid) for p in started if p.returncode is None])
        for process in started:
            process.wait()
        (home / "processes.json").unlink(missing_ok=True)


def _remember_processes(home: Path, started: list[subprocess.Popen[bytes]]) -> None:
    """Write down ids and start times of processes, by which a later run knows them again."""
    rows = []
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            rows.append([process.pid, psutil.Process(process.pid).create_time()])
    write_json(home / "processes.json", rows)


def stop_leftovers() -> int:
    """Stop the processes of an earlier run that was killed before it could stop them.

    Returns:
        How many there were.
    """
    file = paths.home() / "airflow" / "processes.json"
    if not file.is_file():
        return 0
    try:
        rows = [(int(pid), float(created)) for pid, created in read_json_list(file)]
    except (StateError, TypeError, ValueError):
        _remove_damaged(file, "if an earlier Airflow still runs, end its processes by hand")
        return 0
    leftovers = []
    for pid, created in rows:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == created:
                leftovers.append(process)
    _stop_processes(leftovers)
    file.unlink()
    return len(leftovers)


def _stop_processes(leaders: list[psutil.Process]) -> None:
    """End processes and all that they started: first ask them to end, then kill what is left.

    A task that is still at work when its supervisor ends may start one more process, for example
    dbt's next one. So what is left is looked up again until there is nothing.
    """
    family = list(leaders)
    for leader in leaders:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += leader.children(recursive=True)
    for leader in leaders:
        with contextlib.suppress(psutil.NoSuchProcess):
            leader.terminate()
    _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    until = time.monotonic() + KILL_SECONDS
    while (alive := _find_members(leaders, alive)) and time.monotonic() < until:
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs(alive, timeout=1)


def _find_members(
    leaders: list[psutil.Process], known: list[psutil.Process]
) -> list[psutil.Process]:
    """The processes that run in the sessions of these leaders, and the known ones that still run.

    Each leader began a session of its own. Who was started there stays in it when its parent ends,
    although it is then no longer a descendant of the leader.
    """
    sessions = {leader.pid for leader in leaders}
    members = set(known)
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) in sessions:
                members.add(process)
    return [process for process in members if _is_at_work(process)]


def _is_at_work(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended and waits to be asked for its end does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


class Client:
    """Airflow's public REST API, as the user `admin`."""

    def __init__(
        self,
        port: int,
        env: dict[str, str],
        answer_seconds: float = ANSWER_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        demand_processes: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare a client; it sends no request before `wait_until_healthy`.

        Args:
            port: Of the API server on 127.0.0.1.
            env: Environment of Airflow's processes, for its command line.
            answer_seconds: How long to wait for one answer.
            patience_seconds: For how long to repeat a request that gets no answer.
            demand_processes: Raises an error if a process of this Airflow has ended; it is called
                before each request.
        """
        self.demand_processes = demand_processes
        self.env = env
        self.url = f"http://127.0.0.1:{port}"
        self._patience_seconds = patience_seconds
        self._http = httpx.Client(base_url=self.url, timeout=answer_seconds)

    def wait_until_healthy(self) -> None:
        """Wait for the scheduler and the DAG processor, then log in.

        Raises:
            ServiceError: SERVICE-START after two minutes, or more on a busy machine; SERVICE-API if
                the log-in fails.
        """
        began = time.monotonic()
        while time.monotonic() - began < stretch(START_SECONDS):
            self.demand_processes()
            # ValueError: what answers is no JSON, so it is not Airflow yet.
            with contextlib.suppress(httpx.HTTPError, ValueError):
                health = self._http.get("/api/v2/monitor/health").json()
                parts = ("metadatabase", "scheduler", "dag_processor")
                if all(health[part]["status"] == "healthy" for part in parts):
                    break
            time.sleep(0.5)
        else:
            logs = paths.home() / "airflow" / "logs"
            raise ServiceError(
                "SERVICE-START",
                f"Airflow did not become healthy within {time.monotonic() - began:.0f} seconds",
                f"run again when the machine is less busy; if it fails again, read {logs}",
            )
        self._log_in()

    def _log_in(self) -> None:
        body = {"username": "admin", "password": read_password()}
        token = self._read_json(self._send_request("POST", "/auth/token", json=body))[
            "access_token"
        ]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def _send_request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request, and repeat it while the machine is too busy to answer it.

        A request may have had its effect although its answer never came. So only requests that do
        no harm when they are made twice may be sent here.
        """

        def has_failed_in_passing(answer: httpx.Response) -> bool:
            return answer.is_server_error  # for example "database is locked"

        ask_until_answered = tenacity.Retrying(
            before=lambda _: self.demand_processes(),
            retry=tenacity.retry_if_exception_type(httpx.TransportError)
            | tenacity.retry_if_result(has_failed_in_passing),
            wait=tenacity.wait_exponential(multiplier=0.1, max=5),
            stop=lambda state: (state.seconds_since_start or 0) >= stretch(self._patience_seconds),
            # At last the last answer is returned, or the last error raised, as if it were the only.
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        try:
            answer: httpx.Response = ask_until_answered(self._http.request, method, path, **options)
        except httpx.HTTPError as error:
            raise ServiceError(
                "SERVICE-API",
                f"{method} {path} got no answer from Airflow: {type(error).__name__} ({error})",
                "run again when the machine is less busy; if it fails again, read "
                f"{self._server_log()}",
            ) from error
        return answer

    def _read_json(self, answer: httpx.Response) -> Any:
        asked = f"{answer.request.method} {answer.request.url.path}"
        if answer.is_error:
            raise ServiceError(
                "SERVICE-API",
                f"{asked} answered {answer.status_code}: {answer.text[:500]}",
                f"read {self._server_log()}",
            )
        try:
            return answer.json()
        except ValueError as error:
            raise ServiceError(
                "SERVICE-API",
                f"{asked} answered something that is not JSON: {answer.text[:500]}",
                f"see whether another program answers at {self.url}, and read {self._server_log()}",
            ) from error

    def _server_log(self) -> Path:
        return paths.home() / "airflow" / "logs" / "api-server.log"

    def _call_api(self, method: str, path: str, **options: Any) -> Any:
        return self._read_json(self._send_request(method, f"/api/v2{path}", **options))

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run, as soon as it has been parsed.

        Raises:
            ServiceError: SERVICE-DAG if it does not appear within two minutes, or more on a busy
                machine; SERVICE-API if Airflow does not answer or refuses.
        """
        began = time.monotonic()
        while time.monotonic() - began < stretch(START_SECONDS):
            answer = self._send_request(
                "PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False}
            )
            if answer.status_code != HTTPStatus.NOT_FOUND:
                self._read_json(answer)
                return
            time.sleep(0.5)
        raise ServiceError(
            "SERVICE-DAG", f"Airflow knows no DAG {dag_id}", "look for import errors in the UI"
        )

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run, and give its id.

        Raises:
            ServiceError: SERVICE-API if Airflow does not answer or refuses.
        """
        # The id is chosen here, in Airflow's own form. Airflow takes an id only once, so a request
        # that is repeated because its answer was lost starts no second run.
        run_id = f"manual__{datetime.now(UTC).isoformat()}_{secrets.token_hex(4)}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        answer = self._send_request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        if answer.status_code != HTTPStatus.CONFLICT:  # else it began at an earlier attempt
            self._read_json(answer)
        return run_id

    def runs(self, dag_id: str) -> dict[str, str]:
        """Read the states of a DAG's newest runs, by run id.

        Airflow gives 100 runs at most, and the oldest first unless an order is asked for.

        Raises:
            ServiceError: SERVICE-API if Airflow does not answer or refuses.
        """
        newest = {"limit": 100, "order_by": "-run_after"}
        answer = self._call_api("GET", f"/dags/{dag_id}/dagRuns", params=newest)
        return {run["dag_run_id"]: run["state"] for run in answer["dag_runs"]}

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Read the task instances of a run: task_id, state, duration (in seconds), note.

        Raises:
            ServiceError: SERVICE-API if Airflow does not answer or refuses.
        """
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return list(self._call_api("GET", path)["task_instances"])


@contextlib.contextmanager
def open_airflow(components: tuple[str, ...], dag_ids: tuple[str, ...] = ()) -> Iterator[Client]:
    """Keep a healthy local Airflow up for the length of a `with` block.

    Args:
        components: `RUN_COMPONENTS` or `UI_COMPONENTS`.
        dag_ids: DAGs to unpause; the others stay as they are.

    Yields:
        A client, logged in.

    Raises:
        ServiceError: If another Airflow of the state folder runs, the database cannot be made, or
            a component or DAG does not come up.
    """
    with own_airflow():
        port = free_port()
        env = prepare_airflow(port)
        with run_processes(env, components) as demand_processes:
            client = Client(port, env, demand_processes=demand_processes)
            client.wait_until_healthy()
            for dag_id in dag_ids:
                client.unpause(dag_id)
            yield client
