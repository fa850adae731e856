"""The keys of the workers of forces: made at home, trusted by the centre, taken off its list."""

import json
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cdi.errors import CdiError
from cdi.local.edge import connections_file, worker_command, worker_environment
from cdi.local.edge_keys import (
    distrust_key,
    is_trusted,
    key_file,
    read_or_make_key,
    read_trusted,
    trust_key,
    trusted_file,
)


def test_what_the_private_half_signs_the_public_half_verifies(state: Path) -> None:
    public = read_or_make_key("north")
    assert read_or_make_key("north") == public
    assert key_file("north").stat().st_mode & 0o777 == 0o600
    private = load_pem_private_key(key_file("north").read_bytes(), password=None)
    token = jwt.encode({"sub": "north"}, private, algorithm="EdDSA")  # type: ignore[arg-type]
    assert jwt.decode(token, jwt.PyJWK(public).key, algorithms=["EdDSA"]) == {"sub": "north"}
    other = jwt.PyJWK(read_or_make_key("south")).key
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, other, algorithms=["EdDSA"])


def test_a_key_is_trusted_until_it_is_taken_off_the_list(state: Path) -> None:
    assert not is_trusted("north")
    key = json.dumps(read_or_make_key("north"))
    assert trust_key(key) == trust_key(key) == "north"
    trust_key(json.dumps(read_or_make_key("south")))
    assert [is_trusted(queue) for queue in ("north", "south", "west")] == [True, True, False]
    assert jwt.PyJWKSet.from_dict(json.loads(trusted_file().read_text()))["north"].key_id == "north"
    assert distrust_key("north")
    assert not distrust_key("north")
    assert [key["kid"] for key in read_trusted()] == ["south"]


def test_no_second_key_takes_a_queue_over(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust_key(json.dumps(read_or_make_key("north")))
    key_file("north").unlink()
    with pytest.raises(CdiError, match="another key is trusted"):
        trust_key(json.dumps(read_or_make_key("north")))


@pytest.mark.parametrize(
    "change",
    [
        {"kid": "../north"},
        {"kty": "RSA"},
        {"x": "short"},
        {"x": None},
        {"crv": "X25519"},
    ],
)
def test_what_is_no_such_key_is_refused(state: Path, change: dict[str, str | None]) -> None:
    key = {**read_or_make_key("north"), **change}
    for text in (json.dumps(key), json.dumps([key]), "", "{}"):
        with pytest.raises(CdiError, match="EDGE-KEY"):
            trust_key(text)
    assert not trusted_file().exists()


def test_a_damaged_private_key_is_named(state: Path) -> None:
    read_or_make_key("north")
    key_file("north").write_text("no key")
    with pytest.raises(CdiError, match=r"EDGE-KEY.*north\.pem"):
        read_or_make_key("north")


def test_a_task_waits_longer_for_the_centre_unless_the_force_says_otherwise(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW__WORKERS__EXECUTION_API_RETRIES"
    assert int(worker_environment("https://centre.example.org", push_logs=False)[name]) > 10
    monkeypatch.setenv(name, "3")
    assert worker_environment("https://centre.example.org", push_logs=False)[name] == "3"


def test_a_worker_knows_the_centres_address_and_none_of_its_secrets(state: Path) -> None:
    environment = worker_environment("https://centre.example.org/", push_logs=False)
    told = {name: value for name, value in environment.items() if name.startswith("AIRFLOW__")}
    assert told["AIRFLOW__EDGE__API_URL"] == "https://centre.example.org/edge_worker/v1/rpcapi"
    assert (
        told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "https://centre.example.org/execution/"
    )
    assert told["AIRFLOW__EDGE__PUSH_LOGS"] == "False"
    assert not [name for name in told if "SECRET" in name or "SQL_ALCHEMY" in name]
    assert worker_command("north", 2)[2:4] == ["cdi_airflow.edge_worker", "north"]
    for wrong in ("centre.example.org", "ftp://centre", "https://"):
        with pytest.raises(CdiError, match="EDGE-CENTRE"):
            worker_environment(wrong, push_logs=False)


BECOME = """
import sys
import cdi.local.edge as edge
edge.importlib.util.find_spec = lambda name: name
edge.worker_command = lambda *_: [sys.executable, "-c", "import os; print(os.getpid())"]
edge.pid_file().parent.mkdir(parents=True)
content = sys.argv[1].format(own=edge.os.getpid())
edge.pid_file().write_text(content, encoding="utf-8")
edge.become_worker("north", "https://centre.example.org", concurrency=1, push_logs=False)
"""


@pytest.mark.parametrize(
    ("content", "is_left"), [("{own}", False), ("{own}\n", False), ("1", True), ("", True)]
)
def test_a_worker_starts_where_a_killed_one_had_its_number(
    state: Path, content: str, is_left: bool
) -> None:
    """Airflow's worker takes a file with its own number for a worker that runs, and exits."""
    done = subprocess.run(
        [sys.executable, "-c", BECOME, content], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().isdigit()
    file = state / "airflow" / "edge-worker.pid"
    assert file.exists() == is_left


ASK = """
import json
from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded
for backend in ensure_secrets_backend_loaded():
    found = backend.get_connection("control_room")
    if found:
        print(json.dumps([type(backend).__name__, found.host, found.login]))
        break
"""


def test_a_force_keeps_its_connections_in_a_file_of_its_own(state: Path) -> None:
    """What supervises the tasks of a worker is asked, in the worker's environment."""

    def ask() -> str:
        environment = worker_environment("https://centre.example.org", push_logs=False)
        return subprocess.run(
            [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    file = connections_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = {"conn_type": "postgres", "host": "db.force.example.org", "login": "reader"}
    file.write_text(json.dumps({"control_room": connection}), encoding="utf-8")
    assert json.loads(ask().splitlines()[-1]) == [
        "LocalFilesystemBackend", "db.force.example.org", "reader",
    ]  # fmt: skip
    file.unlink()
    assert "db.force" not in ask()
