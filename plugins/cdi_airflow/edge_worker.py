"""Starts Airflow's edge worker so that it signs what it asks with the key of its force.

`cdi.local.edge` prepares the environment and starts this with the queue, and with options of
Airflow's own command. The provider can verify such tokens at the centre, but its worker (5.1.0)
signs with the secret that all processes of the centre share, and whoever has that is the centre.
Hence the one replacement.
"""

import logging
import ssl
import sys
from http import HTTPStatus
from typing import Any

from cdi_airflow.edge_guard import CODE_CLAIM

ISSUER = "cdi-edge"  # as `[edge] jwt_issuer` of the centre
AUDIENCE = "cdi-centre"  # as `[edge] jwt_audience` of the centre
_VALID_SECONDS = 60  # a token is made for each request
_ANSWER_SECONDS = 30.0


class ForceTokens:
    """Makes the tokens of the workers of one queue."""

    def __init__(self, queue: str) -> None:
        """Read the queue's key."""
        from airflow.api_fastapi.auth.tokens import JWTGenerator

        from cdi.code import name_code
        from cdi.local.edge_keys import key_file

        self._queue = queue
        self._code = name_code()  # what this process has read, whatever is installed meanwhile
        self._generator = JWTGenerator(
            private_key=key_file(queue).read_bytes(),
            kid=queue,
            valid_for=_VALID_SECONDS,
            audience=AUDIENCE,
            issuer=ISSUER,
        )

    def generate(self, extras: dict[str, Any] | None = None) -> str:
        """Make a token for one request."""
        return self._generator.generate(
            {**(extras or {}), "sub": self._queue, CODE_CLAIM: self._code}
        )


def ask_centre(tokens: ForceTokens) -> None:
    """Ask the centre whether it would work with this worker, for a clear word at the start.

    The provider would say no more than the number of the refusal. A centre that does not answer is
    no reason to stop: the provider goes on asking for minutes.

    Raises:
        CdiError: EDGE-REFUSED, or EDGE-CODE if the centre has other code.
    """
    import httpx
    from airflow.providers.common.compat.sdk import conf

    from cdi.errors import CdiError

    centre = conf.get("edge", "api_url").removesuffix("rpcapi")
    try:
        answer = httpx.get(
            f"{centre}health",
            headers={"Authorization": tokens.generate()},
            timeout=_ANSWER_SECONDS,
            verify=ssl.create_default_context(),  # the system's certificates, or SSL_CERT_FILE
        )
    except httpx.TransportError as error:
        logging.getLogger(__name__).warning("The centre does not answer yet: %s", error)
        return
    if answer.status_code == HTTPStatus.FORBIDDEN:
        raise CdiError(
            "EDGE-REFUSED",
            "the centre does not trust the key of this worker",
            "give the centre the line that the command `edge key` prints here; it runs "
            "`edge trust` with it, and starts its API server again",
        )
    if answer.status_code == HTTPStatus.BAD_REQUEST and "[EDGE-CODE]" in answer.text:
        what, _, next_step = answer.text.removeprefix("[EDGE-CODE] ").partition("; ")
        raise CdiError("EDGE-CODE", what, next_step)


def main() -> None:
    """Run the worker until it is told to stop."""
    queue, *options = sys.argv[1:]
    # The provider looks at these words, as they are those of the command that this stands for.
    sys.argv = ["airflow", "edge", "worker", "--queues", queue, *options]
    from airflow.__main__ import main as run_airflow
    from airflow.providers.edge3.cli import api_client

    from cdi.errors import CdiError
    from cdi_airflow.imports import import_for_tasks

    tokens = ForceTokens(queue)
    try:
        ask_centre(tokens)
    except CdiError as error:
        raise SystemExit(str(error)) from None
    import_for_tasks()
    api_client.jwt_generator = lambda: tokens  # type: ignore[assignment]
    run_airflow()


if __name__ == "__main__":
    main()
