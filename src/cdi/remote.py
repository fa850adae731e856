"""Files in a place that fsspec can reach: a folder, or a URL such as ``s3://bucket/cdi``."""

import contextlib
import functools
import importlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec

from cdi.errors import CdiError
from cdi.files import rename_durably


def open_filesystem(
    place: str, options: Mapping[str, Any] | None = None
) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open a folder or a URL.

    fsspec takes any server of SFTP for the one that is meant. Here it must be one of those that the
    account knows, unless the options name another `host_key_policy`.

    Args:
        place: The folder or URL.
        options: Options of fsspec.

    Returns:
        The filesystem, and the path of the place in it.

    Raises:
        CdiError: PLACE-KIND if fsspec does not know this kind of place, or lacks its package;
            HOST-KEY if a server of SFTP is not known by its key.
    """
    kind = fsspec.utils.get_protocol(place.rpartition("::")[2])
    try:
        if kind in ("sftp", "ssh"):
            # It is fsspec's default, as a URL may name several filesystems, one within the other.
            fsspec.config.conf.setdefault("sftp", {})["host_key_policy"] = _make_host_key_policy()
        filesystem, root = fsspec.core.url_to_fs(place, **dict(options or {}))
    except (ValueError, ImportError):  # their texts may have the address with its password
        fix = "correct the address, or install the package of this kind (s3fs for s3://, paramiko "
        fix += "for sftp://)"
        if options:  # of which fsspec refuses a wrong one as it does an unknown kind
            fix += f"; or correct the options of its connection: {', '.join(options)}"
        raise CdiError(
            "PLACE-KIND", f"a place of the kind {kind!r} cannot be opened here", fix
        ) from None
    return filesystem, root


@functools.cache
def _make_host_key_policy() -> type:
    """Make the class by which paramiko, if it is installed, looks for a server in known_hosts."""
    paramiko = importlib.import_module("paramiko")

    class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[name-defined]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            """Refuse a server whose key is not the one in known_hosts."""
            file = Path.home() / ".ssh" / "known_hosts"
            known = paramiko.HostKeys()
            with contextlib.suppress(FileNotFoundError):
                known.load(str(file))
            if not known.check(hostname, key):
                raise CdiError(
                    "HOST-KEY",
                    f"{hostname} shows a key of the type {key.get_name()} that {file} does not "
                    "have for it, so it may be another server",
                    "ask the server's owner for its key, and add it to that file (docs/server.md)",
                )

    return KnownHosts


def put_file(filesystem: fsspec.AbstractFileSystem, file: Path, path: str) -> None:
    """Store a file under a passing name, then give it its own, so that nobody takes half of it.

    Args:
        filesystem: Where it is stored.
        file: The file here.
        path: Its path there; the folder is made.
    """
    filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    filesystem.put_file(str(file), f"{path}.part")
    if "file" in filesystem.protocol:
        rename_durably(Path(f"{path}.part"), Path(path))
    else:
        filesystem.mv(f"{path}.part", path)


def put_bytes(filesystem: fsspec.AbstractFileSystem, content: bytes, path: str) -> None:
    """Store a short content, as `put_file` does."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        put_file(filesystem, Path(file.name), path)


def list_sizes(filesystem: fsspec.AbstractFileSystem, folder: str) -> dict[str, int]:
    """List the files in and below a folder with their sizes in bytes; none if it is not there."""
    filesystem.invalidate_cache()
    try:
        # `exists` would say no as well if the place does not answer
        filesystem.ls(folder, detail=False)
    except FileNotFoundError:
        return {}
    found = filesystem.find(folder, detail=True)
    return {path: int(facts["size"]) for path, facts in found.items()}
