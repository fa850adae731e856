"""What a scenario can make hard: each is drawn as it is said, and where it is not said nothing is.

The shares that are expected are those of the scenario's text, and where misses fall is counted by
the year's own tables.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cdi.variant import SHIPPED, ScenarioError, read_scenario_yaml
from cdi_force.conditions import CODE_FACTS, RECORD_FACTS, Facts, find_problem
from cdi_force.details import add_details
from cdi_force.facts import call_taker
from cdi_force.narrative import write_narrative
from cdi_force.population import simulate_year
from cdi_force.posterior import crimes_named
from cdi_force.records import HOUR
from cdi_force.scenario import Scenario, load_scenario
from cdi_force.subjects import TERSE_SUBJECTS
from cdi_force.texts import Bank
from cdi_force.truth import write_truth
from cdi_force.year import BLANK, CLEAN, DUPLICATE, FRAME, FRAME_CRIME, HIDDEN, UNRECORDED, Year

PROJECT = Path(__file__).resolve().parents[3]
SMALL = 0.2  # of the size of the shipped force


def _write_scenario(folder: Path, settings: dict[str, Any], miss_law: dict[str, Any]) -> Scenario:
    shipped = load_scenario("calibrated_2017")
    folder.mkdir(exist_ok=True)
    content = {"extends": "calibrated_2017"} | settings
    (folder / "scenario.yaml").write_text(yaml.safe_dump(content))
    law = shipped.miss_law.model_dump(mode="json") | miss_law
    (folder / "miss_law.yaml").write_text(yaml.safe_dump(law))
    return load_scenario(str(folder))


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """A year of a force in which everything is said that can be, with its details."""
    folder = tmp_path_factory.mktemp("hard")
    shipped = (SHIPPED / "calibrated_2017" / "phrases.csv").read_text(encoding="utf-8")
    terse = "".join(
        f"T{half}{family},{half},terse,{family},hit\n"
        for half in "AB"
        for _, family in sorted(TERSE_SUBJECTS)
    )
    (folder / "phrases.csv").write_text(shipped + terse)
    scenario = _write_scenario(
        folder,
        {
            "people": {"repeat_domestic": 0.5, "repeat_other": 0.2, "frequent_callers": 0.05},
            "codes": [
                {"when": "kind = 'crime'", "share": 0.5, "opening": "AD06", "closing": "AD06"},
                {"when": "opening = 'PW04' and not is_missed", "result": "NFA"},
                {"when": "kind = 'hidden_crime' and hour = 9", "opening": "AD03"},
            ],
            "references": {
                "none": 0.3,
                "missing_odds": [{"when": "hours_to_record > 24", "odds": 4}],
                "made_up": 0.25,
            },
            "delays": {"factors": [{"when": "offence_group = 'theft'", "factor": 5}]},
            "hardness": {
                "record_victim_unnamed": 0.2,
                "record_birth_date_missing": 0.4,
                "record_position_differs": 0.5,
                "address_without_number": 0.3,
                "records_clock_minutes": 60,
            },
        },
        {
            "rules": [{"when": "call_taker = 117", "odds": 30}],
            "told_tersely": 0.8,
            "manner_frame": {"wrong_reason": 1},
        },
    )
    year = simulate_year(scenario, 5, volume=SMALL)
    write_narrative(year, Bank(scenario.phrases, scenario.words), 5)
    add_details(year, 5)
    return year


def test_a_condition_may_name_what_is_known_and_nothing_else() -> None:
    assert find_problem("call_taker = 117 and hour >= 22", CODE_FACTS) is None
    assert "hours_to_record" in str(find_problem("hours_to_record > 24", CODE_FACTS))
    assert find_problem("hours_to_record > 24", RECORD_FACTS) is None
    facts = Facts({"hour": np.array([1, 23, 5]), "is_rape": np.array([True, False, True])})
    assert facts.match_rows("hour < 6 and is_rape").tolist() == [True, False, True]
    assert facts.match_rows("null").tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("settings", "miss_law", "said"),
    [
        ({"codes": [{"when": "mood = 1", "opening": "AD06"}]}, {}, "mood"),
        ({"codes": [{"when": "hour = 1", "result": "GONE"}]}, {}, "GONE is not in closings.yaml"),
        ({"audit": {"frame": 0}}, {}, "both are 0"),
        ({}, {"rules": [{"when": "hours_to_record > 2", "odds": 2}]}, "hours_to_record"),
        ({}, {"told_tersely": 0.5}, "no phrase of kind 'terse'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, settings: dict[str, Any], miss_law: dict[str, Any], said: str
) -> None:
    with pytest.raises(ScenarioError, match="Next step") as error:
        _write_scenario(tmp_path / "mine", settings, miss_law)
    assert said in str(error.value)


def test_the_rules_of_the_miss_law_say_where_misses_fall_and_not_how_many(hard: Year) -> None:
    crimes = hard.crimes
    of_log = np.flatnonzero(crimes["log"] >= 0)
    is_missed = crimes["fate"][of_log] == UNRECORDED
    is_his = call_taker(hard.logs["address"][crimes["log"][of_log]]) == 117
    assert is_his.sum() > 50
    assert is_missed[is_his].mean() > 2 * is_missed[~is_his].mean()
    plain = simulate_year(load_scenario("calibrated_2017"), 5, volume=SMALL)
    assert is_missed.sum() == (plain.crimes["fate"][plain.crimes["log"] >= 0] == UNRECORDED).sum()


def test_victims_are_victims_again_at_the_same_place_within_a_month(hard: Year) -> None:
    logs = hard.logs
    rows = np.flatnonzero(logs["is_repeat"] & (logs["primary"] == np.arange(len(logs["kind"]))))
    assert len(rows) > 500
    first_of: dict[int, list[int]] = {}
    for row in np.argsort(logs["received"], kind="stable").tolist():
        first_of.setdefault(int(logs["victim"][row]), []).append(row)
    for row in rows[:200].tolist():
        others = [o for o in first_of[int(logs["victim"][row])] if o < row]
        assert others, "a repeated victim has no earlier log"
        assert logs["address"][others[-1]] == logs["address"][row]
    domestic = np.isin(logs["kind"], (FRAME_CRIME, HIDDEN)) & logs["is_da"]
    assert logs["is_repeat"][domestic].mean() == pytest.approx(0.5, abs=0.05)


def test_half_of_the_crime_logs_say_nothing_by_their_codes(hard: Year) -> None:
    generic = hard.codes.index("AD06")
    rows = hard.logs["kind"] == FRAME_CRIME
    assert rows.sum() > 3000
    assert (hard.logs["opening"][rows] == generic).mean() == pytest.approx(0.5, abs=0.04)
    assert (hard.logs["closing"][rows] == generic).mean() == pytest.approx(0.5, abs=0.05)


def test_references_are_missing_where_the_record_came_late_and_as_many(hard: Year) -> None:
    records = hard.records
    rows = np.flatnonzero((records["crime"] >= 0) & (records["log"] >= 0))
    assert len(rows) > 3000
    is_missing = ~records["has_reference"][rows]
    assert is_missing.mean() == pytest.approx(0.3, abs=0.001)  # `references.none`, a quota
    is_late = records["recorded"][rows] - hard.logs["received"][records["log"][rows]] > 24 * HOUR
    assert is_missing[is_late].mean() > 1.8 * is_missing[~is_late].mean()
    made_up = is_missing & (records["form"][rows] == CLEAN)
    assert made_up.sum() / is_missing.sum() == pytest.approx(0.25, abs=0.04)
    assert (records["target"][rows][made_up] != records["log"][rows][made_up]).all()
    assert (records["form"][rows][is_missing & ~made_up] == BLANK).all()


def test_made_up_references_are_counted_apart_from_those_to_duplicates(
    hard: Year, tmp_path: Path
) -> None:
    counts = write_truth(hard, hard, tmp_path, hard.clock.start)
    records, logs = hard.records, hard.logs
    is_referring = (records["crime"] >= 0) & (records["log"] >= 0) & records["has_reference"]
    to_duplicate = logs["kind"][records["target"][is_referring]] == DUPLICATE
    assert counts["reference_to_duplicate"]["count"] == to_duplicate.sum() > 30
    # a quarter (`references.made_up`) of the 30% without a reference (`references.none`)
    assert counts["made_up_reference"]["share"] == pytest.approx(0.25 * 0.3, abs=0.012)


def test_it_takes_longer_to_record_where_a_factor_holds(hard: Year) -> None:
    crimes = hard.crimes
    rows = (crimes["universe"] == FRAME) & crimes["has_record"] & ~crimes["is_before"]
    rows &= hard.logs["reopened"][np.maximum(crimes["log"], 0)] == 0
    groups = np.array([o.group for o in hard.scenario.settings.offences])[crimes["offence"]]
    waited = (crimes["recorded"] - crimes["reported"])[rows]
    is_theft = groups[rows] == "theft"
    assert is_theft.sum() > 300
    assert np.median(waited[is_theft]) == pytest.approx(5 * np.median(waited[~is_theft]), rel=0.25)


def test_records_lack_what_the_scenario_says(hard: Year) -> None:
    records = hard.records
    crimes = records["crime"] >= 0
    assert crimes.sum() > 3000
    assert records["has_victim"][crimes].mean() == pytest.approx(0.8, abs=0.02)
    assert records["has_birth_date"].mean() == pytest.approx(0.6, abs=0.02)
    typed = records["is_typed_anew"]
    assert records["has_number"][typed].mean() == pytest.approx(0.7, abs=0.02)
    assert records["has_number"][~typed].all()


def test_missed_crimes_are_told_tersely_and_recorded_ones_are_not(hard: Year) -> None:
    texts = Bank(hard.scenario.phrases, hard.scenario.words).texts
    is_terse = np.array([text == "hit" for text in texts])
    logs = hard.logs
    told = np.isin(logs["kind"], (FRAME_CRIME, HIDDEN)) & (logs["crime_1"] >= 0)
    missed = told & ~logs["has_record"]
    assert missed.sum() > 500
    assert is_terse[logs["crime_1"][missed]].mean() == pytest.approx(0.8, abs=0.05)
    assert not is_terse[logs["crime_1"][told & logs["has_record"]]].any()


def test_the_best_reader_names_every_crime_that_is_told_tersely(hard: Year) -> None:
    texts = Bank(hard.scenario.phrases, hard.scenario.words).texts
    is_terse = np.array([text == "hit" for text in texts])[hard.logs["crime_1"]]
    is_terse &= hard.logs["crime_1"] >= 0
    assert is_terse.sum() > 400
    # the generator tells only missed crimes so, and the best reader knows how it draws
    assert (crimes_named(hard, hard)[is_terse] >= 1).all()


def test_a_force_may_have_no_duplicate_log(tmp_path: Path) -> None:
    scenario = _write_scenario(tmp_path / "single", {"hardness": {"duplicate_logs": 0}}, {})
    year = simulate_year(scenario, 5, volume=0.05)
    assert len(year.logs["kind"]) == 15_000
    assert not (year.logs["kind"] == DUPLICATE).any()
    assert year.records["target"].tolist() == year.records["log"].tolist()


def test_a_force_may_use_none_of_the_codes_that_are_drawn_by_their_names(tmp_path: Path) -> None:
    shipped = read_scenario_yaml(SHIPPED / "calibrated_2017" / "scenario.yaml")
    others = {"CR05": "CR04", "CR17": "CR18"}
    settings = {
        "offences": [
            offence | {"opening": others.get(offence["opening"], offence["opening"])}
            for offence in shipped["offences"]
        ],
        "incidents": [i for i in shipped["incidents"] if i["code"] not in ("AD07", "TR01", "PW07")],
    }
    scenario = _write_scenario(tmp_path / "few_codes", settings, {})
    year = simulate_year(scenario, 5, volume=0.05)
    write_narrative(year, Bank(scenario.phrases, scenario.words), 5)
    add_details(year, 5)
    used = {year.codes[n] for name in ("opening", "closing") for n in np.unique(year.logs[name])}
    assert {"CR04", "CR18"} <= used
    assert not used & {"CR05", "CR17", "AD07", "TR01", "PW07"}


def test_only_violence_is_opened_as_domestic_violence(tmp_path: Path) -> None:
    shipped = read_scenario_yaml(SHIPPED / "calibrated_2017" / "scenario.yaml")
    # theft comes first, and its offences of domestic abuse are many
    offences = sorted(shipped["offences"], key=lambda offence: offence["group"] != "theft")
    offences = [o | {"da": 0.5} if o["group"] == "theft" else o for o in offences]
    scenario = _write_scenario(tmp_path / "theft_first", {"offences": offences}, {})
    year = simulate_year(scenario, 5, volume=0.05)
    logs = year.logs
    domestic = logs["opening"] == year.codes.index("CR20")
    groups = np.array([offence.group for offence in scenario.settings.offences])
    assert domestic.sum() > 100
    assert set(groups[logs["offence"][domestic]]) == {"violence_against_the_person"}


def test_a_hidden_crime_under_a_code_of_administration_begins_as_any_contact(hard: Year) -> None:
    phrases = hard.scenario.phrases
    contexts = {
        n for n, p in enumerate(phrases) if (p.kind, p.subject) == ("context", "contact_record")
    }
    logs = hard.logs
    opening = np.array(hard.codes)[logs["opening"]]
    rows = (logs["kind"] == HIDDEN) & (logs["crime_1"] >= 0) & (opening == "AD03")
    assert rows.sum() > 20
    texts = len(Bank(phrases, hard.scenario.words).texts) // len(phrases)
    assert set(logs["opener"][rows] // texts) <= contexts


def test_a_wrong_reason_closes_a_missed_crime(hard: Year) -> None:
    logs = hard.logs
    missed = (logs["kind"] == FRAME_CRIME) & ~logs["has_record"] & (logs["account"] == 0)
    assert missed.sum() > 500
    assert (logs["text_kind"][missed] == "no_crime").all()


def test_the_page_lists_every_column_that_a_condition_may_name() -> None:
    page = (PROJECT / "docs" / "simulation.md").read_text(encoding="utf-8")
    said = set(re.findall(r"^\| `(\w+)` \| \w+ \|", page, re.M))
    assert said == {*CODE_FACTS, *RECORD_FACTS}
