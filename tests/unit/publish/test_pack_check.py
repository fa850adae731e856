"""The check in an inspector's pack takes no file of readings that the register does not know."""

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

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


def write_erasure(readings: dict[str, str | None]) -> None:
    lines = [
        {"kind": "erasure", "draw_id": DRAW, "positions": [4]},  # as erasures were once noted
        {"kind": "erasure", "draw_id": DRAW, "positions": [], "readings": readings},
    ]
    Path("register.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_after_an_erasure_only_the_file_that_it_left_passes(check: ModuleType) -> None:
    cleaned, other = Path(f"{DRAW}_1207.csv"), Path(f"{DRAW}_1311.csv")
    cleaned.write_text("without the erased log")
    other.write_text("as it was delivered")
    write_erasure({cleaned.name: sha256("without the erased log"), f"{DRAW}_FCR.csv": None})
    noted = {sha256("as it was delivered")}
    check.check_readings(noted, [cleaned, other])
    for file, text in ((cleaned, "changed since"), (other, "without the erased log")):
        before = file.read_text()
        file.write_text(text)
        with pytest.raises(check.WrongError, match=file.name):
            check.check_readings(noted, [cleaned, other])
        file.write_text(before)
