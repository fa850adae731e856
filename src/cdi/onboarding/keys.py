"""By which numbers records and calls are joined, and which key rules make them equal; measured.

The forms of numbers are data (``rules/key_forms.csv``). Each pair of forms that give the same thing
is tried on each pair of reference columns. A serial alone finds a partner for nearly any number by
chance, so what counts is how many of the partners are also close in time.
"""

from dataclasses import dataclass
from functools import cache, partial

import duckdb

from cdi.agency.key_rules import rules_expression
from cdi.agency.model import KeyRule
from cdi.onboarding.columns import Mapping
from cdi.onboarding.profile import ColumnProfile
from cdi.onboarding.reading import Sample
from cdi.onboarding.rules import SQL, read_rules
from cdi.sql import Params, fetch_dicts, ident, read_query

CLOSE_HOURS = 7 * 24  # most crimes are recorded within a week of the call
_LEAST_TIMED = 20  # of fewer partners nobody can say whether they are close by chance
_LEAST_DISTINCT = 0.98  # a form under which different numbers become one joins what is not one
_LEAST_MATCHES = 10
_LEAST_SHARE = 0.02
_LEAST_CLOSE = 0.5
_AS_GOOD = 0.01  # a simpler form is better than one that joins one in a hundred more
# in the order of this list, the more of the number is compared
_GIVES = ("text", "digits", "year_serial", "day_serial", "number", "serial")
_NEEDS_TIMES = ("number", "serial")
_RECORD_TIMES = ("reported_at", "recorded_at", "occurred_at")


@dataclass(frozen=True)
class KeyMatch:
    """How well one pair of forms joins one pair of columns.

    Attributes:
        call_name: The column of the calls, by its name in the sample's table.
        record_name: The column of the records.
        call_form: How the number on the call is read.
        record_form: How the number on the record is read.
        gives: What both forms give.
        matched_count: How many numbers of records have a partner.
        record_share: Which share of all numbers of records that is.
        call_share: Which share of all numbers of calls has a partner.
        timed_count: How many of the partners have both times.
        close_share: Which share of these lies within `CLOSE_HOURS`.
        distinct_share: Which share of the numbers stays distinct under these forms.
    """

    call_name: str
    record_name: str
    call_form: str
    record_form: str
    gives: str
    matched_count: int
    record_share: float
    call_share: float
    timed_count: int
    close_share: float | None
    distinct_share: float

    @property
    def is_timed(self) -> bool:
        """Whether the times of the partners were compared."""
        return self.timed_count >= _LEAST_TIMED

    @property
    def score(self) -> float:
        """The share of records that have a partner which is no chance, as far as times say so."""
        close = self.close_share or 0.0 if self.is_timed else 1.0
        return self.record_share * close

    @property
    def problem(self) -> str:
        """Why it is not written as a rule; blank if it is."""
        if self.matched_count < _LEAST_MATCHES or self.record_share < _LEAST_SHARE:
            return f"only {self.matched_count:,} numbers have a partner ({self.record_share:.1%})"
        if self.distinct_share < _LEAST_DISTINCT:
            return f"only {self.distinct_share:.1%} of the numbers stay distinct"
        if self.gives in _NEEDS_TIMES and not self.is_timed:
            return "a serial finds partners by chance, and no times are there to compare"
        if self.is_timed and (self.close_share or 0.0) < _LEAST_CLOSE:
            return f"only {self.close_share:.1%} of the partners are within a week of each other"
        return ""

    @property
    def rules(self) -> tuple[KeyRule, ...]:
        """The key rules of both forms, the stricter first; none if numbers are joined as typed."""
        if self.call_form == self.record_form == "as_typed":
            return ()
        forms = {self.call_form, self.record_form}
        # What is read as typed needs no rule where separators are taken out of the rest.
        if "without_separators" in forms:
            forms.discard("as_typed")
        return tuple(rule for form, rule in _list_forms() if form in forms)

    @property
    def described(self) -> str:
        """The forms in words."""
        words = {rule["form"]: rule["description"] for rule in read_rules("key_forms")}
        if self.call_form == self.record_form:
            return words[self.call_form]
        return f"{words[self.call_form]} = {words[self.record_form]}"


@cache
def _list_forms() -> tuple[tuple[str, KeyRule], ...]:
    return tuple(
        (rule["form"], KeyRule(pattern=rule["pattern"], canonical=rule["canonical"]))
        for rule in read_rules("key_forms")
    )


def match_keys(
    con: duckdb.DuckDBPyConnection,
    samples: dict[str, Sample],
    profiles: dict[str, list[ColumnProfile]],
    mappings: dict[str, Mapping],
) -> list[KeyMatch]:
    """Try all pairs of forms on all pairs of reference columns.

    Args:
        con: The connection that has the samples' tables.
        samples: The samples of calls and records.
        profiles: Their columns.
        mappings: What is proposed for them, for the times.

    Returns:
        The matches that join any number, the best first.
    """
    con.execute(
        "create or replace temp table keys (dataset varchar, name varchar, form varchar, "
        "gives varchar, reference varchar, key varchar, moment timestamp)"
    )
    for dataset, sample in samples.items():
        for profile in profiles[dataset]:
            if profile.is_reference:
                _insert_keys(con, sample, profile.name, mappings[dataset])
    rows = fetch_dicts(con, read_query(SQL / "match_keys.sql"), {"close_hours": CLOSE_HOURS})
    matches = [KeyMatch(**row) for row in rows]
    return sorted(matches, key=partial(_order_of, mappings))


def _order_of(
    mappings: dict[str, Mapping], match: KeyMatch
) -> tuple[bool, int, int, bool, int, int, str]:
    """Order matches: the more joined; if as many, more of the number, then the stricter forms.

    If two pairs of columns are joined as well, those are better whose names say what they are.
    """
    order = list(dict.fromkeys(rule["form"] for rule in read_rules("key_forms")))
    return (
        bool(match.problem),
        -round(match.score / _AS_GOOD),
        _GIVES.index(match.gives),
        match.call_form != match.record_form,
        order.index(match.call_form) + order.index(match.record_form),
        -_is_proposed(mappings["calls"], match.call_name)
        - _is_proposed(mappings["crime_records"], match.record_name),
        f"{match.call_name} {match.record_name}",
    )


def _is_proposed(mapping: Mapping, name: str) -> bool:
    """Whether a column is proposed as a reference by its name."""
    sources = map(mapping.source_of, ("call_reference", "record_reference"))
    return any(source is not None and source.name == name for source in sources)


def _insert_keys(
    con: duckdb.DuckDBPyConnection, sample: Sample, name: str, mapping: Mapping
) -> None:
    """Add the canonical forms of each number of a column to the table ``keys``."""
    bound = Params()
    gives = {rule["form"]: rule["gives"] for rule in read_rules("key_forms")}
    keys = {
        form: rules_expression([r for f, r in _list_forms() if f == form], "reference", bound)
        for form in gives
    }
    forms = ", ".join(
        f"{{'form': {bound.bind(form)}, 'gives': {bound.bind(kind)}, 'key': {keys[form]}}}"
        for form, kind in gives.items()
    )
    query = f"""
        insert into keys
        select {bound.bind(sample.dataset)}, {bound.bind(name)}, read.form, read.gives,
            reference, read.key, moment
        from (
            select reference, moment, unnest([{forms}]) as read
            from (
                select upper({ident(name)}) as reference, min({_time_of(mapping, bound)}) as moment
                from {ident(sample.table)} where {ident(name)} is not null group by all
            )
        )
        where read.key is not null
        """
    con.execute(query, bound.values)


def _time_of(mapping: Mapping, bound: Params) -> str:
    """SQL for the time of a call or record as it is typed; null if none is sure."""
    for name in ("received_at", *_RECORD_TIMES):
        proposal = mapping.proposals.get(name)
        if proposal and proposal.is_sure and proposal.profile.time:
            column = ident(proposal.profile.name)
            formats = list(proposal.profile.time.formats)
            if not formats:
                return f"try_cast(left({column}, 19) as timestamp)"
            value = f"regexp_replace({column}, 'Z$', '+00')"
            times = [f"cast(try_strptime({value}, {bound.bind(f)}) as timestamp)" for f in formats]
            return f"coalesce({', '.join(times)})"
    return "cast(null as timestamp)"
