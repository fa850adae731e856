"""Bad input ends as a named error or a quarantined row; the published version stays readable."""

import gzip
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from cdi import paths
from cdi.errors import GateError, SourceError
from cdi.keys import decrypt_text
from cdi.landing import batches
from cdi.landing.accept import accept_batch
from cdi.landing.batches import Batch, accepted_batches, read_batch, write_manifest, write_parquet
from cdi.landing.seals import verify_batch
from cdi.quality import checks
from cdi.steps.extract import check_landing, extract
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


@pytest.fixture
def good(ran: SmallAgency) -> tuple[SmallAgency, Path]:
    """The agency with a published version, and the version's file."""
    return ran, ran.published / "recording.duckdb"


def refused_rows(small: SmallAgency) -> list[tuple[str, str, str, str]]:
    """rule_id, detail, masked and original text of the newest batch's refused rows."""
    batch = accepted_batches("testville", "calls")[-1]
    rows = duckdb.execute(
        "select rule_id, detail, original_masked, original_encrypted "
        "from read_parquet(?) order by row_id",
        [str(batch.quarantine)],
    ).fetchall()
    return [
        (rule, detail, masked, decrypt_text("testville", token))
        for rule, detail, masked, token in rows
    ]


def many_calls(extra: list[str] | None = None) -> bytes:
    """60 good calls, so that one bad row stays below the share that fails a file."""
    rows = [[f"T-{n:04d}", *CALLS[2][1:]] for n in range(1, 61)]
    content = csv_bytes(CALL_HEADER, rows)
    return content + "".join(f"{line}\n" for line in extra or []).encode()


ERRORS: dict[str, tuple[str, Callable[[], tuple[str, bytes]]]] = {
    "a missing column": (
        "SRC-COLUMNS",
        lambda: ("calls.csv", csv_bytes(CALL_HEADER[1:], [row[1:] for row in CALLS])),
    ),
    "a column twice": (
        "SRC-COLUMNS",
        lambda: ("calls.csv", csv_bytes([*CALL_HEADER, "number"], [[*r, r[0]] for r in CALLS])),
    ),
    "a wrong delimiter": (
        "SRC-DELIMITER",
        lambda: ("calls.csv", csv_bytes(CALL_HEADER, CALLS, ";")),
    ),
    "an empty file": ("SRC-EMPTY", lambda: ("calls.csv", b"")),
    "an empty gzip file": ("SRC-EMPTY", lambda: ("calls.csv.gz", b"")),
    "a header that is no UTF-8": (
        "SRC-FORMAT",
        lambda: ("calls.csv", b"\xff\xfe" + csv_bytes(CALL_HEADER, CALLS)),
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_file_that_cannot_be_taken_is_a_named_error(
    good: tuple[SmallAgency, Path], case: str
) -> None:
    small, published = good
    before = published.read_bytes()
    rule_id, make = ERRORS[case]
    small.write(*make())
    with pytest.raises(SourceError) as caught:
        small.extract_and_check()
    assert caught.value.rule_id == rule_id
    assert "calls.csv" in caught.value.message
    assert caught.value.fix
    assert_untouched(small, published, before)


def test_a_truncated_gzip_is_a_named_error(good: tuple[SmallAgency, Path]) -> None:
    small, published = good
    before = published.read_bytes()
    small.write("calls.csv", b"x")
    (small.data / "calls.csv").unlink()
    (small.data / "calls.csv.gz").write_bytes(gzip.compress(many_calls())[:-20])
    with pytest.raises(SourceError, match="SRC-GZIP"):
        small.extract_and_check()
    assert_untouched(small, published, before)


def test_no_file_is_a_named_error_whose_next_step_fits_the_agency(
    good: tuple[SmallAgency, Path],
) -> None:
    small, published = good
    before = published.read_bytes()
    (small.data / "calls.csv").unlink()
    with pytest.raises(SourceError, match="SRC-NOT-FOUND") as error:
        small.extract_and_check()
    assert "data_root" in error.value.fix
    assert "make run AGENCY=testville DATA=<folder>" in error.value.fix
    assert "make simulate" not in error.value.fix
    small.settings["data_root"] = "simulation"
    small.write_settings()
    with pytest.raises(SourceError, match="SRC-NOT-FOUND") as error:
        small.extract_and_check()
    assert "make simulate" in error.value.fix
    assert "DATA=" not in error.value.fix
    assert_untouched(small, published, before)


def test_a_file_of_a_state_that_is_to_come_is_a_named_error(
    good: tuple[SmallAgency, Path],
) -> None:
    """It would hide all snapshots that are delivered until then."""
    small, published = good
    before = published.read_bytes()
    small.settings["sources"]["calls"]["files"][0]["as_of"] = "2999-01-07"
    small.write_settings()
    with pytest.raises(SourceError, match=r"SRC-FUTURE.*2999-01-07"):
        small.extract_and_check()
    assert_untouched(small, published, before)


def test_a_header_without_rows_refuses_the_batch(good: tuple[SmallAgency, Path]) -> None:
    small, published = good
    before = published.read_bytes()
    small.write("calls.csv", csv_bytes(CALL_HEADER, []))
    with pytest.raises(GateError, match="FILE-02"):
        small.extract_and_check()
    refused = list((paths.landing("testville", "calls") / "refused").iterdir())
    assert [f.joinpath("validation.html").is_file() for f in refused] == [True]
    assert_untouched(small, published, before)


ROWS = {
    "a row too short": ("T-0100,2026-01-05 10:00", "READ-WIDTH"),
    "a row too long": ("T-0100,2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,,surplus", "READ-WIDTH"),
    "a row too long by a blank": ("T-0100,2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,,", "READ-WIDTH"),
    "an impossible date": ("T-0100,2026-02-30 10:00,,THEFT,THEFT,NONE,N,,,", "TYPE-VALUE"),
    "no time": ("T-0100,,,THEFT,THEFT,NONE,N,,,", "TYPE-REQUIRED"),
    "a reference of 101 letters": (
        f"{'T' * 101},2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,",
        "TYPE-LENGTH",
    ),
    "no key": (",2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,", "TYPE-REQUIRED"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_bad_row_is_quarantined_with_rule_and_original_text(
    good: tuple[SmallAgency, Path], case: str
) -> None:
    small, published = good
    before = published.read_bytes()
    line, rule_id = ROWS[case]
    small.write("calls.csv", many_calls([line]))
    small.extract_and_check()
    ((rule, _, masked, original),) = refused_rows(small)
    assert rule == rule_id
    for value in filter(None, line.split(",")):
        assert value in original
    assert masked
    manifest = accepted_batches("testville", "calls")[-1].manifest
    assert (manifest["read"], manifest["accepted"], manifest["quarantined"]) == (61, 60, 1)
    assert published.read_bytes() == before


def test_one_key_with_two_contents_is_quarantined_whole(good: tuple[SmallAgency, Path]) -> None:
    small, _ = good
    small.write("calls.csv", many_calls(["T-0001,2026-01-05 09:00,,THEFT,THEFT,NONE,N,,,"]))
    small.extract_and_check()
    assert [rule for rule, *_ in refused_rows(small)] == ["KEY-CONFLICT"] * 2
    assert accepted_batches("testville", "calls")[-1].manifest["accepted"] == 59


def test_bytes_that_are_no_utf8_are_kept_escaped(good: tuple[SmallAgency, Path]) -> None:
    small, _ = good
    line = b"T-0100,2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,caf\xe9\n"
    small.write("calls.csv", many_calls() + line)
    small.extract_and_check()
    ((rule, _, _, original),) = refused_rows(small)
    assert rule == "READ-ENCODING"
    assert original == r"T-0100,2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,caf\xe9"


def test_an_unclosed_quote_keeps_all_that_it_swallows(good: tuple[SmallAgency, Path]) -> None:
    small, _ = good
    tail = ['T-0100,2026-01-05 10:00,,THEFT,THEFT,NONE,N,,,"oh', "T-0101,next line"]
    small.write("calls.csv", many_calls(tail))
    small.extract_and_check()
    ((rule, _, _, original),) = refused_rows(small)
    assert rule == "READ-QUOTE"
    assert original == "\n".join(tail)
    checks = accepted_batches("testville", "calls")[-1].folder / "validation.json"
    results = json.loads(checks.read_text(encoding="utf-8"))
    assert "FILE-37" in {check["rule_id"] for check in results if not check["is_success"]}


def test_a_time_that_no_clock_shows_is_taken_with_a_warning(small: SmallAgency) -> None:
    """London skips 01:00 to 02:00 on 30 March 2025, and has it twice on 26 October 2025."""
    skipped, repeated = (
        f"T-{n},{moment},,THEFT,THEFT,NONE,N,,,"
        for n, moment in ((100, "2025-03-30 01:30"), (101, "2025-10-26 01:30"))
    )
    for lines, expected in (([repeated], 0), ([repeated, skipped], 1)):
        small.write("calls.csv", many_calls(lines))
        small.extract_and_check()
        batch = accepted_batches("testville", "calls")[-1]
        results = json.loads((batch.folder / "validation.json").read_text(encoding="utf-8"))
        (rule,) = (result for result in results if result["rule_id"] == "FILE-38")
        assert (rule["unexpected_count"], rule["is_success"]) == (expected, not expected)
    # both are taken by winter time, which is UTC
    landed = duckdb.execute(
        "select cast(received_at as varchar) from read_parquet(?) where year(received_at) = 2025 "
        "order by all",
        [str(batch.rows)],
    ).fetchall()
    assert landed == [("2025-03-30 01:30:00",), ("2025-10-26 01:30:00",)]


def test_a_call_after_the_files_own_date_is_quarantined_by_its_rule(
    good: tuple[SmallAgency, Path],
) -> None:
    small, _ = good
    rows = [[f"T-{n:04d}", *CALLS[2][1:]] for n in range(1, 121)]
    rows[7][1] = "2027-01-01 00:00"
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    small.extract_and_check()
    batch = accepted_batches("testville", "calls")[-1]
    refused = duckdb.execute(
        "select rule_id, source_line from read_parquet(?)", [str(batch.quarantine)]
    ).fetchall()
    assert refused == [("CALL-02", 8)]
    assert batch.manifest["accepted"] == 119
    kept = duckdb.execute("select count(*) from read_parquet(?)", [str(batch.rows)]).fetchall()[0]
    assert kept == (119,)


def test_a_clean_file_does_not_inherit_another_files_refused_rows(
    good: tuple[SmallAgency, Path],
) -> None:
    small, _ = good
    rows = [[f"T-{n:04d}", *CALLS[2][1:]] for n in range(101, 161)]
    (small.data / "calls-1.csv").write_bytes(many_calls(["T-0100,too short"]))
    (small.data / "calls-2.csv").write_bytes(csv_bytes(CALL_HEADER, rows))
    (small.data / "calls.csv").unlink()
    small.extract_and_check()
    files = accepted_batches("testville", "calls")[-1].manifest["files"]
    assert [(f["read"], f["quarantined"]) for f in files] == [(61, 1), (60, 0)]
    assert len(refused_rows(small)) == 1


def test_a_file_under_two_names_is_named_and_its_rows_are_counted_once(small: SmallAgency) -> None:
    for name in ("calls.csv", "calls (1).csv"):
        (small.data / name).write_bytes(many_calls(["T-0100,too short"]))
    small.extract_and_check()
    (batch,) = accepted_batches("testville", "calls")
    fates = [
        (file["name"], *(file[fate] for fate in ("read", "accepted", "duplicates", "quarantined")))
        for file in batch.manifest["files"]
    ]
    assert fates == [("calls (1).csv", 61, 60, 0, 1), ("calls.csv", 61, 0, 60, 1)]
    results = json.loads((batch.folder / "validation.json").read_text(encoding="utf-8"))
    (told,) = (result for result in results if result["rule_id"] == "FILE-33")
    assert (told["is_success"], told["unexpected_count"]) == (False, 1)


def test_two_kinds_of_line_end_are_a_named_error(good: tuple[SmallAgency, Path]) -> None:
    small, published = good
    before = published.read_bytes()
    content = many_calls().replace(b"\n", b"\r\n")
    small.write("calls.csv", content + b"T-0100,2026-01-05\n10:00,,THEFT,THEFT,NONE,N,,,\r\n")
    with pytest.raises(SourceError, match="SRC-FORMAT"):
        small.extract_and_check()
    assert_untouched(small, published, before)


def test_a_check_that_is_repeated_accepts_once_and_says_when_there_is_nothing_to_check(
    good: tuple[SmallAgency, Path],
) -> None:
    small, _ = good
    small.write("calls.csv", many_calls())
    batch_id = extract("testville", "calls", small.interval).result
    assert batch_id is not None
    (paths.landing("testville", "calls") / "pending" / batch_id / ".check.duckdb").touch()
    for _ in range(2):  # the second time as Airflow's retry after a kill
        assert check_landing("testville", "calls", batch_id).result == batch_id
    assert len(accepted_batches("testville", "calls")) == 2
    with pytest.raises(GateError, match="GATE-GONE"):
        check_landing("testville", "calls", "20260105T0000_20260107T0000_v9")


def test_what_a_second_run_of_the_interval_extracts_meanwhile_is_not_lost(
    good: tuple[SmallAgency, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It replaces the pending batch of the first run while that one is checked."""
    small, _ = good
    small.write("calls.csv", many_calls())
    first = extract("testville", "calls", small.interval).result
    assert first is not None
    second: list[str | None] = []

    def extract_newer(batch: Batch) -> Batch | None:
        if not second:
            last = many_calls().splitlines(keepends=True)[-1]
            small.write("calls.csv", many_calls() + last.replace(b"T-0060", b"T-0061"))
            second.append(extract("testville", "calls", small.interval).result)
        return accept_batch(batch)

    monkeypatch.setattr(checks, "accept_batch", extract_newer)
    assert check_landing("testville", "calls", first).result == first
    assert second == [first]
    for _ in range(2):  # also when Airflow tries again
        with pytest.raises(GateError, match=r"(?s)GATE-GONE.*next version"):
            check_landing("testville", "calls", first)
    again = extract("testville", "calls", small.interval).result
    assert again is not None
    check_landing("testville", "calls", again)
    *_, older, newest = accepted_batches("testville", "calls")
    assert newest.manifest["read"] == older.manifest["read"] + 1
    assert not list((paths.landing("testville", "calls") / "pending").glob("[!.]*"))


@pytest.mark.parametrize(("late", "fate"), [(1, "batches"), (30, "refused")])
def test_a_check_that_is_killed_again_and_again_ends_as_an_undisturbed_one(
    small: SmallAgency, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, late: int, fate: str
) -> None:
    """Each time one write further: none of the rows that it sets apart is lost or told twice."""
    rows = [[f"T-{n:04d}", *CALLS[2][1:]] for n in range(1, 121)]
    for row in rows[:late]:
        row[1] = "2027-01-01 00:00"
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    batch_id = extract("testville", "calls", small.interval).result
    assert batch_id is not None
    shutil.copytree(paths.home(), tmp_path / "killed")
    with suppress(GateError):
        check_landing("testville", "calls", batch_id)
    undisturbed = on_disk(fate, batch_id)
    assert undisturbed["quarantine"] == [("CALL-02", n) for n in range(1, late + 1)]

    monkeypatch.setenv("CDI_HOME", str(tmp_path / "killed"))
    kills = 0
    with suppress(GateError):
        while is_killed_before_write(kills, batch_id):
            kills += 1
    with suppress(GateError):
        check_landing("testville", "calls", batch_id)
    assert on_disk(fate, batch_id) == undisturbed
    home = paths.landing("testville", "calls")
    left = [f for name in ("pending", "checking") for f in (home / name).glob("*/manifest.json")]
    assert left == []
    assert kills > 10


def is_killed_before_write(number: int, batch_id: str) -> bool:
    """Check, but be killed before that many writes below the landing; files are half-written."""
    writes = 0

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def killed(*arguments: Any, **options: Any) -> Any:
            nonlocal writes
            if not any(str(paths.home() / "landing") in str(part) for part in arguments):
                return write(*arguments, **options)
            if writes == number:
                if write is write_parquet:
                    arguments[2].write_bytes(b"PAR1")
                if write is write_manifest:
                    (arguments[0] / "manifest.json").write_bytes(b"{")
                raise KeyboardInterrupt
            writes += 1
            return write(*arguments, **options)

        return killed

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (batches, "write_parquet"),
            (batches, "write_manifest"),
            (checks, "write_results_file"),
            (shutil, "copytree"),
            (shutil, "rmtree"),
            (Path, "rename"),
            (Path, "replace"),
        ):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        try:
            check_landing("testville", "calls", batch_id)
        except KeyboardInterrupt:
            return True
    return False


def on_disk(fate: str, batch_id: str) -> dict[str, Any]:
    """All that the check decided; what is encrypted differs each time."""
    batch = read_batch(paths.landing("testville", "calls") / fate / batch_id)
    verify_batch("testville", batch)
    sealed = {"seal", "sealed_files"}
    read = "from read_parquet(?) order by all"
    return {
        "rows": duckdb.execute(read, [str(batch.rows)]).fetchall(),
        "quarantine": duckdb.execute(
            f"select rule_id, source_line {read}", [str(batch.quarantine)]
        ).fetchall(),
        "manifest": {n: value for n, value in batch.manifest.items() if n not in sealed},
        "results": (batch.folder / "validation.json").read_text(encoding="utf-8"),
        "files": sorted(file.name for file in batch.folder.iterdir()),
    }


def test_too_many_refused_rows_refuse_the_batch(good: tuple[SmallAgency, Path]) -> None:
    small, published = good
    before = published.read_bytes()
    small.write("calls.csv", many_calls([ROWS["an impossible date"][0]] * 1 + ["x,y"] * 9))
    note = extract("testville", "calls", small.interval).note
    assert "quarantined: READ-WIDTH: 9, TYPE-VALUE (received_at): 1" in note
    with pytest.raises(
        GateError, match=r"FILE-03.*READ-WIDTH: 9, TYPE-VALUE \(received_at\): 1"
    ) as refused:
        small.extract_and_check()
    assert f"correct {small.folder}" in str(refused.value.fix)
    page = next(paths.landing("testville", "calls").glob("refused/*/validation.html"))
    assert "READ-WIDTH: 9, TYPE-VALUE (received_at): 1" in page.read_text(encoding="utf-8")
    assert_untouched(small, published, before)


def test_a_cut_off_snapshot_refuses_the_batch(good: tuple[SmallAgency, Path]) -> None:
    """Two of five calls would withdraw the other three."""
    small, published = good
    before = published.read_bytes()
    small.write("calls.csv", csv_bytes(CALL_HEADER, CALLS[:2]))
    with pytest.raises(GateError, match="FILE-07"):
        small.extract_and_check()
    assert_untouched(small, published, before)


def test_a_snapshot_that_was_cut_at_the_end_of_a_row_refuses_the_batch(
    good: tuple[SmallAgency, Path],
) -> None:
    """Seven tenths of the calls are left, but none of the last day."""
    small, published = good
    before = published.read_bytes()
    days = ["2026-01-05 10:00"] * 70 + ["2026-01-06 12:00"] * 30
    rows = [[f"T-{n:04d}", day, *CALLS[2][2:]] for n, day in enumerate(days, 1)]
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    small.extract_and_check()
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows[:70]))
    with pytest.raises(GateError, match=r"FILE-36.*26\.0"):
        small.extract_and_check()
    assert len(accepted_batches("testville", "calls")) == 2
    assert published.read_bytes() == before


def test_a_file_of_new_days_alone_that_is_called_a_snapshot_refuses_the_batch(
    good: tuple[SmallAgency, Path],
) -> None:
    """It has as many rows as the file before, so no count shows that it would withdraw them all."""
    small, published = good
    before = published.read_bytes()
    for hundred, day in enumerate(("2026-01-05", "2026-01-06")):
        rows = [[f"T-{hundred}{n:03d}", f"{day} 10:00", *CALLS[2][2:]] for n in range(100)]
        small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
        if hundred == 0:
            small.extract_and_check()
    with pytest.raises(GateError, match=r"FILE-39(?s:.*)`delivery: changes`"):
        small.extract_and_check()
    assert len(accepted_batches("testville", "calls")) == 2
    assert published.read_bytes() == before


def test_unmapped_call_types_refuse_the_batch(good: tuple[SmallAgency, Path]) -> None:
    small, published = good
    before = published.read_bytes()
    rows = [[*row[:4], "NEWCODE", *row[5:]] for row in CALLS]
    small.write("calls.csv", csv_bytes(CALL_HEADER, rows))
    with pytest.raises(GateError, match="CALL-07"):
        small.extract_and_check()
    assert_untouched(small, published, before)


def test_codes_that_stop_a_batch_are_named_if_many_rows_have_them(
    good: tuple[SmallAgency, Path],
) -> None:
    """A code of few rows may be a name in the wrong column, so it is only counted."""
    small, _ = good
    codes = ["ALARM"] * 12 + ["PATROL"] * 30 + ["ADA EXAMPLE"] * 9 + ["NOISE"] * 20
    rows = [
        [f"T-{number:04d}", *CALLS[2][1:4], code, *CALLS[2][5:]]
        for number, code in enumerate(codes, start=1)
    ]
    small.write("calls.csv", csv_bytes([*CALL_HEADER, "colour"], [[*row, "red"] for row in rows]))
    with pytest.raises(GateError) as caught:
        small.extract_and_check()
    message = str(caught.value)
    assert "CALL-07: 51 of 71 rows (PATROL: 30, ALARM: 12, others: 9)." in message
    assert "ADA" not in message
    (page,) = (paths.landing("testville", "calls") / "refused").rglob("validation.json")
    told = {result["rule_id"]: result for result in json.loads(page.read_text(encoding="utf-8"))}
    assert told["FILE-04"]["observed_value"] == "colour"
    assert "ADA" not in page.read_text(encoding="utf-8")


def test_a_line_that_is_no_json_is_quarantined(good: tuple[SmallAgency, Path]) -> None:
    small, _ = good
    settings = yaml.safe_load((small.folder / "agency.yaml").read_text())
    settings["sources"]["calls"]["format"] = "jsonl"
    small.write_text("agency.yaml", yaml.safe_dump(settings))
    lines = [
        json.dumps(dict(zip(CALL_HEADER, [f"T-{n:04d}", *CALLS[2][1:]], strict=True)))
        for n in range(1, 61)
    ]
    small.write("calls.jsonl", "\n".join([*lines, '{"number": "T-0100", oops', "[]"]).encode())
    small.extract_and_check()
    refused = refused_rows(small)
    assert [rule for rule, *_ in refused] == ["READ-JSON", "READ-JSON"]
    assert {original for *_, original in refused} == {'{"number": "T-0100", oops', "[]"}
    assert accepted_batches("testville", "calls")[-1].manifest["accepted"] == 60


def test_personal_data_of_refused_rows_is_masked_in_what_is_published(
    good: tuple[SmallAgency, Path],
) -> None:
    small, _ = good
    bad = 'T-0100,2026-02-30 10:00,,THEFT,THEFT,NONE,N,Ada Example,01632 960001,"Ada was here"'
    wide = "T-0101,Ada Example,01632 960001,a,b,c,d,e,f,g,h,i,j"
    # a delimiter is gone: the time is no time, a name is a district, and what is required is blank
    left = "T-0102,2026-01-05 10:00 THEFT,,THEFT,,N,Ada Example,01632 960001,Ada was here,"
    small.write("calls.csv", many_calls([bad, wide, left]))
    small.extract_and_check()
    refused = refused_rows(small)
    assert [rule for rule, *_ in refused] == ["TYPE-VALUE", "TYPE-REQUIRED", "READ-WIDTH"]
    for _, _, masked, original in refused:
        assert "Ada" in original
        assert "960001" in original
        assert "Ada" not in masked
        assert "960001" not in masked


def assert_untouched(small: SmallAgency, published: Path, before: bytes) -> None:
    """The published file is byte for byte what it was, readable, and no batch was accepted."""
    assert published.read_bytes() == before
    assert small.rows("select count(*) from fct_calls") == [(5,)]
    assert len(accepted_batches("testville", "calls")) == 1
