"""The check in an inspector's pack takes no readings but those that the register noted last."""

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cdi.publish.audit_pack_files import SHIPPED

DRAW = "frame_20170401_20170701_1"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the pack, which is in no package, in the folder of a pack."""
    spec = importlib.util.spec_from_file_location("check", SHIPPED / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    Path("pack.json").write_text(json.dumps({"draw_id": DRAW}))
    return module


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


FIRST, SECOND = f"{DRAW}_1207.csv", f"{DRAW}_1207_second.csv"


def write_register(*lines: dict[str, Any]) -> None:
    of_draw = [{"draw_id": DRAW, **line} for line in lines]
    Path("register.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in of_draw))


def note_delivery(text: str, file: str | None = None) -> dict[str, Any]:
    """A line about readings that auditor 1207 handed in; earlier versions did not name the file."""
    line = {"kind": "delivery", "auditor": "1207", "sha256": sha256(text)}
    return line | ({"file": file} if file else {})


def passes(check: ModuleType, name: str, text: str) -> bool:
    """Whether a pack with this file of readings passes."""
    file = Path(name)
    file.write_text(text)
    try:
        check.check_readings([file])
    except check.WrongError as error:
        assert name in str(error)
        return False
    return True


def test_after_an_erasure_only_the_file_that_it_left_passes(check: ModuleType) -> None:
    readings = {FIRST: sha256("without the erased log"), SECOND: None}
    write_register(
        note_delivery("as it was delivered", FIRST),
        note_delivery("the second reading", SECOND),
        {"kind": "erasure", "positions": [4]},  # as erasures were once noted
        {"kind": "erasure", "positions": [], "readings": readings},
    )
    assert passes(check, FIRST, "without the erased log")
    assert not passes(check, FIRST, "as it was delivered")
    assert not passes(check, SECOND, "the second reading")


def test_readings_that_others_took_the_place_of_do_not_pass(check: ModuleType) -> None:
    """The rate was worked out from the newest ones, and not from those before."""
    write_register(
        note_delivery("two crimes", FIRST),
        note_delivery("one crime", FIRST),
        note_delivery("read by another", SECOND),
    )
    assert passes(check, FIRST, "one crime")
    assert passes(check, SECOND, "read by another")
    assert not passes(check, FIRST, "two crimes")
    assert not passes(check, FIRST, "read by another")


def test_a_register_of_an_earlier_version_names_the_auditor_alone(check: ModuleType) -> None:
    before = [note_delivery("two crimes"), note_delivery("one crime")]
    write_register(*before)
    assert passes(check, FIRST, "one crime")
    assert not passes(check, FIRST, "two crimes")
    # from then on a line may be about either file of the auditor
    write_register(*before, {"kind": "second"}, note_delivery("read second"))
    assert passes(check, FIRST, "one crime")
    assert passes(check, SECOND, "read second")
    assert not passes(check, SECOND, "one crime")
    write_register(*before, {"kind": "second"}, note_delivery("x"), note_delivery("again", FIRST))
    assert not passes(check, FIRST, "one crime")
