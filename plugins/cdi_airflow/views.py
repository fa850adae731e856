"""Pages of the published versions behind Airflow's log-in, mounted at ``/cdi`` by `cdi_pages`.

Airflow's own permissions decide for each agency: whoever may see its build DAG may see the open
parts, and whoever may also start runs of it may see the restricted ones
(`cdi.publish.parts.PARTS`). Each look at a restricted part is written down before the part is
shown. Each request follows ``current`` once and reads a file; nothing stays open.
"""

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse

from cdi import paths
from cdi.agency.load import agency_names, load_agency
from cdi.clock import day_and_time
from cdi.desk.people import Right
from cdi.errors import CdiError
from cdi.people.sheet_cells import XLSX_TYPE
from cdi.publish.access import (
    NO_REASON,
    NOT_LOGGED,
    current_folder,
    find_file,
    note_access,
    refused_pages,
)
from cdi.publish.overview import describe_freshness, describe_published
from cdi.publish.parts import find_part
from cdi.render import render
from cdi.report import docs_site, explore
from cdi_airflow import desk

LOG = logging.getLogger(__name__)
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": XLSX_TYPE,
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".duckdb": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".xml": "application/xml",
}
# Our pages load nothing from elsewhere and run no scripts, with two exceptions: the page that
# filters, and the documentation, whose own policy is in the version (`docs_site.read_policy`).
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# This page runs the one script of ours, which its hash names, and no other.
EXPLORE_POLICY = f"{POLICY}; {explore.write_script_policy()}"
# dbt's page runs scripts of others, so it gets neither Airflow's cookies nor its API.
DBT_POLICY = f"{POLICY}; script-src 'unsafe-inline' 'unsafe-eval'; sandbox allow-scripts"
POLICIES = {explore.PAGE: EXPLORE_POLICY, "dbt_docs.html": DBT_POLICY}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": POLICY,
}

app = FastAPI(title="Crime recording", docs_url=None, redoc_url=None, openapi_url=None)


@app.exception_handler(HTTPException)
async def _answer_error(request: Request, error: HTTPException) -> Response:
    """Answer an error as plain text, since people read it in a frame of the UI."""
    return PlainTextResponse(str(error.detail), error.status_code, HEADERS)


# before the paths of agencies, which would take it for one of them
app.mount("/desk", desk.app)


def _dag_id(agency: str) -> str:
    return f"{agency}__build"


def may_read(agency: str, request: Request, user: GetUserDep) -> str:
    """Give the agency, if there is one and the user may see its build DAG."""
    requires_access_dag("GET", param_dag_id=_dag_id(agency))(request, user)
    if agency not in agency_names():
        raise HTTPException(404, f"There is no agency {agency}.")
    return agency


AgencyDep = Annotated[str, Depends(may_read)]


def _readable(request: Request, user: GetUserDep) -> Iterator[str]:
    """Name the agencies whose build DAG the user may see."""
    for name in agency_names():
        with contextlib.suppress(HTTPException):
            yield may_read(name, request, user)


@app.get("/", response_class=HTMLResponse)
def index(request: Request, user: GetUserDep) -> Response:
    """List the agencies that the user may see, their figures, and what each of them offers."""
    readable = list(_readable(request, user))
    return _render_page(
        "pages.html.j2",
        agencies=[describe_published(name) for name in readable],
        may_read_logs=[n for n in readable if desk.has_right(request, user, n, Right.SEE)],
        may_manage=[n for n in readable if desk.has_right(request, user, n, Right.MANAGE)],
        has_peers=_peers_page().is_file() and _may_see_peers(request, user),
        is_simulated=False,
    )


@app.get("/operations/", response_class=HTMLResponse)
def operations(request: Request, user: GetUserDep) -> Response:
    """Say how fresh the data of each agency is, which checks failed, and what is to be decided."""
    now = datetime.now(UTC)
    with_data = [n for n in _readable(request, user) if describe_published(n).has_data]
    documented = [n for n in with_data if (paths.current(n) / docs_site.START).is_file()]
    return _render_page(
        "operations.html.j2",
        agencies=[describe_freshness(name, now) for name in with_data],
        now=f"{day_and_time(now)} UTC",
        docs_root=f"../{documented[0]}/" if documented else None,
        is_simulated=False,
    )


@app.get("/peers/", response_class=HTMLResponse)
def peers(request: Request, user: GetUserDep) -> Response:
    """Show the page that compares agencies to who may see the DAG that makes it."""
    requires_access_dag("GET", param_dag_id="peers")(request, user)
    if not _peers_page().is_file():
        raise HTTPException(404, "The DAG `peers` makes this page; it has not run yet.")
    return Response(_peers_page().read_bytes(), media_type=TYPES[".html"], headers=HEADERS)


def _peers_page() -> Path:
    return paths.national() / "peers.html"


def _may_see_peers(request: Request, user: GetUserDep) -> bool:
    try:
        requires_access_dag("GET", param_dag_id="peers")(request, user)
    except HTTPException:
        return False
    return True


@app.get("/dag/{dag_id}")
def of_dag(dag_id: str, user: GetUserDep) -> Response:
    """Lead from the tab of a DAG to the pages of its agency."""
    agency, _, step = dag_id.rpartition("__")
    if not step or agency not in agency_names():
        raise HTTPException(404, f"{dag_id} is not a DAG of an agency, so it has no pages.")
    return RedirectResponse(f"../{agency}/", headers=HEADERS)


@app.get("/{agency}/", response_class=HTMLResponse)
def agency_index(agency: AgencyDep, request: Request, user: GetUserDep) -> Response:
    """List what the agency's current version holds, and its refused batches."""
    described = describe_published(agency)
    return _render_page(
        "agency_pages.html.j2",
        is_simulated=described.is_simulated,
        agency=described,
        may_manage=desk.has_right(request, user, agency, Right.MANAGE),
        may_read_logs=desk.has_right(request, user, agency, Right.SEE),
    )


@app.get("/{agency}/refused/{dataset}/{batch_id}/validation.html")
def refused_batch(agency: AgencyDep, dataset: str, batch_id: str) -> Response:
    """Show why a batch was refused."""
    for page in refused_pages(agency, dataset) if dataset in _datasets_of(agency) else ():
        if page.parent.name == batch_id:
            return Response(page.read_bytes(), media_type=TYPES[".html"], headers=HEADERS)
    raise HTTPException(404, f"There is no refused batch {batch_id} of {agency}/{dataset}.")


@app.get("/{agency}/{path:path}")
def part(agency: AgencyDep, path: str, request: Request, user: GetUserDep) -> Response:
    """Show a page, or give a download, of the current version."""
    requested = find_part(path)
    if requested is None:
        raise HTTPException(404, "There is no such page.")
    if requested.is_restricted:
        right = Right.MANAGE if requested.for_managers else Right.SEE
        desk.demand_right(request, user, agency, right)
    version = current_folder(agency)
    found = None if version is None else find_file(version, path)
    if version is None or found is None:
        raise HTTPException(
            404,
            f"The published version of {agency} has no {path}: run its build DAG, or look "
            "whether this version was made by an older release.",
        )
    if requested.is_restricted:
        try:
            reason = request.query_params.get("reason") or NO_REASON
            note_access(agency, user.get_name(), path, version.name, reason)
        except OSError as error:
            LOG.error("the access log of %s cannot be written: %s", agency, error)
            raise HTTPException(503, NOT_LOGGED) from error
    file = PurePosixPath(path)
    headers = dict(HEADERS)
    is_documentation = requested.path == docs_site.FOLDER
    own_policy = docs_site.read_policy(version) if is_documentation else POLICIES.get(path)
    headers["Content-Security-Policy"] = own_policy or POLICY
    if file.suffix != ".html" and not is_documentation:
        headers["Content-Disposition"] = f'attachment; filename="{agency}-{file.name}"'
    return FileResponse(found, media_type=TYPES[file.suffix], headers=headers)


def _render_page(template: str, **values: Any) -> Response:
    return HTMLResponse(render(template, **values), headers=HEADERS)


def _datasets_of(agency: str) -> list[str]:
    """Name the agency's datasets; none if its folder is broken, which other pages say."""
    try:
        return list(load_agency(agency).sources)
    except CdiError:
        return []
