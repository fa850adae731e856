"""The server deployment, as far as it can be tried without a Docker engine.

What runs here is taken from docker-compose.yaml and the Dockerfile themselves: each service's
environment, secrets, command and healthcheck, as plain processes against a real PostgreSQL. Names
of hosts, ports, and the folders of the image and of its secrets are replaced; nothing else is.
"""

import base64
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cdi.local.run import default_interval
from tests.conftest import SAMPLE, load_sample

REPO = Path(__file__).resolve().parents[2]
COMPOSE_FILE = REPO / "docker-compose.yaml"
DOCKERFILE = REPO / "Dockerfile"
AIRFLOW_SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")
# what the profile `centre` adds, and the worker of a force, which the profile `edge` is
SECOND, WORKER = "scheduler-2", "edge-worker"
DESK = "desk"  # what the profile of this name adds
PROFILES = ("centre", "edge", DESK)
CENTRE = {
    "CDI_EDGE": "True",
    "CDI_QUEUE": "north",
    "CDI_CENTRE": "http://127.0.0.1:8080/",
    "CDI_DESK_URL": "https://desk.example.org/desk",
    "CDI_DESK_OIDC_ISSUER": "https://log-in.example.org",
    "CDI_DESK_OIDC_CLIENT_ID": "desk",
}
SERVER = REPO / ".venv-server" / "bin"  # what the image has; `make test-slow` makes it
SEARCH_PATH = os.pathsep.join(
    [
        str(SERVER),
        str(Path(sys.executable).parent),
        os.environ["PATH"],
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
)
PATIENCE = 300.0  # seconds; other work may run on the machine


def tool(name: str, package: str) -> str:
    """Path of a program; without it the test is skipped."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found:
        return found
    pytest.skip(f"{name} is not installed (Debian package {package})")


def wait_for(what: str, check: Callable[[], Any]) -> Any:
    """Repeat a check until its answer is true."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < until, f"waited {PATIENCE:.0f} s in vain for {what}"
        time.sleep(1)


# ------------------------------------------------------------------ secrets and configuration


def write_secrets(output: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, REPO / "scripts" / "write_secrets.py", "--output", output]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read_secrets(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


def compose_config(
    secrets_folder: Path, *options: str, profiles: tuple[str, ...] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """`docker-compose config` with one folder of secrets, some profiles and settings alone."""
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    return subprocess.run(
        [tool("docker-compose", "docker-compose"), "--env-file", os.devnull,
         *chosen, "config", *options],
        env={"PATH": SEARCH_PATH, "COMPOSE_FILE": str(COMPOSE_FILE),
             "CDI_SECRETS": str(secrets_folder), **settings},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def secrets_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    done = write_secrets(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def configuration(secrets_folder: Path) -> dict[str, Any]:
    """The file as docker-compose understands it: anchors merged, variables filled in."""
    done = compose_config(secrets_folder, "--format", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def centre(secrets_folder: Path) -> dict[str, Any]:
    """The file with all profiles: a centre, the worker of a force, and the desk alone."""
    done = compose_config(secrets_folder, "--format", "json", profiles=PROFILES, **CENTRE)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def services(configuration: dict[str, Any]) -> dict[str, Any]:
    return dict(configuration["services"])


def test_write_secrets_makes_strong_secrets_for_its_owner_alone(secrets_folder: Path) -> None:
    assert stat.S_IMODE(secrets_folder.stat().st_mode) == 0o700
    # in a container the user of the image reads them, whose number is not the owner's
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets_folder.iterdir()} == {0o644}
    values = read_secrets(secrets_folder)
    assert len(set(values.values())) == len(values)
    assert all(re.fullmatch(r"[\w=-]{40,}", value) for value in values.values())
    assert len(base64.urlsafe_b64decode(values["fernet_key"])) == 32


def test_write_secrets_adds_what_is_missing_and_overwrites_nothing(
    tmp_path: Path, secrets_folder: Path
) -> None:
    folder = tmp_path / "secrets"
    shutil.copytree(secrets_folder, folder)
    (folder / "postgres_password").write_text("mine", encoding="utf-8")
    (folder / "desk_client_secret").unlink()  # as if made before there was one
    folder.chmod(0o755)  # made by hand, or unpacked
    before = read_secrets(folder)
    done = write_secrets(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"written to {folder}: desk_client_secret.")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    after = read_secrets(folder)
    assert after == {**before, "desk_client_secret": after["desk_client_secret"]}
    assert stat.S_IMODE((folder / "desk_client_secret").stat().st_mode) == 0o644
    done = write_secrets(folder)
    assert done.returncode == 1
    assert "has all secrets and was left as it is" in done.stderr
    assert read_secrets(folder) == after


def test_write_secrets_makes_the_folders_above_too(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "cdi" / "secrets"
    done = write_secrets(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "fernet_key" in read_secrets(folder)


def test_the_example_sets_nothing() -> None:
    lines = (REPO / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_configuration_is_valid(secrets_folder: Path) -> None:
    for profiles in ((), *((profile,) for profile in PROFILES)):
        done = compose_config(secrets_folder, "-q", profiles=profiles)
        assert (done.returncode, done.stderr) == (0, "")


def test_settings_of_ones_own_are_added_as_the_page_says(secrets_folder: Path) -> None:
    page = (REPO / "docs" / "server.md").read_text(encoding="utf-8")
    (own,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    override = secrets_folder.parent / "docker-compose.override.yaml"
    override.write_text(own, encoding="utf-8")
    done = compose_config(
        secrets_folder,
        "--format",
        "json",
        profiles=(DESK,),
        COMPOSE_FILE=f"{COMPOSE_FILE}{os.pathsep}{override}",
    )
    assert (done.returncode, done.stderr) == (0, "")
    services = json.loads(done.stdout)["services"]
    for name, variable in (("desk", "SSL_CERT_FILE"),
                           ("scheduler", "AWS_SHARED_CREDENTIALS_FILE")):  # fmt: skip
        environment = services[name]["environment"]
        assert environment["CDI_HOME"] == "/opt/cdi/var"  # what was there stays
        mounts = {mount["target"]: mount for mount in services[name]["volumes"]}
        assert mounts["/run/own"]["read_only"]
        assert environment[variable].startswith("/run/own/")
        assert "/opt/cdi/var" in mounts


def test_a_profile_adds_services_and_changes_none(
    configuration: dict[str, Any], centre: dict[str, Any]
) -> None:
    alone, whole = configuration["services"], centre["services"]
    assert whole.keys() - alone.keys() == {SECOND, WORKER, DESK}
    assert whole[SECOND] == whole["scheduler"] | {"profiles": ["centre"]}
    for name in alone:
        before, after = (each[name].get("environment", {}) for each in (alone, whole))
        changed = {key for key in before if before[key] != after[key]}
        assert before.keys() == after.keys()
        assert changed == ({
            "AIRFLOW__CORE__EXECUTOR",
            "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS",
            "AIRFLOW__EDGE__API_ENABLED",
        } if name != "postgres" else set())  # fmt: skip


def test_the_page_of_islands_says_what_a_centre_is_set_to(centre: dict[str, Any]) -> None:
    page = (REPO / "docs" / "islands.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(AIRFLOW__[A-Z_]+)` \| `([^`]+)` \|$", page, re.M))
    assert len(rows) == 7
    given = centre["services"]["scheduler"]["environment"]
    assert rows == {name: given[name] for name in rows}
    address = "| `AIRFLOW__EDGE__API_URL` | the centre's address and `/edge_worker/v1/rpcapi` |"
    assert address in page
    assert given["AIRFLOW__EDGE__API_URL"] == "http://127.0.0.1:8080/edge_worker/v1/rpcapi"


def test_the_worker_of_a_force_has_nothing_of_the_centre(centre: dict[str, Any]) -> None:
    worker = centre["services"][WORKER]
    assert worker.keys().isdisjoint({"secrets", "ports", "depends_on"})
    assert {name for name in worker["environment"] if name.startswith("AIRFLOW")} == set()
    # SIGTERM would end the tasks that it has
    assert (worker["stop_signal"], worker["stop_grace_period"]) == ("SIGINT", "15m0s")


def test_services_are_confined(centre: dict[str, Any]) -> None:
    services = centre["services"]
    assert set(services) == {"postgres", "init", *AIRFLOW_SERVICES, SECOND, WORKER, DESK}
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "healthcheck" in service or name == "init", name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["tmpfs"], name
        assert all("size=" in folder for folder in service["tmpfs"]), name
        hosts = [port["host_ip"] for port in service.get("ports", [])]
        assert hosts == (["127.0.0.1"] if name in ("api-server", DESK) else []), name
        if name != "postgres":
            assert service["read_only"], name
            assert "cap_add" not in service, name
            mounts = {m["target"]: m.get("read_only", False) for m in service["volumes"]}
            assert mounts == {
                "/opt/cdi/var": False, "/opt/cdi/agencies": True, "/opt/cdi/sources": True,
            }  # fmt: skip


def test_secrets_go_only_where_they_are_used(centre: dict[str, Any], secrets_folder: Path) -> None:
    files = {name: secret["file"] for name, secret in centre["secrets"].items()}
    assert files == {file.name: str(file) for file in secrets_folder.iterdir()}
    having: dict[str, set[str]] = {}
    for service, content in centre["services"].items():
        for secret in content.get("secrets", []):
            assert secret["target"] == f"/run/secrets/{secret['source']}"
            having.setdefault(secret["source"], set()).add(service)
    assert having == {
        "postgres_password": {"postgres", "init", *AIRFLOW_SERVICES, SECOND},
        "fernet_key": {"init", "api-server", "dag-processor", "triggerer"},
        "jwt_secret": {"api-server", "scheduler", SECOND},
        "api_secret_key": {"init", "api-server", "scheduler", "triggerer", SECOND},
        "admin_password": {"init"},
        "desk_client_secret": {DESK},
    }


def test_no_environment_holds_a_secret(centre: dict[str, Any]) -> None:
    """A variable that sounds secret tells where a file is."""
    secret = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|CONN")
    for name, service in centre["services"].items():
        for variable, value in service["environment"].items():
            if secret.search(variable):
                assert re.search(r"_(FILE|CMD)$", variable), f"{name}: {variable}"
                assert "/run/secrets/" in value, f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:(?!%s@)[^/@]*@", value), f"{name}: {variable}"


@pytest.mark.parametrize(
    ("content", "code", "output"),
    [("abc", 0, "<abc>"), ("abc\n", 0, "<abc>"), ("", 1, ""), ("\n", 1, ""), (None, 1, "")],
    ids=["written", "edited", "empty", "blank", "missing"],
)
def test_a_secret_is_read_whole_or_refused(
    content: str | None, code: int, output: str, tmp_path: Path
) -> None:
    file = tmp_path / "fernet_key"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    done = subprocess.run(
        ["sh", REPO / "scripts" / "read_secret.sh", file, "<%s>"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, output)
    assert bool(done.stderr) == bool(code)
    assert str(file) in done.stderr or not code


def test_services_start_in_order(services: dict[str, Any]) -> None:
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    after_init = {"init": "service_completed_successfully"}
    assert waits == {
        "postgres": {},
        "init": {"postgres": "service_healthy"},
        "api-server": after_init,
        "dag-processor": after_init,
        "triggerer": after_init,
        "scheduler": after_init | {"api-server": "service_healthy"},
    }


# ------------------------------------------------------------------ the image


def dockerfile() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def image_environment() -> dict[str, str]:
    """What the Dockerfile's ENV gives every process."""
    pairs = [pair for name, rest in dockerfile() if name == "ENV" for pair in rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def test_image_base_is_pinned() -> None:
    bases = [rest for name, rest in dockerfile() if name == "FROM"]
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.12\.\d+-slim-\w+", bases[0])


def test_image_copies_what_is_there_and_nothing_private() -> None:
    copies = [rest.split() for name, rest in dockerfile() if name == "COPY"]
    sources = [source for *some, _ in copies for source in some]
    for source in sources:
        assert (REPO / source).exists(), source
    allowed = (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in allowed if not line.startswith("#")) == "*"
    assert {line[1:] for line in allowed if line.startswith("!")} == set(sources)
    for *some, target in copies:
        assert [target] == [f"/opt/cdi/{source}" for source in some]


def test_image_installs_only_what_is_locked_by_hash() -> None:
    locked, own = [rest for name, rest in dockerfile() if name == "RUN" and "pip install" in rest]
    for option in ("--no-deps", "--require-hashes", "-r /opt/cdi/requirements/server.txt"):
        assert option in locked
    # the project itself fetches nothing: neither what it needs nor what builds it
    for option in ("--no-index", "--no-deps", "--no-build-isolation", "--editable /opt/cdi"):
        assert option in own
    text = (REPO / "requirements" / "server.txt").read_text(encoding="utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    requirements = text.replace("\\\n", " ").splitlines()
    assert len(requirements) > 100
    for requirement in filter(str.strip, requirements):
        assert re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", requirement), requirement


def test_image_ends_as_the_user_that_owns_the_state() -> None:
    users = [rest for name, rest in dockerfile() if name == "USER"]
    assert users == ["50000:50000"]
    made = " ".join(rest for name, rest in dockerfile() if name == "RUN")
    assert "useradd --uid 50000" in made
    assert "--owner=airflow --group=airflow --mode=750 /opt/cdi/var" in made


# ------------------------------------------------------------------ the services as processes


class Stage:
    """Runs services of docker-compose.yaml as processes in one scratch folder."""

    def __init__(self, configuration: dict[str, Any], folder: Path) -> None:
        """Choose folders and ports, and give each service the files of its secrets alone.

        Args:
            configuration: As docker-compose understands it.
            folder: An empty folder that anybody may enter.
        """
        self.services = configuration["services"]
        self.folder = folder
        names = ("api", "postgres", "worker_log", "trigger_log", "desk")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "force", "tmp", "agencies"):
            (folder / name).mkdir()
        for registry in (REPO / "agencies", SAMPLE.parent):
            shutil.copytree(registry, folder / "agencies", dirs_exist_ok=True)
        for name, service in self.services.items():
            self.secrets_of(name).mkdir(parents=True)
            for secret in service.get("secrets", []):
                source = configuration["secrets"][secret["source"]]["file"]
                shutil.copy(source, self.secrets_of(name) / Path(secret["target"]).name)

    def secrets_of(self, name: str) -> Path:
        """The folder that stands for /run/secrets in a service's container."""
        return self.folder / "secrets" / name

    def localize(self, text: str, name: str) -> str:
        """Replace host names, ports, the image's folders and that of the service's secrets."""
        ports = self.ports
        api = f"127.0.0.1:{ports['api']}"
        text = re.sub(r"^/tmp\b", str(self.folder / "tmp"), text)
        for old, new in (
            ("http://api-server:8080/", f"http://{api}/"),
            ("http://127.0.0.1:8080/", f"http://{api}/"),
            ("http://127.0.0.1:8090/", f"http://127.0.0.1:{ports['desk']}/"),
            ("@postgres:5432/", f"@127.0.0.1:{ports['postgres']}/"),
            ("/run/secrets/", f"{self.secrets_of(name)}/"),
            # a force has a state of its own
            ("/opt/cdi/var", str(self.folder / ("force" if name == WORKER else "state"))),
            ("/opt/cdi/agencies", str(self.folder / "agencies")),
            ("/opt/cdi/", f"{REPO}/"),
        ):
            text = text.replace(old, new)
        text = {"0.0.0.0": "127.0.0.1", "8090": str(ports["desk"])}.get(text, text)  # noqa: S104
        assert not re.search(r"//api-server|@postgres|/opt/cdi|/run/secrets", text), text
        return text

    def environment(self, name: str) -> dict[str, str]:
        """A service's whole environment: nothing of this process's but the PATH."""
        given = image_environment() if "build" in self.services[name] else {}
        given |= self.services[name]["environment"]
        env = {key: self.localize(value, name) for key, value in given.items()}
        for key, value in {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": self.ports["api"],
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": self.ports["worker_log"],
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": self.ports["trigger_log"],
        }.items():
            if name not in ("postgres", WORKER, DESK):
                assert key in env, f"{name} does not set {key}"
                env[key] = str(value)
        return env | {"PATH": SEARCH_PATH, "PGPORT": str(self.ports["postgres"])}

    def _popen(self, name: str, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        with self.log(name).open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, **options,
            )  # fmt: skip

    def log(self, name: str) -> Path:
        """Log of one service."""
        return self.folder / f"{name}.log"

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a service by its own command."""
        command = [self.localize(part, name) for part in self.services[name]["command"]]
        process = self._popen(name, command, env=self.environment(name))
        self.started[name] = process
        return process

    def start_postgres(self) -> None:
        """Make a data folder as the image's entrypoint does, and start the server in it."""
        env = self.environment("postgres")
        home = self.folder / "postgres"
        home.mkdir()
        password = home / "password"
        password.write_text(Path(env["POSTGRES_PASSWORD_FILE"]).read_text(), encoding="utf-8")
        server: dict[str, Any] = {"env": {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8"}}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(home, "nobody")
            shutil.chown(password, "nobody")
            server |= {"user": "nobody", "extra_groups": []}
        subprocess.run(
            [tool("initdb", "postgresql"), "-D", home / "data", "-U", env["POSTGRES_USER"],
             "--auth=scram-sha-256", f"--pwfile={password}"],
            check=True, capture_output=True, cwd=self.folder, **server,
        )  # fmt: skip
        self.started["postgres"] = self._popen(
            "postgres",
            [tool("postgres", "postgresql"), "-D", str(home / "data"), "-k", str(home),
             "-h", "127.0.0.1", "-p", str(self.ports["postgres"])],
            **server,
        )  # fmt: skip
        self.wait_until_healthy("postgres")
        subprocess.run(
            [tool("createdb", "postgresql"), "-h", "127.0.0.1", "-U", env["POSTGRES_USER"],
             env["POSTGRES_DB"]],
            env=env | {"PGPASSWORD": password.read_text()}, check=True, capture_output=True,
        )  # fmt: skip

    def is_healthy(self, name: str) -> bool:
        """The answer of a service's own healthcheck."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            [self.localize(part, name) for part in command], env=self.environment(name),
            capture_output=True, cwd=self.folder, check=False, timeout=300,
        )  # fmt: skip
        return done.returncode == 0

    def cdi(self, name: str, *arguments: str, told: str = "") -> str:
        """Run `cdi` in a service's environment; returns what it printed."""
        done = subprocess.run(
            ["cdi", *arguments], env=self.environment(name), cwd=self.folder, input=told,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def notes_connection(self) -> dict[str, Any]:
        """The tasks' connection."""
        return dict(self.connections()["cdi_airflow_api"])

    def connections(self) -> dict[str, Any]:
        """All connections, as a service that has the Fernet key decrypts them."""
        file = self.folder / "connections.json"
        subprocess.run(
            ["airflow", "connections", "export", str(file)], env=self.environment("dag-processor"),
            check=True, capture_output=True, cwd=self.folder,
        )  # fmt: skip
        return dict(json.loads(file.read_text(encoding="utf-8")))

    def wait_until_healthy(self, name: str) -> None:
        """Wait for a service's own healthcheck."""

        def check() -> bool:
            ended = self.started[name].poll()
            assert ended is None, f"{name} ended with {ended}:\n{self.tail(name)}"
            return self.is_healthy(name)

        wait_for(f"{name} to be healthy", check)

    def tail(self, name: str) -> str:
        """The end of a service's log."""
        return self.log(name).read_text(encoding="utf-8", errors="replace")[-3000:]

    def stop(self) -> list[psutil.Process]:
        """Stop everything, the database last.

        Returns:
            Processes that are still there.
        """
        family = []
        for process in self.started.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                family += psutil.Process(process.pid).children(recursive=True)
        for name in reversed(self.started):
            process = self.started[name]
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=300)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _, left = psutil.wait_procs(family, timeout=10)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return left


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def stage(centre: dict[str, Any]) -> Iterator[Stage]:
    """A centre with a force: what they have beyond a server alone is tried in the same run."""
    if not (SERVER / "airflow").is_file():
        pytest.skip("what the image has is not installed: make .venv-server/server.stamp")
    folder = Path(tempfile.mkdtemp(prefix="cdi-compose-"))
    folder.chmod(0o755)
    made = Stage(centre, folder)
    try:
        yield made
    finally:
        left = made.stop()
        shutil.rmtree(folder)
    assert not left, f"still running: {left}"
    assert not any(is_listening(port) for port in made.ports.values())


@contextlib.contextmanager
def logged_in(stage: Stage, user: str, password: str) -> Iterator[httpx.Client]:
    """A client of Airflow's API."""
    with httpx.Client(base_url=f"http://127.0.0.1:{stage.ports['api']}", timeout=300) as client:
        answer = client.post("/auth/token", json={"username": user, "password": password})
        answer.raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def get(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(f"/api/v2{path}")
    answer.raise_for_status()
    return dict(answer.json())


def test_services_run_as_processes(stage: Stage, secrets_folder: Path) -> None:
    stage.start_postgres()
    assert stage.start("init").wait(timeout=PATIENCE) == 0, stage.tail("init")
    for name in (*AIRFLOW_SERVICES, WORKER, DESK):
        assert not stage.is_healthy(name), f"{name} is called healthy, and does not run"
    for name in ("api-server", DESK):
        stage.start(name)
        stage.wait_until_healthy(name)
    stage.cdi("scheduler", "edge", "trust", told=stage.cdi(WORKER, "edge", "key", "north"))
    for name in (*AIRFLOW_SERVICES[1:], SECOND, WORKER):
        stage.start(name)
    for name in (*AIRFLOW_SERVICES[1:], WORKER):
        stage.wait_until_healthy(name)

    secrets = read_secrets(secrets_folder)
    notes = stage.notes_connection()
    for wrong in ("admin", "", notes["password"]):
        with pytest.raises(httpx.HTTPStatusError, match=r"40[01]"):  # noqa: SIM117
            with logged_in(stage, "admin", wrong):
                pass
    with logged_in(stage, "admin", secrets["admin_password"]) as client:
        wait_for("the DAGs", lambda: get(client, "/dags")["total_entries"] >= 2)
        errors = get(client, "/importErrors")
        assert errors["total_entries"] == 0, errors
        wait_for("the worker of the force", lambda: workers_of(client) == [("north", "idle")])
        alive = "/jobs?job_type=SchedulerJob&is_alive=true"
        wait_for("both schedulers", lambda: get(client, alive)["total_entries"] == 2)
        run_the_sample(client)
        assert (stage.folder / "state" / "published" / "sample" / "current").is_dir()
        pages_follow_roles(stage, client)
    with logged_in(stage, notes["login"], notes["password"]) as client:
        assert client.get("/api/v2/connections").status_code == 403
        # its role would let it, as Airflow has none for notes alone
        paused = client.patch("/api/v2/dags/sample__build", json={"is_paused": True})
        assert (paused.status_code, paused.text[:9]) == (403, "cdi-notes")
        assert client.get("/auth/fab/v1/users").status_code == 403
    # a second `up`: admin stays as it is, and the tasks' password is a new one
    assert stage.start("init").wait(timeout=PATIENCE) == 0, stage.tail("init")
    with logged_in(stage, "admin", secrets["admin_password"]):
        pass
    renewed = stage.notes_connection()
    assert renewed["password"] != notes["password"]
    with logged_in(stage, renewed["login"], renewed["password"]):
        pass


def test_a_server_is_set_up_as_the_page_says(stage: Stage, secrets_folder: Path) -> None:
    stage.start_postgres()
    assert stage.start("init").wait(timeout=PATIENCE) == 0, stage.tail("init")
    connections_keep_their_types(stage)
    stage.start("api-server")
    stage.wait_until_healthy("api-server")
    log_in_stays_at_https(stage, read_secrets(secrets_folder)["admin_password"])


def connections_keep_their_types(stage: Stage) -> None:
    """Each command of the page that adds a connection, in the service that it names."""
    page = (REPO / "docs" / "server.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if " airflow connections add " in line]
    for line in lines:
        docker, compose, execute, service, *command = shlex.split(line)
        assert (docker, compose, execute) == ("docker", "compose", "exec")
        subprocess.run(
            command, env=stage.environment(service), check=True, capture_output=True,
            cwd=stage.folder,
        )  # fmt: skip
    stored = stage.connections()
    assert {name: stored[name]["conn_type"] for name in stored if name != "cdi_airflow_api"} == {
        "cdi_notify": "https", "control_room": "mssql", "desk_mail": "smtp", "desk_chat": "https",
    }  # fmt: skip
    mail = stored["desk_mail"]
    assert (mail["host"], mail["port"], mail["login"]) == ("mail.example.org", 587, "cdi")
    assert json.loads(mail["extra"]) == {"disable_ssl": True, "from_email": "cdi@example.org"}


def log_in_stays_at_https(stage: Stage, password: str) -> None:
    """A browser behind the proxy of docs/islands.md opens the desk and logs in."""
    server = f"http://127.0.0.1:{stage.ports['api']}"
    by_proxy = {"Host": "airflow.example.org", "X-Forwarded-Proto": "https"}
    desk = "https://airflow.example.org/cdi/desk/"
    with httpx.Client(base_url=server, headers=by_proxy, timeout=300) as client:
        page = client.get("/auth/login/", params={"next": desk})
        assert page.status_code == 200, page.text
        (token,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        cookies = [cookie.partition(";")[0] for cookie in page.headers.get_list("set-cookie")]
        answer = client.post(
            "/auth/login/",
            params={"next": desk},
            data={"username": "admin", "password": password, "csrf_token": token},
            headers={"Cookie": "; ".join(cookies), "Referer": desk},
        )
        assert answer.headers["location"].startswith("https://"), answer.headers["location"]
        (session,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith("_token=")]
        assert "; Secure" in session
        led = client.get("/cdi/desk/", headers={"Cookie": ""})
        assert httpx.URL(led.headers["location"]).params["next"] == desk


def workers_of(client: httpx.Client) -> list[tuple[str, str]]:
    """The workers that the centre knows: the queue that each works for, and what it does."""
    answer = client.get("/edge_worker/ui/worker")
    answer.raise_for_status()
    return [(",".join(worker["queues"]), worker["state"]) for worker in answer.json()["workers"]]


def pages_follow_roles(stage: Stage, admin: httpx.Client) -> None:
    """The published pages: a viewer sees the open parts, who may start runs the restricted ones."""
    (worklist,) = (stage.folder / "state" / "published" / "sample" / "versions").iterdir()
    (worklist / "worklist").mkdir(exist_ok=True)
    (worklist / "worklist" / "index.html").write_text("<!doctype html>", encoding="utf-8")
    expected = {"Viewer": (200, 403), "User": (200, 200)}
    for role, codes in expected.items():
        body = {
            "username": role, "first_name": role, "last_name": role, "roles": [{"name": role}],
            "email": f"{role}@example.org", "password": f"{role}-of-a-test",
        }  # fmt: skip
        admin.post("/auth/fab/v1/users", json=body).raise_for_status()
        with logged_in(stage, role, f"{role}-of-a-test") as client:
            paths = ("report.html", "worklist/index.html")
            assert codes == tuple(client.get(f"/cdi/sample/{p}").status_code for p in paths)
    log = stage.folder / "state" / "access" / "sample.jsonl"
    assert [json.loads(line)["who"] for line in log.read_text().splitlines()] == ["User"]
    assert admin.get("/cdi/sample/report.html", headers={"Authorization": ""}).status_code == 401


def run_the_sample(client: httpx.Client) -> None:
    """Both DAGs of the sample run to their end, and a task's note arrives in the API."""
    for dag in ("extract", "build"):
        answer = client.patch(f"/api/v2/dags/sample__{dag}", json={"is_paused": False})
        answer.raise_for_status()
    interval = default_interval(load_sample())
    conf = {
        "interval_start": interval.start.isoformat(),
        "interval_end": interval.end.isoformat(),
    }
    runs = "/dags/sample__extract/dagRuns"
    answer = client.post(f"/api/v2{runs}", json={"logical_date": None, "conf": conf})
    answer.raise_for_status()
    run = answer.json()["dag_run_id"]
    wait_for_success(client, f"{runs}/{run}")
    task = get(client, f"{runs}/{run}/taskInstances/calls.extract")
    assert "rows read" in task["note"]

    def built() -> list[dict[str, Any]]:
        return list(get(client, "/dags/sample__build/dagRuns")["dag_runs"])

    started = wait_for("the build to be started by what was landed", built)
    wait_for_success(client, f"/dags/sample__build/dagRuns/{started[0]['dag_run_id']}")


def wait_for_success(client: httpx.Client, run: str) -> None:
    """Wait for a run to end; if it fails, tell its tasks' notes."""
    wait_for(f"{run} to end", lambda: get(client, run)["state"] in ("success", "failed"))
    tasks = get(client, f"{run}/taskInstances")["task_instances"]
    told = [f"{task['task_id']} {task['state']}: {task['note']}" for task in tasks]
    assert get(client, run)["state"] == "success", "\n".join(told)
