"""What was accepted is what is built upon: each damage of the landing has its name."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdi import paths
from cdi.agency.interval import Interval
from cdi.agency.model import Agency
from cdi.build.version import plan_version
from cdi.errors import StateError
from cdi.files import read_json
from cdi.landing import accept
from cdi.landing.batches import accepted_batches, verified_batches
from cdi.steps import verify
from cdi.steps.extract import check_landing, extract
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes, load_sample, make_once


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with three batches of calls of the agency `sample`."""

    def land(home: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CDI_HOME", str(home))
            patch.setenv("CDI_AGENCIES", str(load_sample().folder.parent))
            agency = load_sample()
            first = agency.start_date
            for day in range(3):
                interval = Interval.of_days(
                    agency, first + timedelta(days=day), first + timedelta(days=day + 1)
                )
                step = extract("sample", "calls", interval)
                assert step.is_new
                check_landing("sample", "calls", str(step.result))

    return make_once(tmp_path_factory, "sealed", land)


@pytest.fixture
def batches(sample: Agency, landed: Path, state: Path) -> list[Path]:
    """The folders of three accepted batches, in a copy that a test may damage."""
    shutil.copytree(landed, state, dirs_exist_ok=True)
    found = [batch.folder for batch in verified_batches("sample", "calls")]
    assert len(found) == 3
    return found


@pytest.mark.parametrize("killed_at", ["rename_durably", "note_newest"])
def test_a_kill_while_a_batch_is_accepted_leaves_no_gap(
    sample: Agency, state: Path, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the batch has its place and after it; the first batch of a dataset and the second."""

    def die(*_: Any) -> None:
        raise InterruptedError

    first = sample.start_date
    for day in range(2):
        interval = Interval.of_days(
            sample, first + timedelta(days=day), first + timedelta(days=day + 1)
        )
        step = extract("sample", "calls", interval)
        with monkeypatch.context() as patch, pytest.raises(InterruptedError):
            patch.setattr(accept, killed_at, die)
            check_landing("sample", "calls", str(step.result))
        assert len(verified_batches("sample", "calls")) == day + (killed_at == "note_newest")
        check_landing("sample", "calls", str(step.result))
        assert len(verified_batches("sample", "calls")) == day + 1


def edit_manifest(folder: Path, **changed: Any) -> None:
    file = folder / "manifest.json"
    file.chmod(0o600)
    file.write_text(json.dumps(read_json(file) | changed), encoding="utf-8")


def rule_of(error: pytest.ExceptionInfo[StateError]) -> str:
    return error.value.rule_id


def test_a_flipped_bit_in_any_file_of_a_batch_is_named(batches: list[Path]) -> None:
    draw = np.random.default_rng(19)
    for trial in range(60):
        folder = batches[trial % 3]
        file = folder / ("rows.parquet", "quarantine.parquet", "manifest.json")[trial % 9 // 3]
        content = file.read_bytes()
        place, bit = int(draw.integers(len(content))), int(draw.integers(8))
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        file.chmod(0o600)
        file.write_bytes(flipped)
        with pytest.raises(StateError) as error:
            plan_version(load_sample())
        assert rule_of(error) in ("LANDING-DAMAGED", "LANDING-GAP"), (file, place, bit)
        assert str(folder) in str(error.value) or rule_of(error) == "LANDING-GAP"
        file.write_bytes(content)
    plan_version(load_sample())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_batch_that_is_gone_is_a_gap(batches: list[Path], number: int) -> None:
    shutil.rmtree(batches[number])
    with pytest.raises(StateError) as error:
        plan_version(load_sample())
    assert rule_of(error) == "LANDING-GAP"


def test_all_batches_that_are_gone_are_a_gap(batches: list[Path]) -> None:
    for folder in batches:
        shutil.rmtree(folder)
    with pytest.raises(StateError) as error:
        plan_version(load_sample())
    assert rule_of(error) == "LANDING-GAP"


def test_two_batches_that_changed_places_are_damaged(batches: list[Path]) -> None:
    aside = batches[0].with_name("aside")
    batches[0].rename(aside)
    batches[1].rename(batches[0])
    aside.rename(batches[1])
    for first, second in ((batches[0], batches[1]), (batches[1], batches[0])):
        edit_manifest(first, seq=read_json(second / "manifest.json")["seq"])
    with pytest.raises(StateError):
        plan_version(load_sample())


def test_two_batches_whose_folders_changed_names_are_damaged(batches: list[Path]) -> None:
    aside = batches[0].with_name("aside")
    batches[0].rename(aside)
    batches[1].rename(batches[0])
    aside.rename(batches[1])
    with pytest.raises(StateError, match=r"LANDING-DAMAGED.*in another's folder"):
        plan_version(load_sample())


def test_no_earlier_batch_can_be_named_the_newest(batches: list[Path]) -> None:
    manifest = read_json(batches[1] / "manifest.json")
    file = paths.landing("sample", "calls") / "newest.json"
    earlier = read_json(file) | {"links": [manifest["link"]]}
    file.write_text(json.dumps(earlier), encoding="utf-8")
    shutil.rmtree(batches[2])
    with pytest.raises(StateError, match=r"LANDING-DAMAGED.*newest\.json was changed"):
        plan_version(load_sample())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_seal_that_was_taken_off_is_noticed(batches: list[Path], number: int) -> None:
    """Who has no key cannot seal anew, so they may take the seal off."""
    file = batches[number] / "manifest.json"
    bare = {
        name: value
        for name, value in read_json(file).items()
        if name not in ("seal", "sealed_files", "link", "before")
    }
    file.chmod(0o600)
    file.write_text(json.dumps(bare | {"accepted": 0}), encoding="utf-8")
    with pytest.raises(StateError) as error:
        plan_version(load_sample())
    assert rule_of(error) in ("LANDING-DAMAGED", "LANDING-GAP")


def test_another_key_is_noticed(batches: list[Path]) -> None:
    key = paths.secrets() / "sample.key"
    content = key.read_bytes()
    key.chmod(0o600)
    key.write_bytes(content.strip()[::-1])
    with pytest.raises(StateError, match=r"LANDING-DAMAGED.*key is another one"):
        plan_version(load_sample())


def test_nothing_is_accepted_behind_a_gap(batches: list[Path]) -> None:
    shutil.rmtree(batches[2])
    agency = load_sample()
    day = agency.start_date + timedelta(days=3)
    step = extract("sample", "calls", Interval.of_days(agency, day, day + timedelta(days=1)))
    with pytest.raises(StateError) as error:
        check_landing("sample", "calls", str(step.result))
    assert rule_of(error) == "LANDING-GAP"


def test_a_loss_that_is_taken_over_is_written_down_and_lets_the_rest_go_on(
    batches: list[Path],
) -> None:
    # in this order, as nothing is accepted behind the gap
    accept = r"accept the loss by .* --accept-loss .*, then extract the same interval again"
    edit_manifest(batches[1], accepted=0)
    with pytest.raises(StateError, match="LANDING-DAMAGED") as error:
        plan_version(load_sample())
    assert re.search(f"remove the folder of this batch, {accept}", error.value.fix)
    shutil.rmtree(batches[1])
    with pytest.raises(StateError, match="LANDING-GAP") as error:
        plan_version(load_sample())
    # it names the folder of all batches, which nobody is to remove
    assert re.search(f"if there is none, {accept}", error.value.fix)
    verify.accept_loss(load_sample(), "the disk and its backup are gone")
    told: list[str] = []
    verify.verify_agency(load_sample(), told.append)
    assert "     2  batches of calls are as they were accepted" in told
    losses = paths.landing("sample", "calls") / "losses.jsonl"
    assert "backup are gone" in losses.read_text(encoding="utf-8")
    assert len(accepted_batches("sample", "calls")) == 2
    day = load_sample().start_date + timedelta(days=1)
    step = extract("sample", "calls", Interval.of_days(load_sample(), day, day + timedelta(days=1)))
    check_landing("sample", "calls", str(step.result))
    assert [batch.folder for batch in verified_batches("sample", "calls")] == [
        batches[0],
        batches[2],
        batches[1],  # under its name again, and the last to be accepted
    ]


def test_a_delivery_after_a_loss_takes_the_name_of_no_batch(small: SmallAgency) -> None:
    def deliver(version: int) -> None:
        calls = [[*call[:-1], f"{call[-1]} {version}"] for call in CALLS]
        small.write("calls.csv", csv_bytes(CALL_HEADER, calls))
        small.extract_and_check()

    def versions() -> list[str]:
        return [batch.folder.name[-3:] for batch in verified_batches("testville", "calls")]

    for version in (1, 2, 3):
        deliver(version)
    assert versions() == ["_v1", "_v2", "_v3"]
    shutil.rmtree(accepted_batches("testville", "calls")[0].folder)
    verify.accept_loss(small.agency, "the disk and its backup are gone")
    deliver(4)
    assert versions() == ["_v2", "_v3", "_v4"]


def test_a_loss_is_written_down_where_something_was_lost(small: SmallAgency) -> None:
    for dataset in ("calls", "crime_records"):
        small.extract_and_check(dataset)
    (batch,) = accepted_batches("testville", "calls")
    shutil.rmtree(batch.folder)
    for _ in range(2):  # the second time, nothing is lost
        verify.accept_loss(small.agency, "the disk and its backup are gone")
    losses = paths.landing("testville", "calls") / "losses.jsonl"
    assert len(losses.read_text(encoding="utf-8").splitlines()) == 1
    assert not (paths.landing("testville", "crime_records") / "losses.jsonl").exists()


def test_a_loss_is_not_taken_over_where_a_batch_is_damaged(batches: list[Path]) -> None:
    edit_manifest(batches[0], accepted=0)
    with pytest.raises(StateError, match="LANDING-DAMAGED"):
        verify.accept_loss(load_sample(), "so be it")


def test_batches_from_before_there_were_seals_are_taken_as_they_are(batches: list[Path]) -> None:
    for folder in batches:
        file = folder / "manifest.json"
        manifest = read_json(file)
        for name in ("seal", "sealed_files", "link", "before"):
            del manifest[name]
        file.chmod(0o600)
        file.write_text(json.dumps(manifest), encoding="utf-8")
    (paths.landing("sample", "calls") / "newest.json").unlink()
    told: list[str] = []
    verify.verify_agency(load_sample(), told.append)
    assert "     3  older ones were never sealed" in told


def test_batches_of_a_source_that_was_taken_out_are_named(batches: list[Path]) -> None:
    gone = paths.landing("sample", "gone_source")
    shutil.copytree(batches[0], gone / "batches" / batches[0].name)
    (paths.landing("sample", "empty_source") / "batches").mkdir(parents=True)
    told: list[str] = []
    verify.verify_agency(load_sample(), told.append)
    assert [line for line in told if "not looked at" in line] == [
        "     1  batches of gone_source were not looked at, and no limit of age removes them, as "
        f"agency.yaml has no sources.gone_source: put it back, or remove {gone}"
    ]


@pytest.mark.parametrize("is_deleted", [True, False])
def test_what_the_rules_found_of_a_batch_is_sealed_as_it_is_published(
    batches: list[Path], is_deleted: bool
) -> None:
    file = batches[1] / "validation.json"
    file.unlink()
    if not is_deleted:
        file.write_text("[]", encoding="utf-8")
    with pytest.raises(StateError, match=r"LANDING-DAMAGED.*validation\.json"):
        plan_version(load_sample())


def test_a_manifest_that_names_another_agency_is_damaged_and_makes_no_key(
    batches: list[Path],
) -> None:
    edit_manifest(batches[0], agency="elsewhere")
    with pytest.raises(StateError, match="LANDING-DAMAGED"):
        plan_version(load_sample())
    assert [file.name for file in paths.secrets().iterdir()] == ["sample.key"]
