"""Publish by a rename: readers never wait and never see a half-built version (design 5.9).

``published/<agency>/versions/<id>/`` holds a version, read-only; `cdi.publish.parts` lists its
files. ``current`` is a symbolic link to the newest version, replaced by one rename.
"""

from pathlib import Path

from cdi import paths
from cdi.build.version import Version, find_description
from cdi.errors import BuildError
from cdi.files import remove_folder, rename_durably, sync_folder
from cdi.publish.parts import list_files_of_whole_version
from cdi.sealed_files import write_sums

KEPT_VERSIONS = 5
NEXT_LINK = ".current.new"  # becomes `current`


def publish_folder(version: Version) -> Path:
    """Make the private folder the current version.

    Args:
        version: What was built, checked and reported.

    Returns:
        The published version's folder.

    Raises:
        BuildError: PUBLISH-INCOMPLETE if a file is missing or DuckDB's file was not closed; the
            published version is untouched.
    """
    _check_complete(version)
    home = paths.published(version.agency.agency)
    target = home / "versions" / version.name
    target.parent.mkdir(exist_ok=True)
    write_sums(version.agency.agency, version.folder)
    for file in version.folder.rglob("*"):
        if file.is_file():
            file.chmod(0o400)
    if target.exists():
        # The same version was published before, and only the link to it was removed. Both are
        # equal, as their fingerprint is; the older one is removed with the other old versions.
        target.rename(target.with_name(f".{target.name}.old"))
    # The link is made first: if this is killed, it tells the next attempt what was begun.
    link = home / NEXT_LINK
    link.unlink(missing_ok=True)
    link.symlink_to(Path("versions") / version.name)
    rename_durably(version.folder, target)
    # A link cannot be changed in one go, but another can be renamed over it.
    rename_durably(link, home / "current")
    _remove_old_versions(home, version.name)
    return target


def find_published(agency_id: str, name: str) -> Path | None:
    """Find a version that an earlier attempt has published; finish that attempt if it was killed.

    Args:
        agency_id: The agency.
        name: Name of the version.

    Returns:
        Its folder; None if it was not published, or is not kept any more.
    """
    home = paths.published(agency_id)
    target = home / "versions" / name
    if find_description(target) is None:
        return None
    link = home / NEXT_LINK
    if link.is_symlink() and link.readlink() == Path("versions") / name:
        rename_durably(link, home / "current")
        _remove_old_versions(home, name)
    return target


def _check_complete(version: Version) -> None:
    """Refuse a version that lacks a file, or whose DuckDB file was not closed."""
    problems = [
        f"{file} is missing"
        for file in list_files_of_whole_version()
        if not (version.folder / file).is_file()
    ]
    # what DuckDB has not yet moved from its write-ahead log to the file, no reader would see
    problems += [
        f"{file.name} shows that the file was not closed" for file in version.folder.glob("*.wal")
    ]
    if problems:
        raise BuildError(
            "PUBLISH-INCOMPLETE",
            f"{version.folder} is not a complete build of {version.name}: {', '.join(problems)}",
            "run the build again; the published version is untouched",
        )


def _remove_old_versions(home: Path, version: str) -> None:
    """Keep the newest versions; who reads a removed one goes on reading what is open."""
    others = [folder for folder in (home / "versions").iterdir() if folder.name != version]
    newest = sorted(others, key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    for folder in others:
        if folder.name.startswith(".") or folder not in newest[: KEPT_VERSIONS - 1]:
            remove_folder(folder)
    sync_folder(home / "versions")
