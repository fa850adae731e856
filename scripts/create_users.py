"""Make the first users of a server: `admin`, and `cdi-notes` for the tasks' notes.

Run by docker-compose.yaml's `init` once the metadata database is migrated. The passwords come from
the environment, never from a command line, and there is no default. `admin` is only made where
there is none, so a password changed in the UI stays; the password of `cdi-notes` always follows
`.env`, as the tasks' connection does.
"""

import os

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

# what it takes to write a note on a task or a run, and nothing else
NOTES = [("can_read", "DAGs"), ("can_edit", "DAGs"), ("can_read", "DAG Runs"),
         ("can_edit", "DAG Runs"), ("can_read", "Task Instances"),
         ("can_edit", "Task Instances")]  # fmt: skip


def main() -> None:
    """Make or update both."""
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
