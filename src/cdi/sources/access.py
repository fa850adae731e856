"""How a source is reached: what its connection holds, and how its secrets stay out of sight."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from cdi.errors import SourceError

HIDDEN = "***"
# A shorter value of a connection's extras ("1", "yes") is no secret, and stands in many a message.
_SECRET_LENGTH = 6


@dataclass(frozen=True)
class Access:
    """What an Airflow connection says of a source.

    Attributes:
        kind: Type of the connection, which chooses the driver: postgres, mssql, http and so on.
        host: Name or address of the server.
        port: Its port; None means the driver's own.
        login: Name of the user.
        password: Password or token; it is not shown.
        database: Name of the database (Airflow calls it schema).
        extra: Further options of the connection; they are not shown, as some hold secrets.
        connection: Its id in Airflow, for errors; None if there is none.
    """

    kind: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    connection: str | None = None

    @property
    def storage_options(self) -> dict[str, Any]:
        """The same as options of fsspec, which reads files."""
        options = {
            "host": self.host,
            "port": self.port,
            "username": self.login,
            "password": self.password,
        }
        return {key: value for key, value in options.items() if value} | dict(self.extra)

    def hide_secrets(self, message: str) -> str:
        """Take this connection's secrets out of a text, such as a driver's message.

        Args:
            message: Any text. A driver may quote the whole connection string in it.
        """
        values = [self.password, *_list_texts(self.extra)]
        secrets = {text for text in values if text and len(text) >= _SECRET_LENGTH}
        if self.password:
            secrets.add(self.password)  # however short
        forms = {
            form for text in secrets for form in (text, quote(text, safe=""), quote_plus(text))
        }
        for form in sorted(forms, key=len, reverse=True):  # one may be a part of another
            message = message.replace(form, HIDDEN)
        return message


def read_access(connection: str | None) -> Access | None:
    """Read a connection where there is no Airflow, as its environment variable holds it.

    Args:
        connection: Id of the connection; ``AIRFLOW_CONN_<ID>`` holds it as JSON or as a URI.

    Returns:
        What it says; None if there is no such variable.

    Raises:
        SourceError: SRC-CONNECTION if it is neither JSON nor a URI. The text is not shown.
    """
    variable = f"AIRFLOW_CONN_{(connection or '').upper()}"
    text = os.environ.get(variable, "")
    if not connection or not text:
        return None
    try:
        if text.startswith("{"):
            parts = json.loads(text)
            extra = parts.get("extra") or {}
            parts["extra"] = json.loads(extra) if isinstance(extra, str) else extra
        else:
            parts = _split_uri(text)
        return Access(
            kind=str(parts.get("conn_type") or "").replace("postgresql", "postgres"),
            host=parts.get("host"),
            port=int(parts["port"]) if parts.get("port") else None,
            login=parts.get("login"),
            password=parts.get("password"),
            database=parts.get("schema"),
            extra=parts["extra"],
            connection=connection,
        )
    except (ValueError, TypeError):
        raise SourceError(
            "SRC-CONNECTION",
            f"{variable} is neither an Airflow connection as JSON nor one as a URI",
            "write it as `airflow connections get --output json` shows it",
        ) from None


def _split_uri(text: str) -> dict[str, Any]:
    """Split a connection's URI into the parts that its JSON has."""
    uri = urlsplit(text)
    extra: dict[str, Any] = dict(parse_qsl(uri.query))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    decoded = {
        "host": uri.hostname,
        "login": uri.username,
        "password": uri.password,
        "schema": uri.path.lstrip("/"),
    }
    parts = {name: unquote(value) if value else None for name, value in decoded.items()}
    return parts | {"conn_type": uri.scheme, "port": uri.port, "extra": extra}


def _list_texts(value: Any) -> list[str]:
    """List all texts in a value as JSON has it, at any depth; names of keys are none."""
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _list_texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _list_texts(part)]
    return [value] if isinstance(value, str) else []
