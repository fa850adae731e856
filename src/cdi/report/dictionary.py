"""The dictionary of one version: every table and column, from the file's own comments.

Beside it are dbt's own docs, with the SQL and the lineage of the models, as one page that needs no
other host.
"""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from cdi.build.dbt import read_manifest
from cdi.build.version import Version
from cdi.errors import BuildError
from cdi.files import write_text
from cdi.render import render
from cdi.sql import connect, fetch_dicts

# The layers between the landing and the marts are for dbt's docs.
PARTS = {
    "Tables": ("main", "table"),
    "Measures and dimensions": ("main", "view"),
    "Rules": ("rules", "table"),
    "The agency's code maps": ("codes", "table"),
}
# of a page that shows what is in it and fetches nothing
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)


def dictionary_parts(con: duckdb.DuckDBPyConnection) -> dict[str, list[dict[str, Any]]]:
    """Each table or view with its columns, by part of the dictionary.

    Args:
        con: A published (or private) file.
    """
    return {title: list(_describe_relations(con, *part)) for title, part in PARTS.items()}


def _describe_relations(
    con: duckdb.DuckDBPyConnection, schema: str, kind: str
) -> Iterator[dict[str, Any]]:
    made_from: dict[str, list[str]] = {}
    for row in fetch_dicts(con, "select table_name, made_from from lineage order by all"):
        made_from.setdefault(row["table_name"], []).append(row["made_from"])
    relations = fetch_dicts(
        con,
        f"select {kind}_name as name, comment from duckdb_{kind}s() "
        f"where schema_name = $schema and not internal order by {kind}_name",
        {"schema": schema},
    )
    for relation in relations:
        # A comment ends with the grain: a test holds that.
        description, _, grain = relation["comment"].rpartition("One row")
        name = f"{schema}.{relation['name']}"
        yield {
            "name": relation["name"] if schema == "main" else name,
            "description": description.strip(),
            "grain": f"One row{grain}".strip(),
            "made_from": made_from.get(name, made_from.get(f"measures.{relation['name']}", [])),
            "columns": fetch_dicts(
                con,
                "select column_name as name, lower(data_type) as type, comment as meaning "
                "from duckdb_columns() where schema_name = $schema and table_name = $table "
                "order by column_index",
                {"schema": schema, "table": relation["name"]},
            ),
        }


def write_dictionary(version: Version) -> None:
    """Write ``dictionary.html`` and ``dbt_docs.html`` beside the private file.

    Args:
        version: What was built.
    """
    with connect(version.file, read_only=True) as con:
        page = render(
            "dictionary.html.j2",
            agency=version.agency,
            is_simulated=version.agency.is_simulated,
            version=version.name,
            parts=dictionary_parts(con),
        )
    write_text(version.folder / "dictionary.html", page)
    write_text(version.folder / "dbt_docs.html", _render_dbt_docs(version))


def _render_dbt_docs(version: Version) -> str:
    """The page of dbt's docs with the manifest in it, as `dbt docs generate --static` writes it.

    That command would compile all models again, which takes many seconds.

    Raises:
        BuildError: BUILD-DOCS if dbt's page has no place for it.
    """
    dbt = find_spec("dbt")
    (home,) = dbt.submodule_search_locations if dbt and dbt.submodule_search_locations else ("",)
    page = (Path(home) / "task" / "docs" / "index.html").read_text(encoding="utf-8")
    catalog: dict[str, Any] = {"metadata": {}, "nodes": {}, "sources": {}, "errors": None}
    inlined = {
        "<head>": f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '"MANIFEST.JSON INLINE DATA"': json.dumps(read_manifest(version)).replace("</", "<\\/"),
        '"CATALOG.JSON INLINE DATA"': json.dumps(catalog),
    }
    for place, content in inlined.items():
        if page.count(place) != 1:
            raise BuildError(
                "BUILD-DOCS",
                f"the page of dbt's docs must have one {place}, but has {page.count(place)}",
                "look into `dbt docs generate --static` of the installed version",
            )
        page = page.replace(place, content)
    return page


def render_dictionary(con: duckdb.DuckDBPyConnection) -> str:
    """The dictionary of a file as Markdown.

    Args:
        con: A published (or private) file.
    """
    return render("dictionary.md.j2", parts=dictionary_parts(con))
