"""An OpenID provider on this machine: Canaille, which runs in an environment of its own.

    .venv-oidc/bin/python tests/oidc_provider.py <settings.json>

The settings name address, certificate, database (a new file), client and people.
"""

import asyncio
import json
import secrets
import sys
from pathlib import Path
from typing import Any

from asgiref.wsgi import WsgiToAsgi
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from hypercorn.asyncio import serve
from hypercorn.config import Config
from joserfc.jwk import RSAKey


def make_provider(settings: dict[str, Any]) -> Any:
    """Make the application, with its people, their groups and its client."""
    app = create_app(
        {
            "SECRET_KEY": secrets.token_hex(32),
            "SERVER_NAME": settings["address"],
            "PREFERRED_URL_SCHEME": "https",
            "CANAILLE": {
                # that in memory finds a code by any of its attributes, thus also the wrong one
                "DATABASE": "sql",
                "JAVASCRIPT": False,
                "HTMX": False,
                "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}},
            },
            "CANAILLE_SQL": {
                "DATABASE_URI": f"sqlite:///{settings['database']}",
                "PASSWORD_HASH_PARAMS": {"pbkdf2_sha512__rounds": 1000},  # tests log in often
            },
            "CANAILLE_OIDC": {
                "ACTIVE_JWKS": [RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)],
                "TRUSTED_DOMAINS": [],
            },
        },
        init_backend=True,
    )
    with app.app_context():
        backend = Backend.instance
        with backend.session():
            users = {}
            for name in settings["people"]:
                users[name] = models.User(
                    user_name=name,
                    given_name=name,
                    family_name=name,
                    # which it tells as `preferred_username`; a directory may have gaps
                    display_name=None if name == "nameless" else name,
                    emails=[f"{name}@example.org"],
                    password=settings["password"],
                )
                backend.save(users[name])
            groups = {group for held in settings["people"].values() for group in held}
            for group in sorted(groups):
                members = [users[n] for n, held in settings["people"].items() if group in held]
                backend.save(models.Group(display_name=group, members=members))
            client = models.Client(
                client_id=settings["client_id"],
                client_secret=settings["client_secret"],
                client_name="The desk",
                client_uri="https://desk.example.org",
                redirect_uris=settings["redirect_uris"],
                post_logout_redirect_uris=settings["post_logout_redirect_uris"],
                grant_types=["authorization_code"],
                response_types=["code"],
                token_endpoint_auth_method="client_secret_basic",
                scope=["openid", "profile", "groups"],
            )
            backend.save(client)
            client.audience = [client]
            backend.save(client)
    return app


def main() -> None:
    """Serve it until the process is ended."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    config = Config()
    config.bind = [f"127.0.0.1:{settings['address'].rpartition(':')[2]}"]
    config.certfile, config.keyfile = settings["certificate"], settings["key"]
    asyncio.run(serve(WsgiToAsgi(make_provider(settings)), config))


if __name__ == "__main__":
    main()
