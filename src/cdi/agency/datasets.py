"""The datasets that an agency can deliver and their canonical columns: the landing's contract.

An agency maps its own column names to these. Every batch in the landing has all columns of its
dataset, null where the agency delivers none, so that staging needs no SQL for one agency alone. An
agency must deliver the datasets of `REQUIRED`; of any other that it lacks, the build sees no rows.

A column's kind says what happens to its values at extraction:

====================  ======================================================================
kind                  what the landing holds
====================  ======================================================================
text, code            the trimmed text
reference             the text as typed; its canonical form: `call_key` of `call_reference` (null
                      if no key rule of the agency reads it); and `call_no`, the number that stands
                      for the canonical form where rows are joined
timestamp             a UTC timestamp, converted from the agency's local time
number, boolean       DOUBLE, BOOLEAN
name, address,        `<column>_hash`, a keyed hash of the normalised value, and `has_<column>`;
phone, birth_date     the value itself is not kept (design 5.11). An address also has
                      `<column>_line_hash` (house and street) and `<column>_postcode_hash`. Where
                      records are linked by it, `<column>_variants` (of an address
                      `<column>_street_variants`) tells typing errors: see `cdi.landing.variants`
age                   `<column>_band`: 0-9, 10-17, 18-29, 30-44, 45-64 or 65+
free_text             `<column>_masked`: the text, with masks in place of e-mail addresses, street
                      addresses, postcodes, number plates, dates and long numbers (also those that
                      are spelt out), of the names, phones and addresses in the same row, of names
                      that the text announces, and of two or more capitalised words in a row. A
                      single name of somebody who is in no column may stay, so the text is still
                      restricted
====================  ======================================================================
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "text",
    "code",
    "reference",
    "timestamp",
    "number",
    "boolean",
    "name",
    "address",
    "phone",
    "birth_date",
    "age",
    "free_text",
]

HASHED: frozenset[str] = frozenset({"name", "address", "phone", "birth_date"})
TIMES: frozenset[str] = frozenset({"timestamp", "birth_date"})
PERSONAL: frozenset[str] = HASHED | {"age", "free_text"}
THINGS = ("call", "record")  # what a reference can refer to


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes:
        name: Canonical name.
        kind: What happens to a value; see the table of this module.
        is_required: Whether agency.yaml must map it, and each row must have a value.
        is_identity: Whether it belongs to the key that says what a row is about; such a column is
            required. Two rows of a file with the same key and different content are a KEY-CONFLICT.
        refers_to: What a reference refers to (`call` or `record`), where its name does not say it.
        is_linked_by: Whether records and calls are linked by it though it may be mistyped; of a
            name or an address.
        is_newer: Whether people's files that were written before the product knew the column may
            lack it.
    """

    name: str
    kind: Kind
    is_required: bool = False
    is_identity: bool = False
    refers_to: str | None = None
    is_linked_by: bool = False
    is_newer: bool = False

    @property
    def thing(self) -> str:
        """For a reference: what it refers to, e.g. `call` for `call_reference`."""
        return self.refers_to or self.name.removesuffix("_reference")

    @property
    def key_name(self) -> str:
        """For a reference: the column of its canonical form, e.g. `cross_key`."""
        return f"{self.name.removesuffix('_reference')}_key"

    @property
    def number_name(self) -> str:
        """For a reference or a text: the column of its number, e.g. `cross_no`, `log_text_no`."""
        return f"{self.name.removesuffix('_reference')}_no"

    @property
    def hashes(self) -> dict[str, str]:
        """For a hashed kind: the landing's columns, and which part of the value each one hashes."""
        hashes = {f"{self.name}_hash": str(self.kind)}
        if self.kind == "address":
            hashes |= {
                f"{self.name}_line_hash": "address_line",
                f"{self.name}_postcode_hash": "postcode",
            }
        return hashes

    @property
    def variants(self) -> dict[str, str]:
        """The landing's column of the value's variants, and the part of the value they are of."""
        if not self.is_linked_by:
            return {}
        part = "street" if self.kind == "address" else str(self.kind)
        prefix = f"{self.name}_street" if self.kind == "address" else self.name
        return {f"{prefix}_variants": part}

    @property
    def outputs(self) -> dict[str, str]:
        """Names and DuckDB types of the landing's columns with the content of this column.

        The number of a reference or a text and the variants of a value are not among them: they say
        the same once more.
        """
        if self.kind == "reference":
            return {self.name: "VARCHAR", self.key_name: "VARCHAR"}
        if self.kind in HASHED:
            return {**dict.fromkeys(self.hashes, "VARCHAR"), f"has_{self.name}": "BOOLEAN"}
        if self.kind == "age":
            return {f"{self.name}_band": "VARCHAR"}
        if self.kind == "free_text":
            return {f"{self.name}_masked": "VARCHAR"}
        types = {"timestamp": "TIMESTAMP", "number": "DOUBLE", "boolean": "BOOLEAN"}
        return {self.name: types.get(self.kind, "VARCHAR")}


DATASETS: dict[str, tuple[Column, ...]] = {
    "calls": (
        Column("call_reference", "reference", is_required=True, is_identity=True),
        Column("received_at", "timestamp", is_required=True),
        Column("dispatched_at", "timestamp"),
        Column("arrived_at", "timestamp"),
        Column("closed_at", "timestamp"),
        Column("source_channel", "code"),
        Column("initial_priority_code", "code"),
        Column("priority_code", "code"),
        Column("initial_type_code", "code"),
        Column("initial_type_name", "text"),
        Column("final_type_code", "code", is_required=True),
        Column("final_type_name", "text"),
        Column("disposition_code", "code"),
        Column("disposition_name", "text"),
        Column("qualifiers", "text"),
        Column("is_self_initiated", "boolean"),
        Column("district", "code"),
        Column("beat", "code"),
        Column("longitude", "number"),
        Column("latitude", "number"),
        Column("easting", "number"),
        Column("northing", "number"),
        Column("location", "address", is_linked_by=True),
        Column("record_reference", "reference"),
        Column("cross_reference", "reference", refers_to="call"),
        Column("caller_name", "name"),
        Column("caller_phone", "phone"),
        Column("victim_name", "name", is_linked_by=True),
        Column("victim_surname", "name", is_linked_by=True),
        Column("victim_forename", "name"),
        Column("victim_birth_date", "birth_date"),
        Column("log_text", "free_text"),
    ),
    "crime_records": (
        Column("record_reference", "reference", is_required=True, is_identity=True),
        Column("call_reference", "reference"),
        Column("record_type", "code"),
        Column("route", "code"),
        Column("reported_at", "timestamp"),
        Column("recorded_at", "timestamp"),
        Column("occurred_at", "timestamp"),
        Column("occurred_to_at", "timestamp"),
        Column("offence_code", "code", is_required=True),
        Column("offence_name", "text"),
        Column("offence_class", "code"),
        Column("previous_offence_class", "code"),
        Column("reclassified_at", "timestamp"),
        Column("status_code", "code"),
        Column("outcome_code", "code"),
        Column("flags", "text"),
        Column("cancellation_code", "code"),
        Column("cancelled_at", "timestamp"),
        Column("cancelled_by_role", "code"),
        Column("victim_told_at", "timestamp"),
        Column("other_force_reference", "text"),
        Column("surviving_record_reference", "reference", refers_to="record"),
        Column("charge_code", "code"),
        Column("charge_name", "text"),
        Column("person_type", "code"),
        Column("district", "code"),
        Column("beat", "code"),
        Column("longitude", "number"),
        Column("latitude", "number"),
        Column("easting", "number"),
        Column("northing", "number"),
        Column("location", "address", is_linked_by=True),
        Column("victim_name", "name", is_linked_by=True),
        Column("victim_surname", "name", is_linked_by=True),
        Column("victim_forename", "name"),
        Column("victim_birth_date", "birth_date"),
        Column("victim_age", "age"),
    ),
    # the timed entries of each log, where the system does not keep a log as one text
    "log_actions": (
        Column("call_reference", "reference", is_required=True, is_identity=True),
        Column("sequence_number", "number", is_required=True, is_identity=True),
        Column("acted_at", "timestamp", is_required=True),
        Column("author_code", "code"),
        Column("action_type", "code"),
        # references that the entry records; in its text they are masked
        Column("record_reference", "reference"),
        Column("cross_reference", "reference", refers_to="call"),
        Column("action_text", "free_text"),
    ),
    # the logs that an audit drew, with the texts that the auditors read; `calls` need not have them
    "audit_logs": (
        Column("call_reference", "reference", is_required=True, is_identity=True),
        Column("received_at", "timestamp", is_required=True),
        Column("stratum_code", "code", is_required=True),
        Column("inclusion_probability", "number", is_required=True),
        Column("auditor_code", "code", is_required=True),
        Column("initial_type_code", "code"),
        Column("final_type_code", "code", is_required=True),
        Column("disposition_code", "code"),
        Column("qualifiers", "text"),
        Column("account_text", "free_text"),
        Column("closing_text", "free_text"),
    ),
    # the crimes that the auditors found in those logs; a log without a row here reports no crime
    "audit_findings": (
        Column("call_reference", "reference", is_required=True, is_identity=True),
        Column("crime_number", "number", is_required=True, is_identity=True),
        Column("offence_code", "code", is_required=True),
        Column("offence_class", "code"),
        Column("is_domestic_abuse", "boolean"),
        Column("is_recorded", "boolean", is_required=True),
        Column("is_in_time", "boolean"),
        Column("is_rightly_classified", "boolean"),
        Column("record_reference", "reference"),
    ),
    # people's decisions about calls, records and failed checks; the same form for every agency
    "decisions": (
        Column("decision_reference", "text", is_required=True, is_identity=True),
        Column("decision_kind", "code", is_required=True),
        Column("call_reference", "reference"),
        Column("record_reference", "reference"),
        Column("crime_number", "number"),
        # of a waived check: its rule, and a hash of exactly what broke it
        Column("rule_id", "code"),
        Column("content_id", "code"),
        Column("reason_code", "code"),
        Column("reason", "free_text"),
        # staff numbers or sign-in names
        Column("decided_by", "code", is_required=True),
        Column("decided_at", "timestamp", is_required=True),
        Column("second_person", "code"),
        # What the person saw: the published version, a SHA-256 of the page, its word for the
        # likelihood, and whether the log came up by the order of the list or was drawn by lot.
        Column("version_seen", "text", is_newer=True),
        Column("evidence_hash", "text", is_newer=True),
        Column("seen_likelihood", "code", is_newer=True),
        Column("selection", "code", is_newer=True),
    ),
    # What auditors found in the logs that `.venv/bin/cdi audit draw` drew: for each reading of a
    # log a row with its counts (crime number 0), and a row for each crime found. The same form for
    # every agency.
    "audit_readings": (
        Column("draw_id", "text", is_required=True, is_identity=True),
        Column("call_reference", "reference", is_required=True, is_identity=True),
        # staff numbers, not names; `FCR` (the force crime registrar) decides where readings differ
        Column("auditor_code", "code", is_required=True, is_identity=True),
        Column("crime_number", "number", is_required=True, is_identity=True),
        Column("audited_at", "timestamp", is_required=True),
        Column("due_count", "number"),
        Column("recorded_count", "number"),
        Column("offence_code", "code"),
        # Y or N; a boolean column would read a typing error as N
        Column("domestic_abuse_code", "code"),
        Column("recorded_code", "code"),
        Column("recorded_at", "timestamp"),
        Column("rightly_classified_code", "code"),
        Column("record_reference", "reference"),
    ),
}

# the columns that people's older files may lack
NEWER: frozenset[str] = frozenset(
    column.name for columns in DATASETS.values() for column in columns if column.is_newer
)

REQUIRED: tuple[str, ...] = ("calls", "crime_records")
DECISIONS = "decisions"
READINGS = "audit_readings"
# Written by the people who use this product, not delivered: every agency has these datasets, though
# there may be no file yet.
BY_PEOPLE: tuple[str, ...] = (DECISIONS, READINGS)
# An audit that was made without this product; a force that was never audited delivers neither.
AUDITED: tuple[str, ...] = ("audit_logs", "audit_findings")

# For the retention limit, a row is as old as the first of these columns that it has; without any,
# it is as old as its file's as_of.
MOMENTS: dict[str, tuple[str, ...]] = {
    "calls": ("received_at",),
    "crime_records": ("recorded_at", "reported_at"),
    "log_actions": ("acted_at",),
    "audit_logs": ("received_at",),
}

NUMBER = "UBIGINT"
VARIANTS = "UINTEGER[]"

# the columns that the landing adds to every row
LINEAGE: dict[str, str] = {
    "row_id": "VARCHAR",  # name of the file, and number of the row in it
    "row_hash": "VARCHAR",  # sha256 of the mapped content
    "source_file": "VARCHAR",
    "source_as_of": "TIMESTAMP",  # UTC; the file tells the state at this time
}


def output_columns(dataset: str) -> dict[str, str]:
    """Names and DuckDB types of the columns of a batch, lineage last."""
    outputs: dict[str, str] = {}
    for column in DATASETS[dataset]:
        outputs |= column.outputs
    numbers = dict.fromkeys(number_expressions(dataset), NUMBER)
    return outputs | dict.fromkeys(variant_columns(dataset), VARIANTS) | numbers | LINEAGE


def variant_columns(dataset: str) -> tuple[str, ...]:
    """Names of the columns that hold variants of a value."""
    return tuple(name for column in DATASETS[dataset] for name in column.variants)


def number_expressions(dataset: str) -> dict[str, str]:
    """SQL for the number of each canonical key and free text, by the name of the number's column.

    Rows are joined on these numbers, because they take far less time and space than texts. Half of
    an MD5 is the same with every version of DuckDB, which its own `hash` need not be. It is what
    `md5_number_lower` gives; DuckDB works that out by way of a text, for three times the cost.
    """
    return {
        column.number_name: f"cast(md5_number({sql}) >> 64 as ubigint)"
        for column in DATASETS[dataset]
        for sql in [column.key_name if column.kind == "reference" else f"{column.name}_masked"]
        if column.kind in ("reference", "free_text")
    }
