"""Scenarios: a folder with `scenario.yaml`, `phrases.csv` and `miss_law.yaml`, checked on load.

A scenario may say `extends: <name>`. It then states only what differs, and a file that it lacks is
taken from the scenario that it extends. Three more files may be there: `phrases_before.csv`, in
which the year before is told, and `words.yaml` and `closings.yaml`, which state what differs from
the files of these names beside this module. docs/simulation.md describes every key.
"""

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cdi.agency.code_maps import read_seed_values
from cdi.agency.load import describe_problem
from cdi.variant import ScenarioError, find_scenario, read_scenario_yaml, scenario_chain
from cdi_force.conditions import CODE_FACTS, CRIME_FACTS, RECORD_FACTS, find_problem
from cdi_force.feasibility import check_feasibility
from cdi_force.quotas import SEXUAL, VIOLENCE
from cdi_force.subjects import CONTEXTS, FIXED_SUBJECTS, TERSE_SUBJECTS

PHRASE_COLUMNS = ("phrase_id", "half", "kind", "subject", "text")
SLOTS = {"off", "item", "place", "when"}
KINDS = (
    "crime",
    "also",
    "near_miss",
    "ambiguous",
    "burial",
    "bland",
    "no_crime",
    "closing",
    "update",
    "context",
    "terse",
)
FIXED_RESULTS = {"ADMIN", "NO TRACE", "VIC NO ENG"}  # `closings` gives these by name
Share = float
Model = TypeVar("Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_condition(facts: Mapping[str, tuple[str, str]], condition: str) -> str:
    if problem := find_problem(condition, facts):
        raise ValueError(f"is no condition on {', '.join(facts)}: {problem}")
    return condition


CrimeCondition = Annotated[str, AfterValidator(partial(_check_condition, CRIME_FACTS))]
RecordCondition = Annotated[str, AfterValidator(partial(_check_condition, RECORD_FACTS))]
CodeCondition = Annotated[str, AfterValidator(partial(_check_condition, CODE_FACTS))]


class CrimeRule(_Strict):
    """What the odds of a crime are multiplied by where a condition holds."""

    when: CrimeCondition
    odds: float = Field(gt=0)


class RecordRule(_Strict):
    """The same of a record."""

    when: RecordCondition
    odds: float = Field(gt=0)


class DelayRule(_Strict):
    """How much longer it takes to record a crime where a condition holds."""

    when: CrimeCondition
    factor: float = Field(gt=0)


class CodeRule(_Strict):
    """Codes that replace those of a share of the logs for which a condition holds."""

    when: CodeCondition
    share: Share = Field(default=1.0, gt=0, le=1)
    opening: str | None = None
    closing: str | None = None
    result: str | None = None


class District(_Strict):
    """A police district; position in metres, British National Grid."""

    code: str
    name: str
    share: float = Field(gt=0, le=1)
    easting: int
    northing: int


class Force(_Strict):
    """The fictional force."""

    name: str
    log_prefix: str = Field(pattern=r"^[A-Z]{2,4}$")
    occurrence_prefix: str = Field(pattern=r"^\d{2}$")
    districts: tuple[District, ...] = Field(min_length=1)


class Volumes(_Strict):
    """How many of each thing a year has."""

    logs: int = Field(gt=0)
    records: int = Field(gt=0, description="live crime records")
    violence_records: int = Field(gt=0)
    no_log_share: Share = Field(ge=0, lt=1)
    hidden_crimes: int = Field(ge=0)
    frame_no_crime_logs: int = Field(ge=0)
    non_crime_occurrences: int = Field(ge=0)
    addresses: int = Field(gt=0)


class Rates(_Strict):
    """Final recording rates in the frame; one shift moves all `others` so that `all` comes out."""

    all: Share = Field(gt=0, lt=1)
    violence_against_the_person: Share = Field(gt=0, lt=1)
    sexual_offences: Share = Field(gt=0, lt=1)
    hidden: Share = Field(ge=0, le=1)
    others: dict[str, Share]


class References(_Strict):
    """How crime records from logs name their log, as shares."""

    none: Share = Field(ge=0, le=1)
    mistyped: Share = Field(ge=0, le=1)
    odd_format: Share = Field(ge=0, le=1)
    written_back: Share = Field(ge=0, le=1)
    mistyped_written_back: Share = Field(ge=0, le=1)
    only_on_log: Share = Field(ge=0, le=1)
    missing_odds: tuple[RecordRule, ...] = ()
    made_up: Share = Field(default=0.0, ge=0, le=1)
    made_up_when: RecordCondition = "true"


class Delays(_Strict):
    """Hours from report to record: cumulative share by hours."""

    within_hours: dict[int, Share]
    factors: tuple[DelayRule, ...] = ()

    @property
    def steps(self) -> list[tuple[int, Share]]:
        """Hours and cumulative shares, in rising order."""
        return sorted(self.within_hours.items())

    @model_validator(mode="after")
    def _check_shares(self) -> "Delays":
        shares = [share for _, share in self.steps]
        if shares != sorted(shares) or shares[-1:] != [1.0]:
            raise ValueError("shares must rise with the hours, the last must be 1.0")
        return self


class Hardness(_Strict):
    """How hard the logs are to read; all are shares, and the truth counts each of them."""

    duplicate_logs: Share = Field(ge=0, lt=0.5)
    duplicates_unmarked: Share
    reference_to_duplicate: Share
    reopened_late: Share
    record_before_log: Share
    undecidable_frame: Share
    undecidable_hidden: Share
    undecidable_serious: float = Field(ge=0, le=1)
    further_crimes: Share = Field(ge=0, lt=0.4)
    near_miss: Share
    ambiguous: Share
    second_crime_unsaid: Share
    crime_told_later_frame: Share
    crime_told_later_hidden: Share
    name_typing_error: Share
    unparseable_rows: Share
    rightly_cancelled: Share
    wrongly_cancelled: Share
    victim_named: Share
    victim_birth_date: Share
    position_missing: Share
    address_typed_anew: Share
    address_typing_error: Share
    address_is_junction: Share
    postcode_missing: Share
    offence_place_differs: Share
    reported_by_hand: Share
    reported_when_recorded: Share
    record_victim_unnamed: Share = Field(default=0.0, ge=0, le=1)
    record_birth_date_missing: Share = Field(default=0.0, ge=0, le=1)
    record_position_differs: Share = Field(default=0.15, ge=0, le=1)
    record_position_metres: float = Field(default=150.0, ge=0)
    address_without_number: Share = Field(default=0.0, ge=0, le=1)
    records_clock_minutes: int = Field(default=0, ge=-720, le=720)


class People(_Strict):
    """People who are victims again, or call again and again; shares of the incidents."""

    repeat_domestic: Share = Field(default=0.0, ge=0, le=1)
    repeat_other: Share = Field(default=0.0, ge=0, le=1)
    repeat_within_days: int = Field(default=31, gt=0)
    frequent_callers: Share = Field(default=0.0, ge=0, le=1)


class AuditSize(_Strict):
    """Logs audited in the year before; 0 for both is a force that was never audited.

    Attributes:
        half: The half of the phrases in which that year is told; by default both. What is told in
            the other half is then in words that no auditor has read.
    """

    frame: int = Field(ge=0)
    others: int = Field(ge=0)
    half: Literal["A", "B"] | None = None

    @model_validator(mode="after")
    def _check_both(self) -> "AuditSize":
        if bool(self.frame) != bool(self.others):
            raise ValueError("both are 0, for a force without an audit, or neither is")
        return self


Profile = Literal["day", "shop", "evening", "night"]


class Offence(_Strict):
    """One offence: Home Office code and class, volume, and how it comes to be reported."""

    key: str
    code: str = Field(pattern=r"^\d{3}/\d{2}$")
    offence_class: str = Field(alias="class")
    class_before_april_2017: str | None = None
    annual: int = Field(ge=0)
    group: str
    opening: str
    profile: Profile
    da: Share = Field(ge=0, le=1)
    no_log: float = Field(ge=0)
    is_rape: bool = False


class IncidentType(_Strict):
    """One kind of log that reports no crime."""

    code: str
    subject: str
    weight: float = Field(gt=0)
    profile: Profile


class MissLaw(_Strict):
    """Which crimes are missed, and what their logs look like."""

    odds: dict[
        Literal[
            "domestic_abuse",
            "further_crime",
            "night",
            "child_or_vulnerable",
            "partner_report",
            "not_attended",
            "undecidable",
        ],
        float,
    ]
    manner_frame: dict[
        Literal[
            "kept_code_excuse",
            "promised",
            "gamed_code",
            "contradicted",
            "non_crime_occurrence",
            "wrong_reason",
        ],
        float,
    ]
    manner_hidden: dict[
        Literal["relabelled", "excuse", "contradicted", "non_crime_occurrence", "wrong_reason"],
        float,
    ]
    rules: tuple[CrimeRule, ...] = ()
    told_tersely: Share = Field(default=0.0, ge=0, le=1)


class Words(_Strict):
    """words.yaml: what fills the slots of phrases, and how words are shortened and mistyped."""

    offenders: dict[Literal["domestic", "other"], tuple[str, ...]]
    items: dict[Literal["shop", "damage", "vehicle", "any"], tuple[str, ...]]
    places: tuple[str, ...] = Field(min_length=1)
    times: tuple[str, ...] = Field(min_length=1)
    abbreviations: dict[str, str]
    neighbouring_keys: dict[str, str]


class Reason(_Strict):
    """A legitimate reason for no crime record: its result code, and how often it is drawn."""

    result: str
    weight: float | None = None


class Cover(_Strict):
    """A code that is no crime, under which crimes hide: what its logs are about, how often."""

    subject: str
    weight: float | None = None
    weight_domestic: float | None = None


class Manner(_Strict):
    """A way of closing a log: weights of the closing texts' subjects, and of result codes."""

    text_kind: Literal["closing", "no_crime"] = "closing"
    subjects: dict[str, float] = {}
    results: dict[str, float]


class Closings(_Strict):
    """closings.yaml."""

    results: tuple[str, ...]
    reasons: dict[str, Reason]
    covers: dict[str, Cover]
    manners: dict[str, Manner]

    @model_validator(mode="after")
    def _check_results(self) -> "Closings":
        named = {reason.result for reason in self.reasons.values()}
        named |= {result for manner in self.manners.values() for result in manner.results}
        if unknown := sorted((named | FIXED_RESULTS) - set(self.results)):
            raise ValueError(f"results: {', '.join(unknown)} is not in the list")
        subjects = {cover.subject for cover in self.covers.values()}
        if unknown := sorted(subjects - set(CONTEXTS)):
            raise ValueError(f"covers: subject {', '.join(unknown)} is not one of {CONTEXTS}")
        return self


class Settings(_Strict):
    """scenario.yaml."""

    title: str
    published: frozenset[str] = Field(description="figures of the calibration that were published")
    period_end: date
    timezone: str
    force: Force
    volumes: Volumes
    rates: Rates
    hidden_mix: dict[str, Share]
    references: References
    delays: Delays
    hardness: Hardness
    people: People = People()
    codes: tuple[CodeRule, ...] = ()
    audit: AuditSize
    offences: tuple[Offence, ...] = Field(min_length=1)
    incidents: tuple[IncidentType, ...] = Field(min_length=1)
    profiles: dict[Profile, tuple[float, ...]]
    weekdays: tuple[float, ...] = Field(min_length=7, max_length=7)
    months: tuple[float, ...] = Field(min_length=12, max_length=12)

    @model_validator(mode="after")
    def _check_that_parts_fit(self) -> "Settings":
        groups = {offence.group for offence in self.offences}
        problems = [
            f"offences: group '{group}' is not in offence_groups.csv"
            for group in sorted(groups - read_seed_values("offence_groups", "offence_group"))
        ]
        missing = groups - {VIOLENCE, SEXUAL} - set(self.rates.others)
        problems += [f"rates.others.{group}: missing" for group in sorted(missing)]
        problems += [
            f"hidden_mix.{group}: no offence has this group"
            for group in sorted(set(self.hidden_mix) - groups)
        ]
        problems += [
            f"{name}: shares add up to {sum(shares):.3f}, not 1"
            for name, shares in (
                ("hidden_mix", self.hidden_mix.values()),
                ("force.districts.share", [d.share for d in self.force.districts]),
            )
            if abs(sum(shares) - 1) > 1e-6
        ]
        problems += [
            f"profiles.{name}: has {len(hours)} weights, a day has 24 hours"
            for name, hours in self.profiles.items()
            if len(hours) != 24
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


@dataclass(frozen=True)
class Phrase:
    """One phrase of the bank."""

    phrase_id: str
    half: Literal["A", "B"]
    kind: str
    subject: str
    text: str


@dataclass(frozen=True)
class Scenario:
    """A validated scenario."""

    name: str
    settings: Settings
    miss_law: MissLaw
    phrases: tuple[Phrase, ...]
    phrases_before: tuple[Phrase, ...]
    words: Words
    closings: Closings
    sha256: str

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Offence groups that occur, in the order of the offences."""
        return tuple(dict.fromkeys(offence.group for offence in self.settings.offences))


def load_scenario(name: str) -> Scenario:
    """Load a shipped scenario by its name, or any other by the path of its folder.

    Raises:
        ScenarioError: SCENARIO-UNKNOWN, SCENARIO-SCHEMA or SCENARIO-PHRASES, naming file, key
            and fix.
    """
    folder = find_scenario(name)
    chain = scenario_chain(folder)
    content: dict[str, Any] = {}
    for link in reversed(chain):
        content = _merge_settings(content, read_scenario_yaml(link / "scenario.yaml"))
    content.pop("extends", None)
    miss_file = _find_nearest_file(chain, "miss_law.yaml")
    phrase_file = _find_nearest_file(chain, "phrases.csv")
    settings = _validate_content(Settings, content, folder / "scenario.yaml")
    miss_law = _validate_content(MissLaw, read_scenario_yaml(miss_file), miss_file)
    before_file = _find_file(chain, "phrases_before.csv") or phrase_file
    phrases, before = (_read_phrases(f, settings, miss_law) for f in (phrase_file, before_file))
    overlays = [link / name for link in reversed(chain) for name in ("words.yaml", "closings.yaml")]
    read = [*(link / "scenario.yaml" for link in chain), miss_file, phrase_file, before_file]
    digest = hashlib.sha256()
    for file in [*read, *(file for file in overlays if file.is_file())]:
        digest.update(file.read_bytes())
    if settings.audit.half:
        before = _tell_in_one_half(before, settings.audit.half)
    closings = _read_overlaid(Closings, chain, "closings.yaml")
    _check_results(settings, closings, folder / "scenario.yaml")
    check_feasibility(settings, folder / "scenario.yaml")
    return Scenario(
        name=folder.name,
        settings=settings,
        miss_law=miss_law,
        phrases=phrases,
        phrases_before=before,
        words=_read_overlaid(Words, chain, "words.yaml"),
        closings=closings,
        sha256=digest.hexdigest(),
    )


def _tell_in_one_half(phrases: tuple[Phrase, ...], half: str) -> tuple[Phrase, ...]:
    """Let the phrases of one half stand for both."""
    told = [phrase for phrase in phrases if phrase.half == half]
    halves: tuple[Literal["A"], Literal["B"]] = ("A", "B")
    return tuple(replace(phrase, half=other) for other in halves for phrase in told)


def _read_overlaid(model: type[Model], chain: list[Path], name: str) -> Model:
    """Read a file beside this module, and over it what a scenario's own files of that name say."""
    file = Path(__file__).with_name(name)
    content = read_scenario_yaml(file)
    for link in reversed(chain):
        if (link / name).is_file():
            file = link / name
            content = _merge_settings(content, read_scenario_yaml(file))
    return _validate_content(model, content, file)


def _check_results(settings: Settings, closings: Closings, file: Path) -> None:
    """Refuse rules of codes that name a result code which there is not."""
    unknown = {rule.result for rule in settings.codes if rule.result} - set(closings.results)
    if unknown:
        raise ScenarioError(
            "SCENARIO-SCHEMA",
            f"{file}: codes.result: {', '.join(sorted(unknown))} is not in closings.yaml, results",
            "choose one of them, or add it in a closings.yaml of your own",
        )


def _find_file(chain: list[Path], name: str) -> Path | None:
    return next((folder / name for folder in chain if (folder / name).is_file()), None)


def _find_nearest_file(chain: list[Path], name: str) -> Path:
    if file := _find_file(chain, name):
        return file
    raise ScenarioError(
        "SCENARIO-SCHEMA",
        f"{chain[0]} has no {name} and extends no scenario that has one",
        "write the file, or add `extends: calibrated_2017`",
    )


def _merge_settings(base: dict[str, Any], overriding: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overriding.items():
        is_mapping = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge_settings(merged[key], value) if is_mapping else value
    return merged


def _validate_content(model: type[Model], content: dict[str, Any], file: Path) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "\n    ".join(describe_problem(detail) for detail in error.errors())
        raise ScenarioError(
            "SCENARIO-SCHEMA",
            f"{file}\n    {problems}",
            "correct the keys named above; docs/simulation.md explains each",
        ) from None


def needed_subjects(settings: Settings, miss_law: MissLaw) -> set[tuple[str, str]]:
    """The (kind, subject) pairs that a scenario's phrases must cover in both halves."""
    needed = {("crime", offence.key) for offence in settings.offences}
    needed |= {("bland", incident.subject) for incident in settings.incidents}
    return needed | FIXED_SUBJECTS | (TERSE_SUBJECTS if miss_law.told_tersely else set())


def _read_phrases(file: Path, settings: Settings, miss_law: MissLaw) -> tuple[Phrase, ...]:
    problems: list[str] = []
    phrases: list[Phrase] = []
    phrase_ids: set[str] = set()
    with file.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle, strict=True)
        if tuple(reader.fieldnames or ()) != PHRASE_COLUMNS:
            raise ScenarioError(
                "SCENARIO-PHRASES",
                f"{file}:1: header must be {','.join(PHRASE_COLUMNS)}",
                "correct the header",
            )
        for row in reader:
            place = f"{file}:{reader.line_num}"
            slots = set(re.findall(r"\{(\w*)\}", row["text"] or ""))
            if None in row or None in row.values():
                problems.append(f"{place}: has not {len(PHRASE_COLUMNS)} fields")
                continue
            if row["phrase_id"] in phrase_ids:
                problems.append(f"{place}: phrase_id '{row['phrase_id']}' is there twice")
            if row["half"] not in ("A", "B"):
                problems.append(f"{place}: half '{row['half']}' is not A or B")
            if row["kind"] not in KINDS:
                problems.append(f"{place}: kind '{row['kind']}' is not one of {', '.join(KINDS)}")
            if slots - SLOTS:
                problems.append(f"{place}: unknown slot {{{', '.join(sorted(slots - SLOTS))}}}")
            phrase_ids.add(row["phrase_id"])
            phrases.append(Phrase(**row))  # type: ignore[arg-type]  # checked above
    covered = {(p.kind, p.subject, p.half) for p in phrases}
    problems += [
        f"{file}: no phrase of kind '{kind}', subject '{subject}', half {half}"
        for kind, subject in sorted(needed_subjects(settings, miss_law))
        for half in ("A", "B")
        if (kind, subject, half) not in covered
    ]
    if problems:
        raise ScenarioError("SCENARIO-PHRASES", "\n  ".join(problems), "correct the phrases")
    return tuple(phrases)
