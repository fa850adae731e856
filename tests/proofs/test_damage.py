"""The proof by damage hits what it says, and says so if nobody names a damage."""

from pathlib import Path
from typing import Any

import pytest

from cdi import paths
from cdi.errors import StateError
from cdi_proofs import damage
from cdi_proofs.damage_edits import EDITS, replace_file


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("landing/a/v/calls/batches/b/rows.parquet", "accepted rows"),
        ("landing/a/v/calls/batches/b/validation.json", "results of a batch"),
        ("landing/a/v/erased.jsonl.seal", "tombstones"),
        ("weights/a/v/text/1/weights.json", "description of weights"),
        ("weights/a/v/links/1/link_weights.csv", "weights"),
        ("audit/a/v/draw/frame.parquet", "audit draw"),
        ("audit/a/v/draw/worksheets/x.csv", "worksheets"),
        ("audit/a/v/findings/x.csv", "audit findings"),
        ("published/a/versions/1/open/rates.parquet", "open extract"),
        ("published/a/versions/1/SHA256SUMS", "checksums"),
        ("prepared/1/sums.json", "prepared project"),
        ("prepared/1/manifest.json", "rest of the prepared project"),
    ],
)
def test_each_file_is_counted_by_its_kind(name: str, kind: str) -> None:
    assert damage._kind_of(name) == kind


def test_each_edit_has_a_title_of_its_own() -> None:
    assert len({(edit.kind, edit.title) for edit in EDITS}) == len(EDITS) >= 40


def test_who_names_a_damage_is_told_and_what_has_no_id_is_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raise_(error: Exception) -> None:
        raise error

    for ask in ("_ask_run", "_ask_verify", "_ask_readings", "_ask_prepared"):
        monkeypatch.setattr(damage, ask, lambda: None)
    assert damage.name_damage() == ""
    named = StateError("STATE-DAMAGED", "it is", "mend it")
    monkeypatch.setattr(damage, "_ask_verify", lambda: raise_(named))
    assert damage.name_damage() == "STATE-DAMAGED"
    monkeypatch.setattr(damage, "_ask_verify", lambda: raise_(KeyError("x")))
    assert damage.name_damage() == "?KeyError"


def test_a_damage_is_undone_and_kept(state: Path) -> None:
    file = paths.home() / "landing" / "a.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"one")
    undo = damage._Undo()
    replace_file(file, b"two")
    (file.parent / "new").write_bytes(b"new")
    assert undo.changes() == {"landing/a.json": b"two", "landing/new": b"new"}
    undo.restore()
    assert file.read_bytes() == b"one"
    assert not (file.parent / "new").exists()
    file.unlink()
    assert undo.changes() == {"landing/a.json": None}
    undo.restore()
    assert file.read_bytes() == b"one"


def test_each_damage_that_nobody_named_is_built_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two damages of one file need two copies; the first of them changes what is made."""
    built: list[dict[str, bytes | None]] = []

    def build(_: Path, __: Path, ___: int, files: dict[str, bytes | None]) -> tuple[Any, str]:
        built.append(files)
        return {"rows": 4 if files.get("a") == b"bad" else 3}, ""

    monkeypatch.setattr(damage, "_build_on_copy", build)
    trials = [
        damage.Trial("log", "a, bit 1", "", {"a": b"bad"}),
        damage.Trial("log", "b, bit 1", "", {"b": b"odd"}),
        damage.Trial("log", "a, bit 2", "", {"a": b"odd"}),
    ]
    figures = damage._build_on_samples(
        lambda _: None, lambda *_: None, tmp_path, tmp_path, 1, trials, builds=0
    )
    assert built == [{}, {"a": b"bad", "b": b"odd"}, {"a": b"odd"}]
    assert [row["outcome"] for row in figures["built"]] == ["other: rows", "equal"]
    assert figures["missed"] == ["log: a, bit 1", "log: b, bit 1"]
