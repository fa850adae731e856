"""Maps the columns that the best match of numbers joins, and chooses the key rules to write."""

from dataclasses import replace

import duckdb

from cdi.agency.datasets import DATASETS
from cdi.agency.model import KeyRule
from cdi.onboarding.columns import SURE, ColumnProposal, Mapping
from cdi.onboarding.keys import KeyMatch
from cdi.onboarding.names import score_name
from cdi.onboarding.profile import ColumnProfile
from cdi.sql import Params


def apply_match(
    con: duckdb.DuckDBPyConnection,
    match: KeyMatch,
    profiles: dict[str, list[ColumnProfile]],
    mappings: dict[str, Mapping],
) -> dict[str, tuple[KeyRule, ...]]:
    """Map the columns that a match joins, and tell which references its rules read.

    Args:
        con: The connection in which `match_keys` was called.
        match: The best match.
        profiles: The columns of both sources.
        mappings: What is proposed for them; changed.

    Returns:
        The rules by what they read: `call`, `record` or both.
    """
    calls, records = mappings["calls"], mappings["crime_records"]
    rules = _drop_idle_rules(con, match)
    call_source = calls.source_of("call_reference")
    record_source = records.source_of("record_reference")
    names_call = call_source is not None and call_source.name == match.call_name
    names_record = record_source is not None and record_source.name == match.record_name
    if names_call:
        # that records bear it says that it is the call's number, if its name does not
        calls.proposals["call_reference"] = replace(calls.proposals["call_reference"], problem="")
        if names_record and _give_records_their_number(records, profiles):
            names_record = False
        _map_column(records, "call_reference", match.record_name, profiles)
        return {"call": rules, **({"record": rules} if names_record else {})}
    if names_record:
        _map_column(calls, "record_reference", match.call_name, profiles)
        return {"record": rules}
    # Neither is what a call or record is known by, so both are another number of the call.
    _map_column(calls, "call_reference", match.call_name, profiles)
    _map_column(records, "call_reference", match.record_name, profiles)
    return {"call": rules}


def _give_records_their_number(records: Mapping, profiles: dict[str, list[ColumnProfile]]) -> bool:
    """Take another number as the record's own, if the one proposed for it is the call's too.

    A call may have several records, which would become one. So the other number must be there as
    often; if it is not, a person decides.

    Returns:
        Whether the records have a number of their own now.
    """
    proposal = records.proposals["record_reference"]
    other = proposal.runner_up
    if other is None or not other.is_reference:
        return False
    if score_name("crime_records", "record_reference", other.header) < SURE:
        return False
    if other.distinct_count >= proposal.profile.distinct_count:
        _map_column(records, "record_reference", other.name, profiles)
        return True
    problem = f"it is the call's number too, and {other.header} fits as well"
    records.proposals["record_reference"] = replace(proposal, problem=problem)
    return False


def _drop_idle_rules(con: duckdb.DuckDBPyConnection, match: KeyMatch) -> tuple[KeyRule, ...]:
    """The rules of a match without those that are first to read no number of the sample."""
    bound = Params()
    cases = " ".join(
        f"when regexp_full_match(reference, {bound.bind(rule.pattern)}) then {place}"
        for place, rule in enumerate(match.rules)
    )
    if not cases:
        return ()
    columns = [("calls", match.call_name), ("crime_records", match.record_name)]
    either = " or ".join(
        f"(dataset = {bound.bind(dataset)} and name = {bound.bind(name)})"
        for dataset, name in columns
    )
    rows = con.execute(
        f"select distinct case {cases} end from keys where form = 'as_typed' and ({either})",
        bound.values,
    ).fetchall()
    used = {place for (place,) in rows}
    return tuple(rule for place, rule in enumerate(match.rules) if place in used)


def _map_column(
    mapping: Mapping, name: str, source: str, profiles: dict[str, list[ColumnProfile]]
) -> None:
    """Map a reference to a source column, also if that is mapped to another reference already."""
    column = next(c for c in DATASETS[mapping.dataset] if c.name == name)
    profile = next(p for p in profiles[mapping.dataset] if p.name == source)
    mapping.proposals[name] = ColumnProposal(column, profile, 1.0)
    mapping.left = [p for p in mapping.left if p.name != source]
