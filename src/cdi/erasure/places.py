"""Where identifiers go, as data: each place, how a reference is written there, what is left alone.

==========================  ===============================================  =====================
place                       fields that may hold a reference                 written as
==========================  ===============================================  =====================
landing, rows               columns of the kind reference; texts             typed, canonical; raw
landing, refused rows       mapped reference columns, or any field of a      raw, JSON
                            line that could not be read; texts
decisions, findings         reference columns; other columns as texts        raw, CSV
audit register, worksheets  `call_id` of frames; columns and cells           raw, CSV, XML
what was learnt             `call_id` of audited logs                        raw
published versions          any column; names and content of pages           page name, HTML, JSON
access/<agency>.jsonl       `what`: the page                                 page name, JSON
airflow/logs                text of lines about this agency or none          any
airflow/airflow.db          `AIRFLOW_COLUMNS`, of runs of this agency        any, JSON
==========================  ===============================================  =====================

An erasure touches these places and nothing else; the search after it looks at every file.
"""

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

from cdi.agency.datasets import DATASETS
from cdi.agency.key_rules import capitals
from cdi.report.worklist import FOLDER, page_stem

# Columns that hold a reference in frames, in what was learnt, and in published tables.
_PUBLISHED_COLUMNS = {
    "call": ("call_id", "published_call_id"),
    "record": ("crime_record_id", "non_crime_record_id", "published_record_id"),
}

# Tables of Airflow's database: what gives the DAG of a row, and the columns with content that
# tasks or people write. All other columns hold ids, states and times.
_DAG_OF_TASK = "(select dag_id from task_instance where id = ti_id)"
_ASKED = ("subject", "body", "params", "params_input", "options", "chosen_options", "defaults")
AIRFLOW_COLUMNS: dict[str, tuple[str, tuple[str, ...]]] = {
    "asset_event": ("source_dag_id", ("extra",)),
    "backfill": ("dag_id", ("dag_run_conf",)),
    "dag_run": ("dag_id", ("conf",)),
    "dag_run_note": ("(select dag_id from dag_run where id = dag_run_id)", ("content",)),
    "hitl_detail": (_DAG_OF_TASK, _ASKED),
    "hitl_detail_history": (
        "(select dag_id from task_instance_history where task_instance_id = ti_history_id)",
        _ASKED,
    ),
    "log": ("dag_id", ("extra",)),
    "rendered_task_instance_fields": ("dag_id", ("rendered_fields",)),
    "task_instance": ("dag_id", ("next_kwargs",)),
    "task_instance_history": ("dag_id", ("next_kwargs",)),
    "task_instance_note": (_DAG_OF_TASK, ("content",)),
    "task_state_store": ("dag_id", ("value",)),
    "xcom": ("dag_id", ("value",)),
}

# Fields of lines of JSON that the access log and Airflow fill with times, ids and places in code.
FIELDS_WITHOUT_REFERENCES = (
    *("at", "who", "version", "timestamp", "level", "logger", "filename", "lineno", "dag_id"),
    *("task_id", "run_id", "ti_id", "map_index", "try_number", "pid", "bundle_version"),
)
_FIELDS = "|".join(FIELDS_WITHOUT_REFERENCES)
# What looks like a reference and is none, wherever it stands: such a field, or a UUID.
NEVER_REFERENCES = (
    rf"\"(?:{_FIELDS})\": ?(?:\"(?:[^\"\\]|\\.)*\"|-?[0-9.]+)",
    r"(?<![0-9A-Za-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z])",
)
# A time is none either, unless a reference begins with it.
TIME = r"(?<![0-9])[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
# The folder of pages of single logs, as a path is written raw, in a URL and in JSON.
PAGE_FOLDERS = tuple(f"{FOLDER}{slash}logs{slash}" for slash in ("/", "%2F", "\\/"))
_DAGS = "alert|audit|build|extract|retain|train"
_NAMED_AGENCY = re.compile(rf"([a-z0-9_]+?)__(?:{_DAGS})(?![a-z])|/cdi/([a-z0-9_]+)/".encode())


def written_forms(reference: str) -> frozenset[str]:
    """Every way in which a reference is written in these places, except as a page name.

    Python's patterns of bytes know the case of ASCII letters only, so other letters are given in
    both cases.

    Args:
        reference: As typed, or in its canonical form.
    """
    raw = {reference, capitals(reference), reference.lower()}
    forms = set(raw)
    for form in raw:
        forms |= {quote(form, safe=""), quote(form), quote_plus(form)}
        escaped = html.escape(form, quote=False)
        forms |= {escaped, html.escape(form), form.replace('"', '""')}
        forms.add(escaped.replace('"', "&#34;").replace("'", "&#39;"))  # as Jinja writes them
    for _ in range(2):  # JSON may hold text that is JSON itself
        for form in list(forms):
            for is_ascii in (True, False):
                dumped = json.dumps(form, ensure_ascii=is_ascii)[1:-1]
                forms |= {dumped, dumped.replace("/", "\\/")}
    return frozenset(forms)


def page_names(references: Iterable[str]) -> frozenset[str]:
    """What the names of the pages of calls begin with."""
    return frozenset(page_stem(reference) for reference in references)


def reference_columns(things: Iterable[str]) -> frozenset[str]:
    """Columns of batches, frames and published tables that refer to such things."""
    landed = {
        name
        for columns in DATASETS.values()
        for column in columns
        if column.kind == "reference" and column.thing in things
        for name in column.outputs
    }
    return frozenset(landed.union(*(_PUBLISHED_COLUMNS[thing] for thing in things)))


def is_of_another_agency(agency_id: str, line: bytes) -> bool:
    """Whether a line of a shared log names a DAG or a page of another agency and none of this."""
    named = {name.decode() for match in _NAMED_AGENCY.findall(line) for name in match if name}
    return bool(named) and agency_id not in named


def is_folder_of_another_agency(agency_id: str, path: Path) -> bool:
    """Whether a path in a shared folder is one of another agency's.

    Args:
        agency_id: The agency.
        path: Below the state folder.
    """
    if path.parts[0] == "access":
        return path.name.split(".")[0] != agency_id
    dags = [part.removeprefix("dag_id=") for part in path.parts if part.startswith("dag_id=")]
    return any(not dag.startswith(f"{agency_id}__") for dag in dags)
