"""What the workers of forces may ask of the centre: the key of one opens no queue of another."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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


def token_of(queue: str, kid: str | None = None) -> str:
    private: Any = load_pem_private_key(key_file(queue).read_bytes(), password=None)
    return jwt.encode({"sub": queue}, private, algorithm="EdDSA", headers={"kid": kid or queue})


def ask(
    path: str, *tokens: str, body: Any = None, method: str = "POST", prefix: str = ""
) -> tuple[int, Any]:
    """Ask through the guard; returns the status, and what reached the application behind it."""
    from cdi_airflow.edge_guard import EdgeGuard

    reached = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        from starlette.requests import Request
        from starlette.responses import PlainTextResponse

        reached.append(await Request(scope, receive).body())
        await PlainTextResponse("ok")(scope, receive, send)

    async def send_request() -> int:
        transport = httpx.ASGITransport(app=EdgeGuard(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
            answer = await client.request(
                method,
                f"{prefix}/edge_worker/v1/{path}",
                headers=[("Authorization", token) for token in tokens],
                content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            )
            return answer.status_code

    status = asyncio.run(send_request())
    assert bool(reached) == (status == 200)
    return status, reached[0] if reached else None


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
