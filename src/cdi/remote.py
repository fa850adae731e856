"""Files in a place that fsspec can write to: a folder, or a URL such as ``s3://bucket/cdi``."""

import tempfile
from pathlib import Path

import fsspec

from cdi.files import rename_durably


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
    if not filesystem.exists(folder):
        return {}
    found = filesystem.find(folder, detail=True)
    return {path: int(facts["size"]) for path, facts in found.items()}
