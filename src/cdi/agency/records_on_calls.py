"""The source of crime records of an agency whose calls bear their record numbers.

Many portals publish calls alone, each with the number of its report or none. `crime_records:
on_calls` in agency.yaml stands for a second source that reads the same rows: those that have a
number are the crime records.
"""

from collections.abc import Mapping
from typing import Any

from cdi.agency.datasets import DATASETS

# What a call says of the record under another name.
_RENAMED = {
    "offence_code": "final_type_code",
    "offence_name": "final_type_name",
    "reported_at": "received_at",
}
# A record may stand on several calls, and rows of one key that differ are no conflict then.
_OF_CALLS_ALONE = ("columns", "ignored", "rows", "rows_per_key", "duplicates")


def derive_records_source(calls: Mapping[str, Any]) -> dict[str, Any]:
    """Make the source of crime records out of the source of calls, both as agency.yaml has them.

    Args:
        calls: The source of calls. The records get each of its columns that they have too, by the
            same name or as `_RENAMED` says.

    Returns:
        The source of crime records: of the same rows those that have a record number.

    Raises:
        ValueError: If that source cannot be made of one column; it has to be written out then.
    """
    columns = dict(calls.get("columns") or {})
    if "record_reference" not in columns:
        raise ValueError(
            "crime_records: on_calls needs sources.calls.columns.record_reference, the column that "
            "has the record numbers"
        )
    mapping = columns["record_reference"]
    mapping = dict(mapping) if isinstance(mapping, Mapping) else {"from": mapping}
    number = mapping.get("from")
    if not isinstance(number, str) or calls.get("rows") is not None:
        raise ValueError(
            "crime_records: on_calls is for record numbers in one column of all rows; write "
            "sources.crime_records out (docs/onboarding.md)"
        )
    taken = {column.name for column in DATASETS["crime_records"]} & columns.keys()
    of_record = {name: columns[name] for name in columns if name in taken}
    of_record |= {name: columns[call] for name, call in _RENAMED.items() if call in columns}
    has_number = mapping.get("extract") or r"\w"
    shared = {name: value for name, value in calls.items() if name not in _OF_CALLS_ALONE}
    return shared | {
        "rows_per_key": "many",
        "rows": {"from": number, "matches": f"(?s).*(?:{has_number}).*"},
        "columns": of_record,
        "ignored": [*calls.get("ignored", ()), *_list_unused(columns, of_record)],
    }


def _list_unused(columns: Mapping[str, Any], used: Mapping[str, Any]) -> list[str]:
    """List the source columns that calls have and records have not, so that none is unexpected."""
    of_calls, of_records = (
        dict.fromkeys(name for mapping in mappings.values() for name in _list_sources(mapping))
        for mappings in (columns, used)
    )
    return [name for name in of_calls if name not in of_records]


def _list_sources(mapping: Any) -> list[str]:
    source = mapping["from"] if isinstance(mapping, Mapping) else mapping
    return [source] if isinstance(source, str) else list(source)
