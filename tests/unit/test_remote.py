"""Places that fsspec reaches: a server of SFTP must be one that the account knows."""

import errno
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from fsspec.registry import _registry

from cdi import remote
from cdi.errors import CdiError


class HostKeys:
    """As paramiko's: the keys in a file of known hosts."""

    def load(self, file: str) -> None:
        """Read the file."""
        self.lines = Path(file).read_text(encoding="utf-8").splitlines()

    def check(self, hostname: str, key: SimpleNamespace) -> bool:
        """Whether the file has this key for the host."""
        return f"{hostname} {key.text}" in getattr(self, "lines", [])


class Sftp(fsspec.AbstractFileSystem):
    """As fsspec's: the policy is asked for any server before the password is sent."""

    protocol = ("sftp", "ssh")
    cachable = False

    def __init__(self, host: str, host_key_policy: Any = None, **options: Any) -> None:
        """Ask the policy."""
        super().__init__(**options)
        key = SimpleNamespace(text="ssh-ed25519 AAAA", get_name=lambda: "ssh-ed25519")
        if host_key_policy != "auto_add":
            host_key_policy().missing_host_key(None, host, key)

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        return {"host": path.split("/")[2]}


@pytest.fixture
def known_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of known hosts, which is not there yet; and an SFTP without paramiko."""
    stub = SimpleNamespace(MissingHostKeyPolicy=object, HostKeys=HostKeys)
    monkeypatch.setitem(sys.modules, "paramiko", stub)
    for protocol in Sftp.protocol:
        monkeypatch.setitem(_registry, protocol, Sftp)
    monkeypatch.setattr(fsspec.config, "conf", {})
    monkeypatch.setenv("HOME", str(tmp_path))
    remote._make_host_key_policy.cache_clear()
    yield tmp_path / ".ssh" / "known_hosts"
    remote._make_host_key_policy.cache_clear()


@pytest.mark.parametrize("url", ["sftp://files.example.org/cad", "ssh://files.example.org/cad"])
def test_a_server_of_sftp_must_show_the_key_that_is_known(known_hosts: Path, url: str) -> None:
    with pytest.raises(CdiError, match=r"HOST-KEY.* files\.example\.org shows a key of the type"):
        remote.open_filesystem(url)
    known_hosts.parent.mkdir()
    known_hosts.write_text("files.example.org ssh-ed25519 BBBB\n", encoding="utf-8")
    with pytest.raises(CdiError, match="HOST-KEY") as refused:
        remote.open_filesystem(url)
    assert str(known_hosts) in refused.value.message
    known_hosts.write_text("files.example.org ssh-ed25519 AAAA\n", encoding="utf-8")
    assert isinstance(remote.open_filesystem(url)[0], Sftp)


@pytest.mark.usefixtures("known_hosts")
def test_a_connection_may_name_another_policy() -> None:
    url, options = "sftp://files.example.org/cad", {"host_key_policy": "auto_add"}
    assert isinstance(remote.open_filesystem(url, options)[0], Sftp)


@pytest.mark.usefixtures("known_hosts")
def test_a_server_of_sftp_is_checked_within_another_url_too() -> None:
    with pytest.raises(CdiError, match="HOST-KEY"):
        remote.open_filesystem("simplecache::sftp://files.example.org/cad")


def test_a_folder_is_opened_as_it_is(tmp_path: Path) -> None:
    assert remote.open_filesystem(str(tmp_path))[1] == str(tmp_path)


@pytest.mark.parametrize("kind", ["nowhere", "sftp"])
def test_a_kind_of_place_that_cannot_be_opened_is_named_without_its_password(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)  # as if it were not installed
    remote._make_host_key_policy.cache_clear()
    with pytest.raises(CdiError, match=f"PLACE-KIND.*'{kind}'") as refused:
        remote.open_filesystem(f"{kind}://somebody:hunter2@host/cad")
    assert "hunter2" not in str(refused.value)


def test_a_wrong_option_of_a_place_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As fsspec refuses a `host_key_policy` that it does not know, where paramiko is installed."""

    class Picky(fsspec.AbstractFileSystem):
        def __init__(self, policy: str, **_: object) -> None:
            raise ValueError(f"no such policy: {policy}")

    monkeypatch.setitem(_registry, "picky", Picky)
    with pytest.raises(CdiError, match="PLACE-KIND") as refused:
        remote.open_filesystem("picky://host/cad", {"policy": "hunter2", "port": 22})
    assert refused.value.fix.endswith("; or correct the options of its connection: policy, port")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(CdiError, match="PLACE-KIND") as refused:
        remote.open_filesystem("nowhere://host/cad")
    assert "options" not in refused.value.fix


def test_a_place_that_does_not_answer_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filesystem, root = remote.open_filesystem(str(tmp_path))
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "a.json").write_text("{}", encoding="utf-8")
    folder = f"{root}/snapshots"
    assert remote.list_sizes(filesystem, folder) == {f"{folder}/a.json": 2}
    assert remote.list_sizes(filesystem, f"{root}/objects") == {}

    def lose(*_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    for name in ("info", "ls"):
        monkeypatch.setattr(type(filesystem), name, lose)
    with pytest.raises(OSError, match="Stale"):
        remote.list_sizes(filesystem, folder)
