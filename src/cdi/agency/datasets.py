"""The datasets an agency can deliver and their canonical columns: the contract of the landing.

An agency maps its own column names to these; every batch in the landing has all columns of its
dataset (null where the agency has none), so staging needs no agency-specific SQL. An agency must
have the datasets of `REQUIRED`; of any other that it lacks, the build sees no rows.

A column's kind says what happens to a value at extraction:

====================  ======================================================================
kind                  becomes
====================  ======================================================================
text, code            trimmed text
reference             the text as typed, and its canonical form: `call_key` of `call_reference`
                      (null if no key rule of the agency reads it)
timestamp             UTC timestamp, from the agency's local time
number, boolean       DOUBLE, BOOLEAN
name, address,        `<column>_hash`: keyed hash of the normalised value, and `has_<column>`;
phone, birth_date     the value itself stops here (design 5.11). Of an address also
                      `<column>_line_hash` (house and street alone) and `<column>_postcode_hash`
age                   `<column>_band`, ten years wide, open from 80
free_text             `<column>_masked`: e-mail addresses, dates, long numbers, the row's own
                      names and capitalised names of two words masked; a lone first name of
                      somebody in no column stays, so the text stays restricted
====================  ======================================================================
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "text", "code", "reference", "timestamp", "number", "boolean",
    "name", "address", "phone", "birth_date", "age", "free_text",
]  # fmt: skip

HASHED: frozenset[str] = frozenset({"name", "address", "phone", "birth_date"})
PERSONAL: frozenset[str] = HASHED | {"age", "free_text"}


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes:
        name: Canonical name.
        kind: What happens to a value, see the module's table.
        is_required: Whether agency.yaml must map it, and each row must have it.
        is_identity: Whether it is part of what a row is about (and then required): rows of one file
            that agree on all such columns and not on the rest are a KEY-CONFLICT.
        refers_to: For a reference whose name does not say it: the thing whose key rules read it.
    """

    name: str
    kind: Kind
    is_required: bool = False
    is_identity: bool = False
    refers_to: str | None = None

    @property
    def thing(self) -> str:
        """For a reference: what it refers to (`call` of `call_reference`)."""
        return self.refers_to or self.name.removesuffix("_reference")

    @property
    def key_name(self) -> str:
        """For a reference: the column of its canonical form (`cross_key` of `cross_reference`)."""
        return f"{self.name.removesuffix('_reference')}_key"

    @property
    def hashes(self) -> dict[str, str]:
        """For a hashed kind: the landing's columns, and what of the value each is a hash of."""
        hashes = {f"{self.name}_hash": str(self.kind)}
        if self.kind == "address":
            hashes |= {
                f"{self.name}_line_hash": "address_line",
                f"{self.name}_postcode_hash": "postcode",
            }
        return hashes

    @property
    def outputs(self) -> dict[str, str]:
        """Names and DuckDB types of the columns that the landing has for it."""
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
        Column("location", "address"),
        Column("record_reference", "reference"),
        Column("cross_reference", "reference", refers_to="call"),
        Column("caller_name", "name"),
        Column("caller_phone", "phone"),
        Column("victim_name", "name"),
        Column("victim_surname", "name"),
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
        Column("location", "address"),
        Column("victim_name", "name"),
        Column("victim_surname", "name"),
        Column("victim_forename", "name"),
        Column("victim_birth_date", "birth_date"),
        Column("victim_age", "age"),
    ),
    # the timed entries of the logs, where a log is not one text
    "log_actions": (
        Column("call_reference", "reference", is_required=True, is_identity=True),
        Column("sequence_number", "number", is_required=True, is_identity=True),
        Column("acted_at", "timestamp", is_required=True),
        Column("author_code", "code"),
        Column("action_type", "code"),
        # numbers that an entry sets; in its text they are masked
        Column("record_reference", "reference"),
        Column("cross_reference", "reference", refers_to="call"),
        Column("action_text", "free_text"),
    ),
    # what an audit drew and what the auditors read; the log itself need not be in `calls`
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
    # the crimes that the auditors found in those logs; a log without a row here reports none
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
    # what people decided about a call, a record or a failed check; every agency has it, in one form
    "decisions": (
        Column("decision_reference", "text", is_required=True, is_identity=True),
        Column("decision_kind", "code", is_required=True),
        Column("call_reference", "reference"),
        Column("record_reference", "reference"),
        Column("crime_number", "number"),
        # of a failed check that was released: the rule, and what exactly broke it
        Column("rule_id", "code"),
        Column("content_id", "code"),
        Column("reason_code", "code"),
        Column("reason", "free_text"),
        # staff numbers, not names
        Column("decided_by", "code", is_required=True),
        Column("decided_at", "timestamp", is_required=True),
        Column("second_person", "code"),
    ),
    # what auditors found in the logs that `.venv/bin/cdi audit draw` drew: a row for each reading
    # of a log (crime 0), with its counts, and one for each crime found in it; every agency has it
    "audit_readings": (
        Column("draw_id", "text", is_required=True, is_identity=True),
        Column("call_reference", "reference", is_required=True, is_identity=True),
        # staff numbers, not names; FCR decides where two readings differ
        Column("auditor_code", "code", is_required=True, is_identity=True),
        Column("crime_number", "number", is_required=True, is_identity=True),
        Column("audited_at", "timestamp", is_required=True),
        Column("due_count", "number"),
        Column("recorded_count", "number"),
        Column("offence_code", "code"),
        # Y or N; a boolean would take a typing error for N
        Column("domestic_abuse_code", "code"),
        Column("recorded_code", "code"),
        Column("recorded_at", "timestamp"),
        Column("rightly_classified_code", "code"),
        Column("record_reference", "reference"),
    ),
}

REQUIRED: tuple[str, ...] = ("calls", "crime_records")
DECISIONS = "decisions"
READINGS = "audit_readings"
# what people of this house write: every agency has these, in one form for all, and maybe no file
BY_PEOPLE: tuple[str, ...] = (DECISIONS, READINGS)

# when a row is from, for the retention limit: the first that it has, or else its file's as_of
MOMENTS: dict[str, tuple[str, ...]] = {
    "calls": ("received_at",),
    "crime_records": ("recorded_at", "reported_at"),
    "log_actions": ("acted_at",),
    "audit_logs": ("received_at",),
}

# Columns that the landing adds to every row.
LINEAGE: dict[str, str] = {
    "row_id": "VARCHAR",  # file name and ordinal of the row in it
    "row_hash": "VARCHAR",  # sha256 of the mapped content; changes when the row does
    "source_file": "VARCHAR",
    "source_as_of": "TIMESTAMP",  # UTC; what the file says is the state at this time
}


def output_columns(dataset: str) -> dict[str, str]:
    """Names and DuckDB types of a landing batch of this dataset, lineage last."""
    outputs: dict[str, str] = {}
    for column in DATASETS[dataset]:
        outputs |= column.outputs
    return outputs | LINEAGE
