"""How a source is reached: what its connection holds, and how its secrets stay out of sight."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

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


def _list_texts(value: Any) -> list[str]:
    """List all texts in a value as JSON has it, at any depth; names of keys are none."""
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _list_texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _list_texts(part)]
    return [value] if isinstance(value, str) else []
