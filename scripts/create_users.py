"""Make the first users of a server: `admin`, and `cdi-notes` for the tasks' notes.

The service `init` of docker-compose.yaml runs this once the metadata database is migrated. The
passwords come from the environment, never from a command line, and there is no default. `admin` is
only made if it does not exist, so a password that was changed in the UI stays. The password of
`cdi-notes` always follows `.env`, as the connection of the tasks does.
"""

import os

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

# The rights that are needed to write a note on a task or a run, and no others.
NOTES = [
    (action, resource)
    for resource in ("DAGs", "DAG Runs", "Task Instances")
    for action in ("can_read", "can_edit")
]


def main() -> None:
    """Make both users, or update them."""
    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        notes = manager.add_role("Notes")
        for action, resource in NOTES:
            permission = manager.create_permission(action, resource)
            manager.add_permission_to_role(notes, permission)
        admin = manager.find_role("Admin")
        for name, role, variable in (
            ("admin", admin, "CDI_ADMIN_PASSWORD"),
            ("cdi-notes", notes, "CDI_NOTES_PASSWORD"),
        ):
            password = os.environ[variable]
            if not password:
                raise SystemExit(f"{variable} is empty: run scripts/write_env.py")
            user = manager.find_user(name)
            if user is None:
                mail = f"{name}@localhost"
                if not manager.add_user(name, name, "", mail, role, password):
                    raise SystemExit(f"the user {name} could not be made")
            elif name != "admin":
                manager.reset_password(user.id, password)


if __name__ == "__main__":
    main()
