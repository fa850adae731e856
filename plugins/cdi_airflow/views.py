"""Pages of the published versions behind Airflow's log-in, mounted at ``/cdi`` by `cdi_pages`.

Airflow's own permissions decide for each agency: whoever may see its build DAG may see the open
parts, and whoever may also start runs of it may see the restricted ones
(`cdi.publish.parts.PARTS`). Each look at a restricted part is written down before the part is
shown. Each request follows ``current`` once and reads a file; nothing stays open.
"""

import contextlib
import logging
from pathlib import PurePosixPath
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from cdi import paths
from cdi.agency.load import agency_names, load_agency
from cdi.build.version import find_description
from cdi.desk.people import Right
from cdi.errors import CdiError
from cdi.publish import parts
from cdi.publish.access import (
    NO_REASON,
    current_folder,
    note_access,
    read_part,
    refused_pages,
)
from cdi.publish.parts import find_part
from cdi.render import render
from cdi_airflow import desk

LOG = logging.getLogger(__name__)
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Our pages load nothing from elsewhere and run no scripts.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# dbt's page runs scripts of others, so it gets neither Airflow's cookies nor its API.
DBT_POLICY = f"{POLICY}; script-src 'unsafe-inline' 'unsafe-eval'; sandbox allow-scripts"
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


@app.get("/", response_class=HTMLResponse)
def index(request: Request, user: GetUserDep) -> Response:
    """List the agencies whose build DAG the user may see."""
    agencies = []
    for name in agency_names():
        with contextlib.suppress(HTTPException):
            agencies.append(_describe_agency(may_read(name, request, user)))
    return _render_page("pages.html.j2", agencies=agencies, is_simulated=False)


@app.get("/dag/{dag_id}")
def of_dag(dag_id: str, user: GetUserDep) -> Response:
    """Lead from the tab of a DAG to the pages of its agency."""
    agency, _, step = dag_id.rpartition("__")
    if not step or agency not in agency_names():
        raise HTTPException(404, f"{dag_id} is no DAG of an agency, so it has no pages.")
    return RedirectResponse(f"../{agency}/", headers=HEADERS)


@app.get("/{agency}/", response_class=HTMLResponse)
def agency_index(agency: AgencyDep, request: Request, user: GetUserDep) -> Response:
    """List what the agency's current version holds, and its refused batches."""
    described = _describe_agency(agency)
    return _render_page(
        "agency_pages.html.j2",
        is_simulated=described["is_simulated"],
        agency=described,
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
        desk.demand_right(request, user, agency, Right.SEE)
    version = current_folder(agency)
    content = None if version is None else read_part(version, path)
    if version is None or content is None:
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
            raise HTTPException(
                503,
                "This page is shown only if the access can be written down, and it cannot: "
                "tell operations.",
            ) from error
    file = PurePosixPath(path)
    headers = dict(HEADERS)
    if file.name == "dbt_docs.html":
        headers["Content-Security-Policy"] = DBT_POLICY
    if file.suffix != ".html":
        headers["Content-Disposition"] = f'attachment; filename="{agency}-{file.name}"'
    return Response(content, media_type=TYPES[file.suffix], headers=headers)


def _render_page(template: str, **values: Any) -> Response:
    return HTMLResponse(render(template, **values), headers=HEADERS)


def _datasets_of(agency: str) -> list[str]:
    """Name the agency's datasets; none if its folder is broken, which other pages say."""
    try:
        return list(load_agency(agency).sources)
    except CdiError:
        return []


def _describe_agency(agency: str) -> dict[str, Any]:
    """Gather what the index pages say of an agency."""
    try:
        loaded = load_agency(agency)
        name, is_simulated, queue = loaded.name, loaded.is_simulated, loaded.runs_on
    except CdiError:
        name, is_simulated, queue = agency, agency == paths.SIMULATED, None
    version = current_folder(agency)
    return {
        "agency": agency,
        "name": name,
        "is_simulated": is_simulated,
        "queue": queue,
        "version": find_description(version) if version else None,
        "parts": [
            part for part in parts.PARTS if version is not None and (version / part.link).is_file()
        ],
        "is_compared": version is not None and (version / "comparison.json").is_file(),
        "refused": [
            (dataset, page.parent.name)
            for dataset in _datasets_of(agency)
            for page in refused_pages(agency, dataset)
        ],
    }
