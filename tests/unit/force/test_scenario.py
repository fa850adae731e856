"""Scenarios: what is refused and how it is said; the quotas' arithmetic; local time."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from typer.testing import CliRunner

from cdi import paths
from cdi.agency.load import load_agency
from cdi.cli import app
from cdi.variant import (
    ScenarioError,
    Variant,
    VariantError,
    check_is_landed,
    list_settings,
)
from cdi_force.clock import HOUR, Clock
from cdi_force.quotas import apportion_total, quotas_by_group
from cdi_force.scenario import load_scenario

HEADER = "phrase_id,half,kind,subject,text\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stranger's scenario that extends a shipped one."""
    made = tmp_path / "stranger"
    made.mkdir()
    (made / "scenario.yaml").write_text("extends: calibrated_2017\ntitle: Mine\n")
    return made


def test_a_strangers_folder_states_only_what_differs(folder: Path) -> None:
    (folder / "scenario.yaml").write_text(
        "extends: calibrated_2017\nvolumes: {logs: 123456}\nrates: {others: {robbery: 0.5}}\n"
    )
    mine, shipped = load_scenario(str(folder)), load_scenario("calibrated_2017")
    assert mine.name == "stranger"
    assert mine.settings.volumes.logs == 123456
    assert mine.settings.rates.others["robbery"] == 0.5
    assert mine.settings.volumes.records == shipped.settings.volumes.records
    assert mine.settings.rates.others["theft"] == shipped.settings.rates.others["theft"]
    assert mine.phrases == shipped.phrases
    assert mine.sha256 != shipped.sha256


def _edit(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


@pytest.mark.parametrize(
    ("spoil", "rule", "said"),
    [
        (lambda f: (f / "scenario.yaml").unlink(), "SCENARIO-UNKNOWN", "choose one of"),
        (_edit("scenario.yaml", "extends: nowhere\n"), "SCENARIO-UNKNOWN", "nowhere"),
        (_edit("scenario.yaml", "[1"), "SCENARIO-SCHEMA", "is not YAML"),
        (_edit("scenario.yaml", "title: alone\n"), "SCENARIO-SCHEMA", "has no miss_law.yaml"),
        (
            _edit("scenario.yaml", "extends: calibrated_2017\nspeed: 3\n"),
            "SCENARIO-SCHEMA",
            "key `speed`: unknown key",
        ),
        (
            _edit("scenario.yaml", "extends: calibrated_2017\nrates: {all: 1.2}\n"),
            "SCENARIO-SCHEMA",
            "key `rates.all`",
        ),
        (
            _edit("scenario.yaml", "extends: calibrated_2017\nhidden_mix: {theft: 0.9}\n"),
            "SCENARIO-SCHEMA",
            "hidden_mix: shares add up to",
        ),
        (
            _edit(
                "scenario.yaml", "extends: calibrated_2017\ndelays: {within_hours: {24: 0.99}}\n"
            ),
            "SCENARIO-SCHEMA",
            "shares must rise",
        ),
        (
            _edit("scenario.yaml", "extends: calibrated_2017\nrates: {all: 0.95}\n"),
            "SCENARIO-SCHEMA",
            "rates.all: 0.95 cannot be reached",
        ),
        (
            _edit("scenario.yaml", "extends: calibrated_2017\nvolumes: {logs: 40000}\n"),
            "SCENARIO-SCHEMA",
            "volumes.logs: 40000 are too few",
        ),
        (
            _edit("scenario.yaml", "extends: calibrated_2017\nvolumes: {logs: 40000}\n"),
            "SCENARIO-SCHEMA",
            "crimes may need a log of its own",
        ),
        (
            _edit("scenario.yaml", "extends: calibrated_2017\nvolumes: {hidden_crimes: 60000}\n"),
            "SCENARIO-SCHEMA",
            "volumes.records: violence_against_the_person has",
        ),
        (
            _edit("miss_law.yaml", "odds: {mood: 2}\nmanner_frame: {}\nmanner_hidden: {}\n"),
            "SCENARIO-SCHEMA",
            "miss_law.yaml",
        ),
        (_edit("phrases.csv", "id,text\n"), "SCENARIO-PHRASES", "phrases.csv:1: header must be"),
        (
            _edit("phrases.csv", HEADER + "X1,C,crime,robbery,robbed\n"),
            "SCENARIO-PHRASES",
            "phrases.csv:2: half 'C' is not A or B",
        ),
        (
            _edit("phrases.csv", HEADER + "X1,A,song,robbery,robbed\n"),
            "SCENARIO-PHRASES",
            "kind 'song' is not one of",
        ),
        (
            _edit("phrases.csv", HEADER + "X1,A,crime,robbery,robbed by {who}\n"),
            "SCENARIO-PHRASES",
            "unknown slot {who}",
        ),
        (
            _edit("phrases.csv", HEADER + "X1,A,crime,robbery,a\nX1,A,crime,robbery,b\n"),
            "SCENARIO-PHRASES",
            "phrases.csv:3: phrase_id 'X1' is there twice",
        ),
        (
            _edit("phrases.csv", HEADER + "X1,A,crime,robbery,robbed\n"),
            "SCENARIO-PHRASES",
            "no phrase of kind 'crime', subject 'robbery', half B",
        ),
    ],
)
def test_a_broken_scenario_is_refused_by_file_key_and_fix(
    folder: Path, spoil: Callable[[Path], None], rule: str, said: str
) -> None:
    spoil(folder)
    with pytest.raises(ScenarioError, match="Next step") as error:
        load_scenario(str(folder))
    assert error.value.rule_id == rule
    assert said in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        *("foreign_words", "hard_force", "other_law", "held_words", "held_hard"),
        *("sealed_words", "sealed_hard", "final_words", "final_hard"),
    ],
)
def test_a_force_that_was_written_blind_shares_no_phrase_with_the_shipped_one(name: str) -> None:
    shipped = {phrase.text.lower() for phrase in load_scenario("calibrated_2017").phrases}
    blind = load_scenario(name)
    for phrases in (blind.phrases, blind.phrases_before):
        assert len(phrases) > 500
        assert not shipped & {phrase.text.lower() for phrase in phrases}
    assert blind.settings.volumes.logs == 60_000
    assert not blind.settings.published


def test_both_halves_of_the_shipped_bank_have_phrases_of_their_own() -> None:
    phrases = load_scenario("calibrated_2017").phrases
    texts = Counter(phrase.text.lower() for phrase in phrases)
    assert len(phrases) > 1000
    assert max(texts.values()) == 1
    halves = Counter(phrase.half for phrase in phrases)
    assert 0.9 < halves["A"] / halves["B"] < 1.1


def test_what_no_auditor_has_read_is_told_this_year_alone() -> None:
    unread, shipped = load_scenario("unread_words"), load_scenario("calibrated_2017")
    assert unread.phrases == shipped.phrases
    texts = {
        half: {phrase.text for phrase in shipped.phrases if phrase.half == half} for half in "AB"
    }
    assert min(map(len, texts.values())) > 500
    for half in "AB":
        told = {phrase.text for phrase in unread.phrases_before if phrase.half == half}
        assert told == texts["A"]
    assert not texts["A"] & texts["B"]


@pytest.mark.parametrize(
    ("name", "rate", "violence", "sexual", "records", "violence_records"),
    [  # published: domain notes, and each scenario's own file
        ("calibrated_2014", 0.838, 0.67, 0.74, 36_000, 6_600),
        ("calibrated_2017", 0.801, 0.749, 0.896, 37_359, 9_876),
        ("calibrated_2019", 0.928, 0.91, 0.95, 45_211, 14_602),
    ],
)
def test_the_quotas_give_the_published_figures(
    name: str, rate: float, violence: float, sexual: float, records: int, violence_records: int
) -> None:
    found = quotas_by_group(load_scenario(name).settings)
    recorded = sum(q.frame_recorded for q in found.values())
    missed = sum(q.frame_missed for q in found.values())
    live = {g: q.no_log + q.frame_recorded + q.hidden_recorded for g, q in found.items()}
    assert recorded / (recorded + missed) == pytest.approx(rate, abs=0.0005)
    for group, expected in (("violence_against_the_person", violence), ("sexual_offences", sexual)):
        quota = found[group]
        share = quota.frame_recorded / (quota.frame_recorded + quota.frame_missed)
        assert share == pytest.approx(expected, abs=0.001)
    assert sum(live.values()) == records
    assert live["violence_against_the_person"] == violence_records
    assert all(n >= 0 for quota in found.values() for n in vars(quota).values())


def test_a_larger_force_has_the_same_rates() -> None:
    found = quotas_by_group(load_scenario("calibrated_2017").settings, volume=3.0)
    recorded = sum(q.frame_recorded for q in found.values())
    missed = sum(q.frame_missed for q in found.values())
    assert sum(q.no_log + q.frame_recorded + q.hidden_recorded for q in found.values()) == 112_077
    assert recorded / (recorded + missed) == pytest.approx(0.801, abs=0.0005)


def test_apportioned_counts_add_up() -> None:
    assert apportion_total(10, np.array([1.0, 1.0, 1.0])).tolist() == [4, 3, 3]
    assert apportion_total(7, np.array([0.0, 5.0, 2.0])).tolist() == [0, 5, 2]


def test_both_clock_changes_come_out_as_they_are() -> None:
    zone = ZoneInfo("Europe/London")
    clock = Clock.of(zone, datetime(2016, 7, 1, tzinfo=zone), datetime(2017, 7, 1, tzinfo=zone))
    assert (clock.end - clock.start) / HOUR == 365 * 24

    def local(*moment: int) -> str:
        seconds = int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]
        return str(clock.local(np.array([seconds])).astype("datetime64[s]")[0])

    assert local(2016, 10, 30, 0, 30) == "2016-10-30T01:30:00"
    assert local(2016, 10, 30, 1, 30) == "2016-10-30T01:30:00"  # an hour later, the same reading
    assert local(2017, 3, 26, 0, 59) == "2017-03-26T00:59:00"
    assert local(2017, 3, 26, 1, 0) == "2017-03-26T02:00:00"


def test_the_variant_is_what_scenario_months_and_seed_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCENARIO", "MONTHS", "SEED"):
        monkeypatch.delenv(name, raising=False)
    assert Variant.chosen() == Variant("calibrated_2017", 7, 1)
    assert Variant.chosen().period == (date(2016, 12, 1), date(2017, 7, 1))
    with Variant("calibrated_2014", 12, 7).selected():
        assert Variant.chosen().period == (date(2012, 11, 1), date(2013, 11, 1))
    with Variant("calibrated_2017", 18, 7).selected():
        assert Variant.chosen().period == (date(2016, 1, 1), date(2017, 7, 1))
    assert Variant.chosen().seed == 1
    for name, value in (("MONTHS", "25"), ("MONTHS", "0"), ("SEED", "x")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(VariantError, match=name):
                Variant.chosen()


def test_a_force_that_was_never_audited_delivers_no_audit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDI_HOME", str(tmp_path / "state"))
    delivered = {}
    for size, others in ((0, 0), (3, 2)):
        (folder / "scenario.yaml").write_text(
            f"extends: calibrated_2017\naudit: {{frame: {size}, others: {others}}}\n"
        )
        (tmp_path / "deeper").mkdir(exist_ok=True)
        (tmp_path / "deeper" / "scenario.yaml").write_text(f"extends: {folder}\n")
        for scenario in (folder, tmp_path / "deeper"):
            with Variant(str(scenario), 1, 1).selected():
                assert Variant.chosen().is_audited == (size > 0)
                delivered[size] = set(load_agency("simulated").sources)
    assert delivered[3] - delivered[0] == {"audit_logs", "audit_findings"}
    assert {"calls", "crime_records"} <= delivered[0]
    with Variant("calibrated_2014", 1, 1).selected():  # its sizes are those that it extends
        assert Variant.chosen().is_audited


@pytest.mark.parametrize(
    ("audit", "is_audited"),
    [
        ("{frame: 0, others: 0, half: A}", False),  # words that nobody has read
        ("{half: A}", True),  # the sizes are those of calibrated_2017
        ("{frame: 3, others: 2, half: A}", True),
    ],
)
def test_only_the_sizes_of_an_audit_say_whether_there_was_one(
    folder: Path, audit: str, is_audited: bool
) -> None:
    (folder / "scenario.yaml").write_text(f"extends: calibrated_2017\naudit: {audit}\n")
    assert Variant(str(folder), 1, 1).is_audited is is_audited
    size = load_scenario(str(folder)).settings.audit
    assert (size.frame > 0) is is_audited


@pytest.mark.parametrize("end", ["'2018-01-01'", "2018-01-01 00:00:00", "January"])
def test_a_period_end_that_is_no_date_is_not_passed_over(folder: Path, end: str) -> None:
    """The product would take the end of the scenario that it extends, the simulator this one."""
    (folder / "scenario.yaml").write_text(f"extends: calibrated_2017\nperiod_end: {end}\n")
    with pytest.raises(ScenarioError, match="without quotation marks") as error:
        _ = Variant(str(folder), 1, 1).period
    assert error.value.rule_id == "SCENARIO-SCHEMA"


def test_a_command_without_months_does_not_answer_for_an_empty_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `make run MONTHS=1` a new shell has no MONTHS: nothing would stop, nothing be kept."""
    monkeypatch.setenv("CDI_HOME", str(tmp_path))
    for name in ("SCENARIO", "MONTHS", "SEED"):
        monkeypatch.delenv(name, raising=False)
    # and `make run` ends with what to type next
    assert list_settings(paths.variant()) == ""
    assert list_settings("calibrated_2017-1-1") == "MONTHS=1"
    (tmp_path / "landing" / "nopd").mkdir(parents=True)
    for empty in ("simulated", "nopd"):
        check_is_landed(empty)
    for variant in ("calibrated_2017-1-1", "calibrated_2014-7-3"):
        (tmp_path / "landing" / "simulated" / variant).mkdir(parents=True)
    asked = CliRunner().invoke(app, ["release", "simulated"])
    assert isinstance(asked.exception, VariantError)
    assert asked.exception.rule_id == "VARIANT-ABSENT"
    assert "SCENARIO=calibrated_2014 SEED=3, or MONTHS=1" in str(asked.exception)
    assert CliRunner().invoke(app, ["release", "simulated"], env={"MONTHS": "1"}).exit_code == 0
