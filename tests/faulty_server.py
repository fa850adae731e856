"""A portal on loopback that answers as four kinds of API do, and misbehaves as it is told to."""

import json
import random
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

DATASET = "33kz-ixgy"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
Row = dict[str, Any]
Fault = Callable[["Handler"], bool]  # whether it answered itself

_CSS_OF_A_PROXY = "<style>p {color: red}</style>"
_SOCRATA = {"local": "floating_timestamp", "moment": "fixed_timestamp"}
_ARCGIS = {
    "local": "esriFieldTypeDate", "moment": "esriFieldTypeDate", "number": "esriFieldTypeDouble",
    "text": "esriFieldTypeString",
}  # fmt: skip
_CKAN = {"local": "timestamp", "moment": "timestamptz", "number": "numeric"}
_OPENDATASOFT = {"moment": "datetime", "number": "double"}


@dataclass
class Question:
    """A question that was asked."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]


@dataclass
class Portal:
    """A portal with one dataset, or with a layer for each number.

    Attributes:
        columns: Kind of each column: text, number, local (a local time) or moment.
        rows: The rows; each has an `_id`, and times without a zone (UTC for moments).
        layers: Rows of further ArcGIS layers, by number.
        asked: All questions so far.
        faults: What happens to the next questions, in turn; None answers as it should.
        always: What happens to every further question.
        page_limit: The most rows that a page may have.
        row_limit: The most rows that all pages together may have.
        has_order: Whether rows come in the order that is asked for.
        knows_place: Whether the place in the pages is heeded.
        on_page: Is called after each page of rows.
        edited: When the dataset was edited last; None if the portal does not say.
        replica: When the replica that answers was edited last; None means `edited`.
        has_sql: Whether CKAN answers SQL.
        estimates: Whether CKAN estimates how many rows there are.
        token: What a question must have to be answered; None if anybody may ask.
        now: The portal's clock; None if it has none.
        content_type: The type of answers in JSON.
        time_zone: The zone in which ArcGIS takes times in questions; None means UTC.
        declares_zone: Whether ArcGIS gives that zone's usual name.
        has_long_headers: Whether Socrata leaves the headers with columns out.
    """

    columns: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    layers: dict[int, list[Row]] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)
    always: Fault | None = None
    page_limit: int = 1_000_000
    row_limit: int = 1_000_000
    has_order: bool = True
    knows_place: bool = True
    on_page: Callable[[], None] = lambda: None
    edited: datetime | None = datetime(2026, 11, 1, tzinfo=UTC)
    replica: datetime | None = None
    has_sql: bool = True
    estimates: bool = False
    token: str | None = None
    now: datetime | None = NOW
    content_type: str = "application/json;charset=utf-8"
    time_zone: str | None = None
    declares_zone: bool = True
    has_long_headers: bool = False
    address: str = ""
    shuffle: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    stopped: threading.Event = field(default_factory=threading.Event)

    def choose(self, where: str, rows: list[Row] | None = None) -> list[Row]:
        """The rows that a condition of any of the four languages chooses, in order."""
        chosen = self.rows if rows is None else rows
        if undated := re.search(r"[\"`]?(\w+)[\"`]? (?:is null|IS NULL)", where):
            return [row for row in chosen if row[undated[1]] is None]
        if found := re.search(r"[\"`]?(\w+)[\"`]? >= \D*'([^']+)' (?:and|AND) .*?'([^']+)'", where):
            column, *bounds = found.groups()
            if "TIMESTAMP" not in where:  # which has no zone; elsewhere moments need one
                is_moment = self.columns[column] == "moment"
                assert [bound.endswith(("Z", "+00:00")) for bound in bounds] == [is_moment] * 2
            start, end = (_read_time(bound) for bound in bounds)
            if self.time_zone:
                zone = ZoneInfo(self.time_zone)
                start, end = (
                    bound.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
                    for bound in (start, end)
                )
            chosen = [
                row for row in chosen
                if row[column] is not None and start <= row[column] < end
            ]  # fmt: skip
        return sorted(chosen, key=lambda row: row["_id"])

    def page(self, rows: list[Row], where: str, limit: int, offset: int = 0) -> list[Row]:
        """A page of rows, as far as the portal knows order and place."""
        after = re.search(r"(?::id|OBJECTID|_id) > '?(?:row-)?(\d+)", where)
        if self.knows_place:
            rows = [row for row in rows if not after or row["_id"] > int(after[1])]
        if not self.has_order:
            rows = self.shuffle.sample(rows, len(rows))
        start = offset if self.knows_place else 0
        rows = rows[: self.row_limit]
        page = rows[start : start + min(limit, self.page_limit)]
        self.on_page()
        return page

    def edit(self) -> None:
        """Note an edit."""
        assert self.edited
        self.edited += timedelta(minutes=1)


def _read_time(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix("Z").removesuffix("+00:00"))


class Handler(BaseHTTPRequestHandler):
    """Answers one question after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each body would wait for its headers to be acknowledged
    portal: Portal

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a question whose parameters are in the address."""
        self._answer(dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        """Answer a question whose parameters are in the body."""
        length = int(self.headers["Content-Length"])
        self._answer(dict(parse_qsl(self.rfile.read(length).decode())))

    def _answer(self, parameters: dict[str, str]) -> None:
        portal, path = self.portal, urlsplit(self.path).path
        portal.asked.append(Question(self.command, path, parameters, dict(self.headers)))
        fault = portal.faults.pop(0) if portal.faults else portal.always
        if fault and fault(self):
            return
        for start, answer in (
            ("/resource/", self._socrata), ("/api/views/", self._socrata_view),
            ("/arcgis/", self._arcgis), ("/api/3/action/", self._ckan),
            ("/api/explore/", self._opendatasoft),
        ):  # fmt: skip
            if path.startswith(start):
                answer(path, parameters)
                return
        self.send(404, b'{"code": "not_found", "error": true, "message": "no such place"}')

    def send(
        self,
        status: int,
        body: bytes,
        kind: str | None = None,
        length: int | None = None,
        **headers: str,
    ) -> None:
        """Send an answer; with a length of its own it can be one that breaks off."""
        self.send_response_only(status)
        if self.portal.now:
            self.send_header("Date", format_datetime(self.portal.now, usegmt=True))
        self.send_header("Content-Type", kind or self.portal.content_type)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, value: Any, status: int = 200, **headers: str) -> None:
        """Send JSON."""
        self.send(status, json.dumps(value).encode(), **headers)

    # Socrata

    def _socrata(self, path: str, parameters: dict[str, str]) -> None:
        portal = self.portal
        if portal.token and self.headers["X-App-Token"] != portal.token:
            message = f"Invalid app_token specified: {self.headers['X-App-Token']}"
            error = {"code": "permission_denied", "error": True, "message": message}
            self.send_json(error, 403)
            return
        where = parameters.get("$where", "")
        names = re.findall(r"`(\w+)`", parameters.get("$select", "")) or list(portal.columns)
        rows = portal.choose(where)
        if "count(*)" in parameters.get("$select", ""):
            body: list[dict[str, Any]] = [{"row_count": str(len(rows))}]
        elif parameters["$limit"] == "0":
            body = []
        else:
            assert parameters["$order"] == ":id"
            page = portal.page(rows, where, int(parameters["$limit"]))
            body = [self._socrata_row(row, names) for row in page]
        self.send_json(body, **self._socrata_headers(names))

    def _socrata_row(self, row: Row, names: list[str]) -> Row:
        values: Row = {":id": f"row-{row['_id']:04}"}
        for name in names:
            value = row[name]
            if isinstance(value, datetime):
                zone = "Z" if self.portal.columns[name] == "moment" else ""
                value = value.isoformat(timespec="milliseconds") + zone
            if value is not None:  # fields that are null are left out
                values[name] = value if isinstance(value, str | bool) else str(value)
        return values

    def _socrata_headers(self, names: list[str]) -> dict[str, str]:
        portal = self.portal
        headers = {"X_SODA2_Data_Out_Of_Date": "false"}
        if portal.edited:
            replica = portal.replica or portal.edited
            headers |= {
                "X_SODA2_Truth_Last_Modified": format_datetime(portal.edited, usegmt=True),
                "X_SODA2_Secondary_Last_Modified": format_datetime(replica, usegmt=True),
            }
        if not portal.has_long_headers:
            types = [_SOCRATA.get(portal.columns[name], portal.columns[name]) for name in names]
            headers |= {"X_SODA2_Fields": json.dumps(names), "X_SODA2_Types": json.dumps(types)}
        return headers

    def _socrata_view(self, path: str, parameters: dict[str, str]) -> None:
        types = {"local": "calendar_date", "moment": "date"}
        columns = [
            {"name": name.title(), "fieldName": name, "dataTypeName": types.get(kind, kind)}
            for name, kind in self.portal.columns.items()
        ]
        self.send_json({"id": DATASET, "columns": columns})

    # ArcGIS

    def _arcgis(self, path: str, parameters: dict[str, str]) -> None:
        assert parameters["f"] == "json"
        portal = self.portal
        if portal.token and parameters.get("token") != portal.token:
            code, message = (498, "Invalid token.") if "token" in parameters else (499, "")
            details = [parameters.get("token", "Token Required")]
            self.send_json({"error": {"code": code, "message": message, "details": details}})
            return
        layer = path.removesuffix("/query").rpartition("/")[2]
        rows = portal.layers.get(int(layer), portal.rows)
        if path.endswith("/query"):
            self.send_json(self._arcgis_query(rows, parameters))
        else:
            self.send_json(self._arcgis_layer())

    def _arcgis_layer(self) -> Row:
        portal = self.portal
        fields = [{"name": "OBJECTID", "type": "esriFieldTypeOID", "alias": "OBJECTID"}]
        fields += [
            {"name": name, "type": _ARCGIS[kind], "alias": name}
            for name, kind in portal.columns.items()
        ]
        layer: Row = {"id": 0, "maxRecordCount": portal.page_limit, "objectIdField": "OBJECTID",
                 "fields": fields, "capabilities": "Query"}  # fmt: skip
        if portal.edited:
            layer["editingInfo"] = {"lastEditDate": 1, "dataLastEditDate": _epoch(portal.edited)}
        if portal.time_zone:
            layer["dateFieldsTimeReference"] = {"timeZone": "Eastern Standard Time",
                "respectsDaylightSaving": True}  # fmt: skip
            if portal.declares_zone:
                layer["dateFieldsTimeReference"]["timeZoneIANA"] = portal.time_zone
        return layer

    def _arcgis_query(self, rows: list[Row], parameters: dict[str, str]) -> Row:
        where = parameters["where"]
        if "outStatistics" in parameters:
            newest = max((row["_id"] for row in rows), default=None)
            return {"features": [{"attributes": {"newest": newest}}]}
        rows = self.portal.choose(where, rows)
        if parameters.get("returnCountOnly") == "true":
            return {"count": len(rows)}
        page = self.portal.page(rows, where, int(parameters["resultRecordCount"]))
        names = parameters["outFields"].split(",")
        features = [
            {"attributes": {
                name: row["_id"] if name == "OBJECTID" else _arcgis_value(row[name])
                for name in names
            }}
            for row in page
        ]  # fmt: skip
        answer: Row = {"objectIdFieldName": "OBJECTID", "globalIdFieldName": "",
                       "features": features}  # fmt: skip
        if features:  # an empty result has no fields
            kinds = self._arcgis_layer()["fields"]
            answer["fields"] = [kind for kind in kinds if kind["name"] in names]
        if len(page) < len(rows):
            answer["exceededTransferLimit"] = True
        return answer

    # CKAN

    def _ckan(self, path: str, parameters: dict[str, str]) -> None:
        portal, action = self.portal, path.rpartition("/")[2]
        if portal.token and self.headers["Authorization"] != portal.token:
            message = f"Access denied: {self.headers['Authorization']} may not read it"
            error = {"__type": "Authorization Error", "message": message}
            self.send_json({"success": False, "error": error}, 403)
            return
        if action == "datastore_search_sql" and not portal.has_sql:
            self.send_json(f"Bad request - Action name not known: {action}", 400)
            return
        result = {
            "resource_show": self._ckan_resource, "datastore_search": self._ckan_search,
            "datastore_search_sql": self._ckan_sql,
        }[action](parameters)  # fmt: skip
        self.send_json({"help": f"help_show?name={action}", "success": True, "result": result})

    def _ckan_resource(self, parameters: dict[str, str]) -> Row:
        edited = self.portal.edited
        return {"id": parameters["id"], "last_modified": edited and edited.isoformat()}

    def _ckan_search(self, parameters: dict[str, str]) -> Row:
        portal = self.portal
        names = parameters.get("fields", ",".join(["_id", *portal.columns])).split(",")
        rows = portal.choose("")
        page: list[Row] = []
        if parameters["limit"] != "0":
            if parameters["sort"] == "_id desc":
                page = rows[-1:]
            else:
                assert parameters["sort"] == "_id asc"
                page = portal.page(rows, "", int(parameters["limit"]), int(parameters["offset"]))
        result: Row = {"include_total": True, "resource_id": parameters["resource_id"],
            "total": len(rows), "total_was_estimated": portal.estimates,
            "fields": [self._ckan_field(name) for name in names],
            "records": [self._ckan_row(row, names) for row in page]}  # fmt: skip
        return result

    def _ckan_sql(self, parameters: dict[str, str]) -> Row:
        query = parameters["sql"]
        rows = self.portal.choose(query)
        if "count(*)" in query:
            return {"sql": query, "records": [{"row_count": len(rows)}]}
        limit = int(query.rpartition(" ")[2])
        if limit == 0:
            return {"sql": query, "records": []}
        names = re.findall(r'"(\w+)"', query.partition(" from ")[0])
        assert f' from "{DATASET}" where ' in query
        assert f" order by _id limit {limit}" in query
        page = self.portal.page(rows, query, limit)
        return {"sql": query, "fields": [self._ckan_field(name) for name in names],
                "records": [self._ckan_row(row, names) for row in page]}  # fmt: skip

    def _ckan_field(self, name: str) -> Row:
        kind = self.portal.columns.get(name)
        return {"id": name, "type": "int" if name == "_id" else _CKAN.get(kind or "", kind)}

    def _ckan_row(self, row: Row, names: list[str]) -> Row:
        zone = {name: "+00:00" if self.portal.columns.get(name) == "moment" else ""
                for name in names}  # fmt: skip
        return {name: _iso(row[name], zone[name]) for name in names}

    # Opendatasoft

    def _opendatasoft(self, path: str, parameters: dict[str, str]) -> None:
        portal = self.portal
        if portal.token and self.headers["Authorization"] != f"Apikey {portal.token}":
            message = f"{self.headers['Authorization']} is not valid"
            self.send_json({"error_code": "InvalidApiKey", "message": message}, 401)
            return
        rows = portal.choose(parameters.get("where", ""))
        if path.endswith("/records"):
            if int(parameters.get("offset", 0)) + int(parameters["limit"]) > 10_000:
                error = {"error_code": "InvalidRESTParameterError",
                         "message": "offset + limit should be less than 10000."}  # fmt: skip
                self.send_json(error, 400)
                return
            self.send_json({"total_count": len(rows), "results": []})
        elif path.endswith("/exports/jsonl"):
            assert parameters["timezone"] == "UTC"
            names = re.findall(r"`(\w+)`", parameters["select"])
            lines = [
                json.dumps({name: _iso(row[name], "+00:00") for name in names}) for row in rows
            ]
            portal.on_page()
            self.send(200, "".join(f"{line}\n" for line in lines).encode(), "application/jsonl")
        else:
            fields = [
                {"name": name, "label": name, "type": _OPENDATASOFT.get(kind, kind)}
                for name, kind in portal.columns.items()
            ]
            modified = portal.edited and portal.edited.isoformat()
            about = {"modified": modified, "data_processed": modified}
            self.send_json({"dataset_id": "calls", "fields": fields, "metas": {"default": about}})


def _epoch(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _arcgis_value(value: Any) -> Any:
    return _epoch(value) if isinstance(value, datetime) else value


def _iso(value: Any, zone: str) -> Any:
    return value.isoformat() + zone if isinstance(value, datetime) else value


class Server(ThreadingHTTPServer):
    """A server that does not mind if the other side hangs up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what is wrong in this file alone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def open_portal(columns: dict[str, str]) -> Iterator[Portal]:
    """Start a portal on loopback; stop it afterwards.

    Args:
        columns: See `Portal`.

    Yields:
        The portal; its address is `address`.
    """
    portal = Portal(dict(columns))
    handler = type("PortalHandler", (Handler,), {"portal": portal})
    with Server(("127.0.0.1", 0), handler) as server:
        portal.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield portal
        finally:
            portal.stopped.set()
            server.shutdown()
            thread.join()


def refuse(status: int, said: Any = "busy", **headers: str) -> Fault:
    """A fault: this status, with an error in JSON."""

    def answer(handler: Handler) -> bool:
        handler.send_json({"error": True, "message": said}, status, **headers)
        return True

    return answer


def say(body: Any) -> Fault:
    """A fault: this JSON, with the status of success."""

    def answer(handler: Handler) -> bool:
        handler.send_json(body)
        return True

    return answer


def show_page_of_proxy(handler: Handler) -> bool:
    """A fault: a page in HTML, with the status of success."""
    page = f"<html>{_CSS_OF_A_PROXY}<h1>Maintenance</h1>\n<p>until 5 o'clock</p></html>"
    handler.send(200, page.encode(), "text/html; charset=utf-8")
    return True


def cut(handler: Handler) -> bool:
    """A fault: the connection ends in the middle of the body."""
    handler.send(200, b'[{"number": "1"}, {"num', length=1000)
    handler.close_connection = True
    return True


def truncate(handler: Handler) -> bool:
    """A fault: half of the body, as if it were the whole."""
    handler.send(200, b'[{"number": "1"}, {"num')
    return True


def hang(handler: Handler) -> bool:
    """A fault: no answer."""
    handler.portal.stopped.wait(30)
    handler.close_connection = True
    return True
