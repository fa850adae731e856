"""Starts Airflow's edge worker so that it signs what it asks with the key of its force.

`cdi.local.edge` prepares the environment and starts this with the queue, and with options of
Airflow's own command. The provider can verify such tokens at the centre, but its worker (5.1.0)
signs with the secret that all processes of the centre share, and whoever has that is the centre.
Hence the one replacement.
"""

import sys
from typing import Any

ISSUER = "cdi-edge"  # as `[edge] jwt_issuer` of the centre
AUDIENCE = "cdi-centre"  # as `[edge] jwt_audience` of the centre
_VALID_SECONDS = 60  # a token is made for each request


class ForceTokens:
    """Makes the tokens of the workers of one queue."""

    def __init__(self, queue: str) -> None:
        """Read the queue's key."""
        from airflow.api_fastapi.auth.tokens import JWTGenerator

        from cdi.local.edge_keys import key_file

        self._queue = queue
        self._generator = JWTGenerator(
            private_key=key_file(queue).read_bytes(),
            kid=queue,
            valid_for=_VALID_SECONDS,
            audience=AUDIENCE,
            issuer=ISSUER,
        )

    def generate(self, extras: dict[str, Any] | None = None) -> str:
        """Make a token for one request."""
        return self._generator.generate({**(extras or {}), "sub": self._queue})


def main() -> None:
    """Run the worker until it is told to stop."""
    queue, *options = sys.argv[1:]
    # The provider looks at these words, as they are those of the command that this stands for.
    sys.argv = ["airflow", "edge", "worker", "--queues", queue, *options]
    from airflow.__main__ import main as run_airflow
    from airflow.providers.edge3.cli import api_client

    from cdi_airflow.imports import import_for_tasks

    import_for_tasks()
    tokens = ForceTokens(queue)
    api_client.jwt_generator = lambda: tokens  # type: ignore[assignment]
    run_airflow()


if __name__ == "__main__":
    main()
