"""A plugin of dbt-duckdb that limits the memory of a build; see `cdi.build.dbt`.

A variable of the environment in `profiles.yml` would be simpler. But then dbt would parse the whole
project anew in each build whose limit is not the one that it was parsed with.
"""

import os
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin

from cdi.build.dbt import MEMORY_LIMIT


class Plugin(BasePlugin):
    """Gives dbt's database the limit; without one, that of `profiles.yml` holds."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Set the limit before the database is opened."""
        if limit := os.environ.get(MEMORY_LIMIT):
            config["memory_limit"] = limit
