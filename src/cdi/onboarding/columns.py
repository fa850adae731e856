"""Which source column stands for which canonical column: by its name, and by what it holds."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cdi.agency.datasets import DATASETS, TIMES, Column
from cdi.onboarding.names import score_name
from cdi.onboarding.objections import (
    EXCEL_DATES,
    IMPOSSIBLE,
    NAME_ALONE,
    find_objection,
    is_code,
    rank_by_content,
)
from cdi.onboarding.profile import ColumnProfile

SURE = 0.6
_PLAUSIBLE = 0.3
_DETERMINED = 0.95  # a code whose name was changed once still says its name in nearly all rows


@dataclass(frozen=True)
class ColumnProposal:
    """A source column that is proposed for a canonical column.

    Attributes:
        column: The canonical column.
        profile: The source column.
        score: How well the name fits, from 0 to 1; 0 if only the values speak for it.
        problem: Why a person must decide; blank if it is written as it is.
        runner_up: The source column that fits second best, if one is plausible.
        extract: The regular expression that takes a part of the value; blank if all of it is taken.
    """

    column: Column
    profile: ColumnProfile
    score: float
    problem: str = ""
    runner_up: ColumnProfile | None = None
    extract: str = ""

    @property
    def readable_share(self) -> float:
        """The share of rows that have a value which can be read."""
        time = self.profile.time if self.column.kind in TIMES else None
        return self.profile.filled_share * (time.share if time else 1.0)

    @property
    def is_sure(self) -> bool:
        """Whether it is written as a mapping, and not as a comment."""
        return not self.problem


@dataclass
class Mapping:
    """The proposals of a dataset, and the source columns that are left.

    Attributes:
        dataset: `calls` or `crime_records`.
        proposals: By the name of the canonical column.
        left: Source columns that are proposed for nothing, or only in a comment.
    """

    dataset: str
    proposals: dict[str, ColumnProposal] = field(default_factory=dict)
    left: list[ColumnProfile] = field(default_factory=list)

    def source_of(self, name: str) -> ColumnProfile | None:
        """The source column of a canonical column, if it is proposed at all."""
        proposal = self.proposals.get(name)
        return proposal.profile if proposal else None

    @property
    def missing(self) -> list[str]:
        """The required columns for which no source column is sure."""
        return [
            column.name
            for column in DATASETS[self.dataset]
            if column.is_required
            and not (column.name in self.proposals and self.proposals[column.name].is_sure)
        ]


def propose_columns(
    dataset: str,
    profiles: list[ColumnProfile],
    true_columns: set[str],
    determines: Callable[[str, str], float],
) -> Mapping:
    """Propose the mapping of a dataset.

    Args:
        dataset: `calls` or `crime_records`.
        profiles: The source's columns.
        true_columns: Names of the source columns whose values are words for true and false.
        determines: Tells in which share of the rows the first column says what the second holds.

    Returns:
        The mapping; each source column stands for one canonical column at most, apart from points,
        which hold two degrees.
    """
    mapping = Mapping(dataset)
    scores = {
        (column.name, profile.name): score_name(dataset, column.name, profile.header)
        for column in DATASETS[dataset]
        for profile in profiles
    }
    columns = _columns_of(dataset)
    by_name = {profile.name: profile for profile in profiles}
    pairs = sorted(
        (pair for pair, score in scores.items() if score >= _PLAUSIBLE),
        # the fuller column first, where two names fit as well
        key=lambda pair: (scores[pair], by_name[pair[1]].filled_share),
        reverse=True,
    )
    taken: set[str] = set()
    for name, source in pairs:
        profile = by_name[source]
        objection = _find_objection(columns[name], profile, true_columns, scores[name, source])
        if name in mapping.proposals or source in taken or objection == IMPOSSIBLE:
            continue
        if not objection and scores[name, source] < SURE:
            objection = "only a part of the name fits"
        mapping.proposals[name] = ColumnProposal(
            columns[name], profile, scores[name, source], objection
        )
        taken.add(source)
    _give_calls_their_number(mapping, columns)
    _pair_codes_with_names(mapping, by_name, scores, determines)
    taken = {proposal.profile.name for proposal in mapping.proposals.values()}
    _add_required_by_content(mapping, profiles, taken)
    _add_points(mapping, profiles, columns)
    _add_names_alone(mapping, columns, by_name, scores)
    _add_runners_up(mapping, by_name, scores, taken)
    sure = {p.profile.name for p in mapping.proposals.values()}
    mapping.left = [profile for profile in profiles if profile.name not in sure]
    return mapping


def _find_objection(
    column: Column, profile: ColumnProfile, true_columns: set[str], score: float
) -> str:
    """Say why values speak against a mapping, or why its name is not enough to show its codes."""
    if profile.personal_word and is_code(column) and score < 1:
        return IMPOSSIBLE
    return find_objection(column, profile, true_columns)


def _give_calls_their_number(mapping: Mapping, columns: dict[str, Column]) -> None:
    """Take the only number of a call as its own, also if its name is that of a record's number."""
    if mapping.dataset != "calls" or "call_reference" in mapping.proposals:
        return
    if number := mapping.proposals.pop("record_reference", None):
        mapping.proposals["call_reference"] = replace(number, column=columns["call_reference"])


def _pair_codes_with_names(
    mapping: Mapping,
    by_name: dict[str, ColumnProfile],
    scores: dict[tuple[str, str], float],
    determines: Callable[[str, str], float],
) -> None:
    """Choose for each name in words the code that says it; without one, the words are the code.

    `Signal Code` and `Type` may both be a code, and only one of them says what `TypeText` holds.
    """
    for column in DATASETS[mapping.dataset]:
        code = f"{column.name.removesuffix('_name')}_code"
        named = mapping.proposals.get(column.name)
        if named is None or code not in _columns_of(mapping.dataset):
            continue
        current = mapping.proposals.get(code)
        used = {p.profile.name for name, p in mapping.proposals.items() if name != code}
        fitting = [
            (scores[code, source], source)
            for source, profile in by_name.items()
            if source not in used
            and scores[code, source] >= _PLAUSIBLE
            and not _find_objection(
                _columns_of(mapping.dataset)[code], profile, set(), scores[code, source]
            )
            and determines(source, named.profile.name) >= _DETERMINED
        ]
        if current and (scores[code, current.profile.name], current.profile.name) in fitting:
            continue
        if fitting:
            score, source = max(fitting)
            mapping.proposals[code] = ColumnProposal(
                _columns_of(mapping.dataset)[code], by_name[source], max(score, SURE)
            )
        elif named.is_sure:
            del mapping.proposals[column.name]
            mapping.proposals[code] = ColumnProposal(
                _columns_of(mapping.dataset)[code], named.profile, named.score
            )


def _columns_of(dataset: str) -> dict[str, Column]:
    return {column.name: column for column in DATASETS[dataset]}


def _add_required_by_content(
    mapping: Mapping, profiles: list[ColumnProfile], taken: set[str]
) -> None:
    """Propose a column by its values alone for each required one that no name fits."""
    free = [profile for profile in profiles if profile.name not in taken]
    for column in DATASETS[mapping.dataset]:
        if not column.is_required or column.name in mapping.proposals:
            continue
        ranked = rank_by_content(column, free)
        if not ranked:
            continue
        best = ranked[0]
        what = "values" if len(ranked) == 1 else f"values, as those of {ranked[1].header} do,"
        problem = find_objection(column, best, set()) or f"only its {what} suggest it"
        mapping.proposals[column.name] = ColumnProposal(
            column, best, 0.0, problem, ranked[1] if len(ranked) > 1 else None
        )
        taken.add(best.name)
        free.remove(best)


def _add_names_alone(
    mapping: Mapping,
    columns: dict[str, Column],
    by_name: dict[str, ColumnProfile],
    scores: dict[tuple[str, str], float],
) -> None:
    """Say of a column whose whole name fits that its values do not, where nothing else was found.

    It has no score, so that its values are never shown as codes.
    """
    used = {proposal.profile.name for proposal in mapping.proposals.values()}
    for (name, source), score in scores.items():
        profile = by_name[source]
        is_free = name not in mapping.proposals and source not in used
        if score == 1 and profile.filled_count and is_free:
            is_excel = columns[name].kind in TIMES and profile.is_excel_serial
            problem = EXCEL_DATES if is_excel else NAME_ALONE
            mapping.proposals[name] = ColumnProposal(columns[name], profile, 0.0, problem)
            used.add(source)


def _add_points(
    mapping: Mapping, profiles: list[ColumnProfile], columns: dict[str, Column]
) -> None:
    """Take the two degrees out of a column of points, where no columns of degrees are there."""
    for profile in profiles:
        if profile.point is None:
            continue
        for name, extract in zip(("longitude", "latitude"), profile.point, strict=True):
            if name not in mapping.proposals:
                mapping.proposals[name] = ColumnProposal(
                    columns[name], profile, 1.0, extract=extract
                )
        location = mapping.proposals.get("location")
        if location and location.profile is profile:
            del mapping.proposals["location"]


def _add_runners_up(
    mapping: Mapping,
    by_name: dict[str, ColumnProfile],
    scores: dict[tuple[str, str], float],
    taken: set[str],
) -> None:
    """Name the second-best source column of each proposal, among those that are left."""
    for name, proposal in list(mapping.proposals.items()):
        others = [
            (scores[name, source], source)
            for source, profile in by_name.items()
            if source not in taken
            and scores[name, source] >= _PLAUSIBLE
            and find_objection(proposal.column, profile, {source}) != IMPOSSIBLE
        ]
        if others and proposal.runner_up is None:
            mapping.proposals[name] = replace(proposal, runner_up=by_name[max(others)[1]])
