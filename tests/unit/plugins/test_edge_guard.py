"""What the workers of forces may ask of the centre: the key of one opens no queue of another."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from cdi import paths
from cdi.code import name_code
from cdi.local.edge_keys import distrust_key, key_file, read_or_make_key, trust_key, trusted_file
from tests.broken import change_settings, copy_agency
from tests.conftest import SmallAgency


@pytest.fixture(autouse=True)
def centre(
    small: SmallAgency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallAgency]:
    """A centre that trusts the keys of two forces, `north` and `south`."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    small.settings["runs_on"] = "north"
    small.write_settings()
    change_settings(copy_agency(small, "southville"), runs_on="south")
    change_settings(copy_agency(small, "athome"), runs_on=None)
    for queue in ("north", "south"):
        trust_key(json.dumps(read_or_make_key(queue)))
    monkeypatch.setenv("AIRFLOW__EDGE__TRUSTED_JWKS_URL", str(trusted_file()))
    yield small


def token_of(queue: str, kid: str | None = None, code: str | None = "ours") -> str:
    private: Any = load_pem_private_key(key_file(queue).read_bytes(), password=None)
    claims = {"sub": queue, "cdi_code": name_code() if code == "ours" else code}
    return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": kid or queue})


def ask(
    path: str, *tokens: str, body: Any = None, method: str = "POST", prefix: str = ""
) -> tuple[int, Any]:
    """Ask through the guard; returns the status, and what reached the application behind it."""
    answer, reached = send_through_guard(path, *tokens, body=body, method=method, prefix=prefix)
    assert bool(reached) == (answer.status_code == 200)
    return answer.status_code, reached[0] if reached else None


def send_through_guard(
    path: str, *tokens: str, body: Any = None, method: str = "POST", prefix: str = ""
) -> tuple[httpx.Response, list[bytes]]:
    """Send a request to a path of the provider, or of the server if it begins with a slash."""
    from cdi_airflow.edge_guard import EdgeGuard

    reached = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        from starlette.requests import Request
        from starlette.responses import PlainTextResponse

        reached.append(await Request(scope, receive).body())
        await PlainTextResponse("ok")(scope, receive, send)

    async def send_request() -> httpx.Response:
        transport = httpx.ASGITransport(app=EdgeGuard(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
            return await client.request(
                method,
                prefix + (path if path.startswith("/") else f"/edge_worker/v1/{path}"),
                headers=[("Authorization", token) for token in tokens],
                content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            )

    return asyncio.run(send_request()), reached


NORTH = {"queues": ["north"], "free_concurrency": 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("worker/north", NORTH),
        ("worker/north.machine-1", NORTH),
        ("jobs/fetch/north.machine-1", NORTH),
        ("jobs/state/testville__extract/calls.extract/run/1/-1/success", None),
        ("logs/logfile_path/testville__build/build/run/1/-1", None),
        ("logs/push/testville__build/build/run/1/-1", {"log_chunk_data": "x" * 3_000_000}),
        ("health", None),
    ],
)
def test_a_force_may_ask_what_belongs_to_its_queue(path: str, body: Any) -> None:
    for prefix in ("", "/airflow"):
        status, reached = ask(path, token_of("north"), body=body, prefix=prefix)
        assert status == 200
        assert json.loads(reached) == body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("worker/south", NORTH),
        ("worker/northern", NORTH),
        ("worker/north", {"queues": ["south"]}),
        ("worker/north", {"queues": ["north", "south"]}),
        ("worker/north", {"queues": None}),
        ("worker/north", {}),
        ("worker/queues/north", {"new_queues": ["south"], "queues": ["north"]}),
        ("jobs/fetch/south.machine-1", NORTH),
        ("jobs/fetch/north.machine-1", {"queues": ["south"], "free_concurrency": 1}),
        ("jobs/fetch/north.machine-1", {"queues": [], "free_concurrency": 1}),
        ("jobs/fetch/north.machine-1", {"free_concurrency": 1}),
        ("jobs/fetch/north.machine-1", [NORTH]),
        ("jobs/fetch/north.machine-1", b"no json"),
        ("jobs/state/southville__extract/calls.extract/run/1/-1/success", None),
        ("jobs/state/athome__extract/calls.extract/run/1/-1/success", None),
        ("jobs/state/peers/compare/run/1/-1/success", None),
        ("logs/push/southville__build/build/run/1/-1", {"log_chunk_data": "x"}),
        ("logs/logfile_path/nobody__build/build/run/1/-1", None),
        ("something/new", NORTH),
        ("", NORTH),
    ],
)
def test_what_belongs_to_another_force_or_to_nobody_is_refused(path: str, body: Any) -> None:
    for prefix in ("", "/airflow"):
        assert ask(path, token_of("north"), body=body, prefix=prefix) == (403, None)


def test_a_token_that_names_no_trusted_key_is_refused(centre: SmallAgency) -> None:
    fetch = "jobs/fetch/north.machine-1"
    assert ask(fetch, token_of("north"), body=NORTH)[0] == 200
    read_or_make_key("west")
    for tokens in (
        (),
        ("no token",),
        (token_of("west"),),
        (token_of("north", kid="west"),),
        # the provider would verify one of two, and the guard would look at the other
        (token_of("south"), token_of("north")),
        (token_of("north"), token_of("north")),
    ):
        assert ask(fetch, *tokens, body=NORTH) == (403, None)
    distrust_key("north")
    assert ask(fetch, token_of("north"), body=NORTH) == (403, None)


def test_without_keys_and_elsewhere_the_guard_lets_all_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ask("../../api/v2/version", body=NORTH)[0] == 200
    monkeypatch.delenv("AIRFLOW__EDGE__TRUSTED_JWKS_URL")
    assert ask("jobs/fetch/north.machine-1", body=NORTH)[0] == 200


@pytest.mark.parametrize(
    ("code", "called"),
    [("0.1.0+000000000000", None), (None, "of before"), ("a\nline of a log", "of before")],
)
def test_a_worker_of_other_code_ends_its_tasks_and_gets_no_more(
    code: str | None, called: str | None
) -> None:
    token = token_of("north", code=code)

    def send(path: str, method: str = "POST") -> tuple[int, str, bool]:
        answer, reached = send_through_guard(path, token, body=NORTH, method=method)
        return answer.status_code, answer.text, bool(reached)

    fetched = send("jobs/fetch/north.machine-1")
    assert fetched == (200, "null", False)
    for path, method, is_kept in (
        ("worker/north.machine-1", "POST", False),  # it begins
        ("worker/north.machine-1", "PATCH", True),  # it goes on, and the centre knows how
        ("health", "GET", False),
    ):
        status, text, reached = send(path, method)
        assert (status, reached) == (400, is_kept)
        assert "[EDGE-CODE]" in text
        assert name_code() in text
        assert f"the worker has the code {called or code}, and" in text
    # the tasks that it has may end as they do
    for path in ("jobs/state/testville__build/build/run/1/-1/success",
                 "logs/push/testville__build/build/run/1/-1"):  # fmt: skip
        assert send(path) == (200, "ok", True)
    # to have other code opens nothing
    assert send_through_guard("worker/south", token, body=NORTH)[0].status_code == 403


NORTHS, SOUTHS, CENTRES, ENDED, LATE, NOBODYS = (UUID(int=number) for number in range(1, 7))


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The centre's database: running tasks, a try of the north's that has ended, and a message."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.callback import Callback
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancehistory import TaskInstanceHistory

    import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path / 'metadata.db'}")
    runs = {"task_id": "build", "run_id": "run", "pool": "default_pool"}
    north = {**runs, "dag_id": "testville__build", "queue": "north"}
    running: Any = TaskInstance.__table__
    ended: Any = TaskInstanceHistory.__table__
    called: Any = Callback.__table__
    with engine.begin() as database:
        for table in (running, ended, called):
            table.create(database)
        for row in (
            {**north, "id": NORTHS},
            {**runs, "id": SOUTHS, "dag_id": "southville__build", "queue": "south"},
            {**runs, "id": CENTRES, "dag_id": "athome__build", "queue": "default"},
        ):
            database.execute(running.insert().values(row))
        database.execute(
            ended.insert().values({**north, "task_instance_id": ENDED, "try_number": 1})
        )
        message = {"type": "executor", "fetch_method": "import_path", "data": {}}
        database.execute(called.insert().values({**message, "id": LATE, "priority_weight": 1}))
    monkeypatch.setattr(settings, "NonScopedSession", sessionmaker(engine))


def bearer(task: object) -> str:
    """A token of a task; who signed it, Airflow looks at behind the guard."""
    return f"Bearer {jwt.encode({'sub': str(task)}, 'whatever, and thirty two bytes of it')}"


@pytest.mark.parametrize(
    "path",
    [
        "connections/cdi_airflow_api",
        "connections/cdi_notify",
        "variables/keys",
        "variables/any/key",
        "xcoms/southville__build/run/build/told",
        "xcoms/athome__build/run/build/return_value/slice",
        "dag-runs/athome__build/run",
        "dag-runs/athome__build/run/clear",
        "asset-events/by-asset",
        "store/asset/by-name/value",
        "store/asset/by-uri/clear",
    ],
)
def test_a_task_of_a_force_is_shown_nothing_of_the_centre_or_of_others(
    path: str, tasks: None
) -> None:
    for prefix in ("", "/airflow"):
        for task in (NORTHS, ENDED, NOBODYS, "no number"):
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
                answer, reached = send_through_guard(
                    f"/execution/{path}", bearer(task), method=method, prefix=prefix
                )
                assert (answer.status_code, reached) == (404, [])
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["detail"]["reason"] == "not_found"  # as the SDK wants it
        # of no token, and of two, Airflow might look at another than the guard
        for tokens in ((), (bearer(CENTRES), bearer(NORTHS)), ("Bearer no token",)):
            assert send_through_guard(f"/execution/{path}", *tokens, prefix=prefix)[1] == []
        for task in (CENTRES, LATE):
            assert ask(f"/execution/{path}", bearer(task), prefix=prefix)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "xcoms/testville__build/run/build/told",
        "xcoms/testville__build/run/build/return_value/item/0",
        "dag-runs/testville__build/run/state",
        f"task-instances/{NORTHS}/run",
        f"task-instances/{NORTHS}/heartbeat",
        "task-instances/states",
        f"hitlDetails/{NORTHS}",
        "health",
    ],
)
def test_a_task_of_a_force_does_its_own_work(path: str, tasks: None) -> None:
    for prefix in ("", "/airflow"):
        assert ask(f"/execution/{path}", bearer(NORTHS), prefix=prefix)[0] == 200


def test_whoever_asks_for_health_without_a_token_is_answered() -> None:
    assert ask("health", method="GET")[0] == 200
    assert ask("health", "no token", method="GET")[0] == 403


def test_the_name_of_the_code_changes_with_any_file_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("dags", "plugins", "dbt_project", "expectations"):
        shutil.copytree(paths.REPO / folder, tmp_path / folder)
    monkeypatch.setattr(paths, "REPO", tmp_path)
    monkeypatch.setattr(paths, "DBT_PROJECT", tmp_path / "dbt_project")
    monkeypatch.setattr(paths, "EXPECTATIONS", tmp_path / "expectations")
    names = [name_code.__wrapped__()]
    assert names == [name_code()]  # another place alone is no other code
    for file in ("dags/build.py", "plugins/cdi_pages.py", "dbt_project/seeds/lexicon.csv"):
        with (tmp_path / file).open("a", encoding="utf-8") as text:
            text.write("\n")
        names.append(name_code.__wrapped__())
    assert len(set(names)) == 4
