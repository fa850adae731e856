"""Make the first users of a server: `admin`, and `cdi-notes` for the tasks' notes.

The service `init` of docker-compose.yaml runs this at each start, once the metadata database is
migrated. `admin` is only made if it does not exist, with the password from a file of secrets, so a
password that was changed in the UI stays. `cdi-notes` gets a new random password each time, which
nobody knows but the connection of the tasks, and that is encrypted in the metadata database.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.models import Connection
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.session import create_session
from sqlalchemy import delete

from cdi.local.airflow import NOTES_CONNECTION, NOTES_USER

# The rights that are needed to write a note on a task or a run, and no others.
NOTES = [
    (action, resource)
    for resource in ("DAGs", "DAG Runs", "Task Instances")
    for action in ("can_read", "can_edit")
]


def main() -> None:
    """Make both users and the connection of the tasks, or update them."""
    admin_password = read_admin_password()
    notes_password = secrets.token_urlsafe(32)
    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        notes = manager.add_role("Notes")
        for action, resource in NOTES:
            permission = manager.create_permission(action, resource)
            manager.add_permission_to_role(notes, permission)
        if manager.find_user("admin") is None:
            create_user(manager, "admin", manager.find_role("Admin"), admin_password)
        user = manager.find_user(NOTES_USER)
        if user is None:
            create_user(manager, NOTES_USER, notes, notes_password)
        else:
            manager.reset_password(user.id, notes_password)
    write_notes_connection(notes_password)


def read_admin_password() -> str:
    """Read the first password of `admin`; the file may end with a line end."""
    file = Path(os.environ["CDI_ADMIN_PASSWORD_FILE"])
    password = file.read_text(encoding="utf-8").strip()
    if not password:
        raise SystemExit(f"{file} is empty: run scripts/write_secrets.py")
    return password


def create_user(manager: Any, name: str, role: Any, password: str) -> None:
    """Make a user; end if Airflow refuses it."""
    if not manager.add_user(name, name, "", f"{name}@localhost", role, password):
        raise SystemExit(f"the user {name} could not be made")


def write_notes_connection(password: str) -> None:
    """Replace the connection by which tasks write notes to the API, at the address they know."""
    api = urlsplit(conf.get_mandatory_value("core", "execution_api_server_url"))
    with create_session() as session:
        # deleted unread: after the loss of the Fernet key the old one could not be decrypted
        session.execute(delete(Connection).where(Connection.conn_id == NOTES_CONNECTION))
        session.add(
            Connection(
                conn_id=NOTES_CONNECTION,
                conn_type="http",
                host=api.hostname,
                port=api.port,
                schema=api.scheme,
                login=NOTES_USER,
                password=password,
            )
        )


if __name__ == "__main__":
    main()
