"""Open extracts on their way to one place: whole or not at all, and each absence is named."""

import errno
import json
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from typer.testing import CliRunner

from cdi import paths
from cdi.cli import app
from cdi.errors import CdiError, MachineError
from cdi.national import exchange
from cdi.national.exchange import (
    Received,
    collect_open_extracts,
    resume_open_extract,
    send_open_extract,
    withdraw_open_extract,
)
from cdi.steps.peers import compare_sent_extracts
from tests.open_extracts import publish

NOW = datetime(2017, 10, 2, 6, tzinfo=UTC)
NEWER = {"version": "20171002T0000-bbbbbbbbbb", "as_of": "2017-10-02T00:00:00"}


@pytest.fixture
def place(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place to which agencies send, with an empty registry and state."""
    monkeypatch.setenv("CDI_AGENCIES", str(tmp_path / "agencies"))
    monkeypatch.setenv("CDI_OPEN", str(tmp_path / "open"))
    return tmp_path / "open"


def collect(place: Path, *expected: str, now: datetime = NOW) -> dict[str, Received]:
    found = collect_open_extracts(str(place), expected, paths.national() / "extracts", now)
    return {received.agency: received for received in found}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_collected_is_what_was_published(place: Path) -> None:
    publish("alpha", 80, 100)
    assert send_open_extract("alpha", str(place), NOW) == "20171001T0000-aaaaaaaaaa"
    alpha = collect(place, "alpha")["alpha"]
    assert (alpha.state, alpha.version) == ("reported", "20171001T0000-aaaaaaaaaa")
    assert alpha.as_of == datetime(2017, 10, 1, tzinfo=UTC)
    assert alpha.folder is not None
    published = contents(paths.published("alpha") / "current" / "open")
    assert len(published) > 10
    assert contents(alpha.folder) == published


def test_nothing_but_the_open_extract_is_sent(place: Path) -> None:
    publish("alpha", 80, 100)
    (paths.published("alpha") / "current" / "recording.duckdb").write_bytes(b"Quillfeather")
    send_open_extract("alpha", str(place), NOW)
    sent = {file.name for file in place.rglob("*") if file.is_file()}
    assert sent == {"current.json", *contents(paths.published("alpha") / "current" / "open")}


def test_the_same_version_is_sent_once(place: Path) -> None:
    publish("alpha", 80, 100)
    assert send_open_extract("alpha", str(place), NOW)
    assert send_open_extract("alpha", str(place), NOW + timedelta(days=1)) is None
    assert collect(place, "alpha")["alpha"].sent_at == NOW


def test_a_reader_sees_the_old_version_until_the_new_one_is_whole(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost after each number of files in turn."""
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)
    old = collect(place, "alpha")["alpha"].version
    publish("alpha", 90, 100, **NEWER)
    put_file, count = exchange.put_file, 0
    for lost_after in range(20):
        left = lost_after

        def lose(filesystem: fsspec.AbstractFileSystem, file: Path, path: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise ConnectionResetError(104, "Connection reset by peer")
            put_file(filesystem, file, path)

        monkeypatch.setattr(exchange, "put_file", lose)
        try:
            send_open_extract("alpha", str(place), NOW)
            break
        except MachineError as error:
            assert error.rule_id == "OPEN-PLACE"
            count += 1
        assert collect(place, "alpha")["alpha"].version == old
    assert count == len(contents(paths.published("alpha") / "current" / "open"))
    assert collect(place, "alpha")["alpha"].version == NEWER["version"]


def test_a_reader_of_the_version_before_goes_on_reading_it(place: Path) -> None:
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)
    publish("alpha", 90, 100, **NEWER)
    send_open_extract("alpha", str(place), NOW)
    folder = place / "alpha" / "versions"
    assert sorted(version.name for version in folder.iterdir()) == [
        "20171001T0000-aaaaaaaaaa", NEWER["version"]
    ]  # fmt: skip
    publish("alpha", 91, 100, version="20171003T0000-cccccccccc")
    send_open_extract("alpha", str(place), NOW)
    assert sorted(version.name for version in folder.iterdir()) == [
        NEWER["version"], "20171003T0000-cccccccccc"
    ]  # fmt: skip


def test_after_an_erasure_the_version_before_is_not_kept(place: Path) -> None:
    """What auditors found is counted anew in each version: the difference would tell of it."""
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)
    publish("alpha", 80, 100, erasures=1, version=NEWER["version"], as_of=NEWER["as_of"])
    send_open_extract("alpha", str(place), NOW)
    folder = place / "alpha" / "versions"
    assert [version.name for version in folder.iterdir()] == [NEWER["version"]]


def test_after_an_erasure_a_send_that_was_stopped_is_cleaned_up_by_the_next_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)
    publish("alpha", 80, 100, erasures=1, version=NEWER["version"], as_of=NEWER["as_of"])
    folder = place / "alpha" / "versions"
    with monkeypatch.context() as stopped:
        fail(stopped, "rm", errno.EIO, lambda path: path.startswith(str(folder)))
        with pytest.raises(MachineError, match="OPEN-PLACE"):
            send_open_extract("alpha", str(place), NOW)
    assert len(list(folder.iterdir())) == 2
    assert send_open_extract("alpha", str(place), NOW) is None
    assert [version.name for version in folder.iterdir()] == [NEWER["version"]]


def test_who_is_late_silent_or_unknown_is_named(place: Path) -> None:
    for name in ("alpha", "beta", "stranger"):
        publish(name, 80, 100)
        send_open_extract(name, str(place), NOW)
    publish("beta", 80, 100, **NEWER)
    later = NOW + timedelta(days=9)
    send_open_extract("beta", str(place), later)
    found = collect(place, "alpha", "beta", "gamma", now=later)
    states = {name: received.state for name, received in found.items()}
    assert states == {
        "alpha": "late", "beta": "reported", "gamma": "silent", "stranger": "unknown"
    }  # fmt: skip
    assert found["alpha"].folder is not None
    assert found["gamma"].folder is found["stranger"].folder is None


def test_what_was_withdrawn_is_gone_until_the_agency_sends_again(place: Path) -> None:
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)
    kept = collect(place, "alpha")["alpha"].folder
    withdraw_open_extract("alpha", str(place), "counted wrongly", NOW)
    publish("alpha", 90, 100, **NEWER)
    assert send_open_extract("alpha", str(place), NOW) is None
    alpha = collect(place, "alpha")["alpha"]
    assert (alpha.state, alpha.problem, alpha.folder) == ("withdrawn", "counted wrongly", None)
    assert kept is not None
    assert not kept.exists()
    assert not list(place.rglob("*.parquet"))
    assert resume_open_extract("alpha", str(place), NOW) == NEWER["version"]
    assert collect(place, "alpha")["alpha"].state == "reported"


def test_a_withdrawal_that_did_not_reach_the_place_is_done_by_the_next_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)

    def lose(*_: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "put_bytes", lose)
        with pytest.raises(MachineError, match="give the command again, or the next run does it"):
            withdraw_open_extract("alpha", str(place), "counted wrongly", NOW)
    assert collect(place, "alpha")["alpha"].state == "reported"
    later = NOW + timedelta(days=1)
    assert send_open_extract("alpha", str(place), later) is None
    alpha = collect(place, "alpha")["alpha"]
    assert (alpha.state, alpha.problem, alpha.sent_at) == ("withdrawn", "counted wrongly", NOW)
    assert not list(place.rglob("*.parquet"))


def test_a_run_that_is_sending_does_not_undo_a_withdrawal(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("alpha", 80, 100)
    withdrawal = threading.Thread(
        target=withdraw_open_extract, args=("alpha", str(place), "counted wrongly", NOW)
    )
    put_file = exchange.put_file

    def withdraw_meanwhile(*args: Any) -> None:
        if withdrawal.ident is None:
            withdrawal.start()
            withdrawal.join(2)  # it may be done before the next file is sent
        put_file(*args)

    monkeypatch.setattr(exchange, "put_file", withdraw_meanwhile)
    send_open_extract("alpha", str(place), NOW)
    withdrawal.join()
    assert collect(place, "alpha")["alpha"].state == "withdrawn"
    assert not list(place.rglob("*.parquet"))


@pytest.mark.parametrize("spoil", ["bit", "cut", "gone", "pointer", "escape", "huge"])
def test_what_is_not_as_it_was_sent_is_named_and_not_shown(place: Path, spoil: str) -> None:
    publish("alpha", 80, 100)
    publish("beta", 80, 100)
    for name in ("alpha", "beta"):
        send_open_extract(name, str(place), NOW)
    (file,) = (place / "alpha").rglob("crimes.parquet")
    pointer = place / "alpha" / "current.json"
    if spoil == "bit":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif spoil == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif spoil == "gone":
        file.unlink()
    elif spoil == "pointer":
        pointer.write_text(pointer.read_text()[:-5])
    else:
        body = json.loads(pointer.read_text())
        entry = body["files"].pop("crimes.parquet")
        name = "../../crimes.parquet" if spoil == "escape" else "crimes.parquet"
        body["files"][name] = entry | ({"size": 2**40} if spoil == "huge" else {})
        pointer.write_text(json.dumps(body))
    found = collect(place, "alpha", "beta")
    assert (found["alpha"].state, found["alpha"].folder) == ("damaged", None)
    assert found["alpha"].problem
    assert found["beta"].state == "reported"


@pytest.mark.parametrize(
    "content",
    [
        '{"version": null, "as_of": null, "sent_at": "0001-01-01T00:00:00+14:00", "files": {}, '
        '"withdrawn_because": "before all time"}',
        '{"version": "1", "as_of": null, "sent_at": "2017-10-01T00:00:00+00:00", '
        '"files": {"a": {"size": Infinity, "sha256": ""}}, "withdrawn_because": null}',
        "[" * 500_000,
    ],
)
def test_a_pointer_of_odd_values_is_damage_of_that_agency_alone(place: Path, content: str) -> None:
    publish("beta", 80, 100)
    send_open_extract("beta", str(place), NOW)
    (place / "alpha").mkdir()
    (place / "alpha" / "current.json").write_text(content)
    found = collect(place, "alpha", "beta")
    assert (found["alpha"].state, found["beta"].state) == ("damaged", "reported")


def test_files_and_hidden_folders_of_the_place_are_no_agencies(place: Path) -> None:
    for name in ("alpha", "stranger"):
        publish(name, 80, 100)
        send_open_extract(name, str(place), NOW)
    for name in ("README.txt", ".DS_Store"):
        (place / name).touch()
    (place / ".snapshot").mkdir()
    assert list(collect(place, "alpha")) == ["alpha", "stranger"]


def test_a_place_that_cannot_be_written_is_named_without_its_password(place: Path) -> None:
    publish("alpha", 80, 100)
    with pytest.raises(MachineError) as raised:
        send_open_extract("alpha", "file:///proc/hunter2/open", NOW)
    assert raised.value.rule_id == "OPEN-PLACE"
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("lost", ["gone", "empty", "stale"])
def test_a_place_that_is_not_mounted_silences_nobody(
    place: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    for name in ("alpha", "beta"):
        publish(name, 80, 100)
        send_open_extract(name, str(place), NOW)
    compare_sent_extracts()
    extracts, file = paths.national() / "extracts", paths.national() / "national.duckdb"
    before = file.read_bytes()
    if lost == "stale":
        fail(monkeypatch, "info", errno.ESTALE, lambda path: path.startswith(str(place)))
    else:
        place.rename(place.with_name("away"))
    if lost == "empty":
        place.mkdir()
    with pytest.raises(MachineError, match="OPEN-PLACE"):
        compare_sent_extracts()
    assert {folder.name for folder in extracts.iterdir()} == {"alpha", "beta"}
    assert file.read_bytes() == before


def fail(
    monkeypatch: pytest.MonkeyPatch, name: str, number: int, where: Callable[[str], bool]
) -> None:
    """Let a function of folders fail for some paths, with an error of the operating system."""
    whole = getattr(LocalFileSystem, name)

    def answer(self: LocalFileSystem, path: str, **options: object) -> object:
        if where(str(path)):
            raise OSError(number, "failed", str(path))
        return whole(self, path, **options)

    monkeypatch.setattr(LocalFileSystem, name, answer)


def test_one_agency_that_cannot_be_read_is_damaged_and_several_of_them_are_the_place(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta", "delta"):
        publish(name, 80, 100)
        send_open_extract(name, str(place), NOW)
    collect(place, "alpha", "beta", "delta")
    fail(monkeypatch, "info", errno.EIO, lambda path: path.endswith("alpha/current.json"))
    found = collect(place, "alpha", "beta", "delta", "gamma")
    states = {name: received.state for name, received in found.items()}
    assert states == {
        "alpha": "damaged", "beta": "reported", "delta": "reported", "gamma": "silent"
    }  # fmt: skip
    extracts = paths.national() / "extracts"
    assert {folder.name for folder in extracts.iterdir()} == {"alpha", "beta", "delta"}
    fail(monkeypatch, "info", errno.EIO, lambda path: path.endswith("beta/current.json"))
    with pytest.raises(MachineError, match="OPEN-PLACE"):
        collect(place, "alpha", "beta", "delta", "gamma")
    assert {folder.name for folder in extracts.iterdir()} == {"alpha", "beta", "delta"}


def test_a_place_that_stops_answering_at_the_last_agency_is_no_damage_of_that_agency(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta"):
        publish(name, 80, 100)
        send_open_extract(name, str(place), NOW)
    collect(place, "alpha", "beta")
    asked: list[str] = []

    def is_stale(path: str) -> bool:
        asked.append(path)
        return any(path.endswith("beta/current.json") for path in asked)

    fail(monkeypatch, "info", errno.ESTALE, is_stale)
    fail(monkeypatch, "ls", errno.ESTALE, is_stale)
    with pytest.raises(MachineError, match="OPEN-PLACE"):
        collect(place, "alpha", "beta")
    assert {folder.name for folder in (paths.national() / "extracts").iterdir()} == {
        "alpha",
        "beta",
    }


def test_a_withdrawal_that_cannot_see_what_was_sent_does_not_succeed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)
    fail(monkeypatch, "info", errno.ESTALE, lambda path: path.endswith("versions"))
    with pytest.raises(MachineError, match="OPEN-PLACE"):
        withdraw_open_extract("alpha", str(place), "counted wrongly", NOW)


def test_an_agency_without_a_version_says_so(place: Path) -> None:
    with pytest.raises(CdiError, match="OPEN-NOTHING"):
        send_open_extract("alpha", str(place), NOW)


# ---------------------------------------------------------------------- the national page


def forces(count: int) -> dict[str, tuple[int, int]]:
    """Recorded and due crimes of so many forces, all different."""
    return {f"force{n:02}": (700 + 7 * n, 1000 + 3 * n) for n in range(count)}


def test_each_national_figure_equals_that_of_the_force(place: Path) -> None:
    """Forty-three forces; one of them withholds its counts, and one withdraws."""
    figures = forces(43)
    for name, (recorded, due) in figures.items():
        publish(name, None if name == "force07" else recorded, due)
        send_open_extract(name, str(place), NOW)
    note = compare_sent_extracts().note
    assert note.startswith("43 of 43 agencies are shown")
    with duckdb.connect(str(paths.national() / "national.duckdb"), read_only=True) as con:
        rows = con.execute(
            "select agency, recorded_count, due_count from crimes where district = 'all'"
        ).fetchall()
        meanings = dict(con.execute("select table_name, comment from duckdb_tables()").fetchall())
    # each agency has a limit of its own
    assert "A rate is shown if it is of its agency's limit of crimes or more." in meanings["rates"]
    assert not any("{" in meaning for meaning in meanings.values())
    expected = {name: pair for name, pair in figures.items()}
    expected["force07"] = (None, figures["force07"][1])  # type: ignore[assignment]
    assert {name: (recorded, due) for name, recorded, due in rows} == expected
    compared = json.loads((paths.national() / "peers.json").read_text())
    rates = {row["agency"]: row["rate"] for row in compared}
    assert rates.pop("force07") is None
    assert rates == {
        name: recorded / due for name, (recorded, due) in figures.items() if name != "force07"
    }
    page = (paths.national() / "peers.html").read_text()
    summed = [pair for name, pair in figures.items() if name != "force07"]
    recorded, due = (sum(column) for column in zip(*summed, strict=True))
    (line,) = [line for line in page.splitlines() if f">{recorded:,}<" in line]
    assert f">{due:,}<" in line
    assert f">{recorded / due:.1%}<" in line
    assert ">42<" in line

    withdraw_open_extract("force08", str(place), "counted wrongly", NOW)
    note = compare_sent_extracts().note
    assert "force08 is withdrawn: counted wrongly" in note
    again = json.loads((paths.national() / "peers.json").read_text())
    assert {row["agency"] for row in again} == figures.keys() - {"force08"}
    assert (
        f">{recorded - figures['force08'][0]:,}<" in (paths.national() / "peers.html").read_text()
    )


def test_rates_that_were_withheld_when_a_quarter_was_counted_are_used_nowhere(
    place: Path,
) -> None:
    """What the agency's data are good for today says nothing about the day of the release."""
    publish("alpha", 80, 100)
    publish("beta", 50, 100, has_rates=False)
    publish("gamma", 90, 100, "too few usable codes")
    publish("tiny", 15, 19)
    for name in ("alpha", "beta", "gamma", "tiny"):
        send_open_extract(name, str(place), NOW)
    compare_sent_extracts()
    compared = json.loads((paths.national() / "peers.json").read_text())
    assert {row["agency"]: row["rate"] for row in compared} == {
        "alpha": 0.8, "beta": None, "gamma": None, "tiny": None
    }  # fmt: skip
    reasons = {row["agency"]: row["withheld_reason"] for row in compared}
    assert reasons["beta"] == "fewer than 20 crimes in a quarter, or some figures withheld"
    page = (paths.national() / "peers.html").read_text()
    # alpha and gamma: 80 + 90 of 100 + 100
    (line,) = [line for line in page.splitlines() if ">2017-Q1<" in line and ">2<" in line]
    assert ">170<" in line
    assert ">200<" in line
    assert ">85.0%<" in line


def test_the_page_of_a_nation_that_has_heard_of_nobody(place: Path) -> None:
    place.mkdir()
    assert compare_sent_extracts().note.startswith("0 of 0 agencies")
    assert "No agency has released" in (paths.national() / "peers.html").read_text()
    with duckdb.connect(str(paths.national() / "national.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from reporting").fetchall() == [(0,)]


def test_the_commands_say_what_they_did(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdi.cli.operate.load_agency", lambda name: Received(name, "reported"))
    publish("alpha", 80, 100)
    send_open_extract("alpha", str(place), NOW)
    run = CliRunner().invoke
    assert "REASON-MISSING" in str(run(app, ["withdraw", "alpha"]).exception)
    assert "has withdrawn" in run(app, ["withdraw", "alpha", "--reason", "wrong"]).output
    assert "alpha is withdrawn: wrong" in run(app, ["peers", "--sent"]).output
    assert "was sent" in run(app, ["withdraw", "alpha", "--undo"]).output
    monkeypatch.delenv("CDI_OPEN")
    assert "OPEN-UNSET" in str(run(app, ["peers", "--sent"]).exception)
    shutil.rmtree(place)


def test_a_place_that_is_no_folder_serves_as_well(place: Path) -> None:
    """A store of objects has no renaming of its own; this one is in memory."""
    store = "memory://nation/open"
    publish("alpha", 80, 100)
    send_open_extract("alpha", store, NOW)
    publish("alpha", 90, 100, **NEWER)
    send_open_extract("alpha", store, NOW)
    (alpha,) = collect_open_extracts(store, ["alpha"], paths.national() / "extracts", NOW)
    assert (alpha.state, alpha.version) == ("reported", NEWER["version"])
    assert alpha.folder is not None
    assert contents(alpha.folder) == contents(paths.published("alpha") / "current" / "open")
    withdraw_open_extract("alpha", store, "counted wrongly", NOW)
    stored = fsspec.filesystem("memory").find("/nation")
    assert [path.rsplit("/", 1)[-1] for path in stored] == ["current.json"]


def test_a_kind_of_place_that_is_not_known_is_named(place: Path) -> None:
    publish("alpha", 80, 100)
    with pytest.raises(CdiError, match="PLACE-KIND") as raised:
        send_open_extract("alpha", "nowhere://somebody:hunter2@host/open", NOW)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("spoil", ["no table", "no Parquet", "another column", "no row"])
def test_one_agency_with_other_files_does_not_stop_the_page_of_the_others(
    place: Path, spoil: str
) -> None:
    """Its files are as it sent them; another version of the program may have made them."""
    for name in ("alpha", "beta"):
        publish(name, 80, 100)
    file = paths.published("alpha") / "current" / "open" / "crimes.parquet"
    release = file.with_name("release.parquet")
    if spoil == "no row":
        duckdb.from_parquet(str(release)).limit(0).write_parquet(str(release))
    elif spoil == "no table":
        file.unlink()
    elif spoil == "no Parquet":
        file.write_bytes(b"not Parquet")
    else:
        duckdb.sql("select 1 as number").write_parquet(str(file))
    for name in ("alpha", "beta"):
        send_open_extract(name, str(place), NOW)
    note = compare_sent_extracts().note
    assert note.startswith("1 of 2 agencies are shown")
    assert "alpha is damaged: it is not an open extract that can be read" in note
    (beta,) = json.loads((paths.national() / "peers.json").read_text())
    assert (beta["agency"], beta["rate"]) == ("beta", 0.8)


def test_a_table_that_an_agency_does_not_know_yet_is_left_out(place: Path) -> None:
    for name in ("alpha", "beta"):
        publish(name, 80, 100)
    (paths.published("alpha") / "current" / "open" / "n100_incidents.parquet").unlink()
    for name in ("alpha", "beta"):
        send_open_extract(name, str(place), NOW)
    assert compare_sent_extracts().note.startswith("2 of 2 agencies are shown")
