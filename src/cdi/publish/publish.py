"""Publishing: by rename, so that readers never wait and never see a half-built state (design 5.9).

``published/<agency>/versions/<id>/`` holds ``recording.duckdb`` (read-only), the pages, sheets
and extracts of `PARTS` and ``version.json``; ``current`` is a symbolic link, swapped by one rename.
"""

import shutil
from pathlib import Path

from cdi import paths
from cdi.build.version import Version
from cdi.errors import BuildError
from cdi.publish.parts import WHOLE_VERSION

KEPT_VERSIONS = 5


def publish_folder(version: Version) -> Path:
    """Make the private folder the current version.

    Args:
        version: What was built, checked and reported.

    Returns:
        The published version's folder.

    Raises:
        BuildError: PUBLISH-INCOMPLETE if a part is missing or the file was not closed; the
            published version is untouched.
    """
    _check_complete(version)
    home = paths.published(version.agency.agency)
    target = home / "versions" / version.name
    target.parent.mkdir(exist_ok=True)
    for file in version.folder.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    if target.exists():
        # the same version was published before and its link removed: equal by construction
        target.rename(target.with_name(f".{target.name}.old"))
    version.folder.rename(target)
    link = home / ".current.new"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("versions") / version.name)
    link.replace(home / "current")
    _prune(home, version.name)
    return target


def _check_complete(version: Version) -> None:
    missing = [part for part in WHOLE_VERSION if not (version.folder / part).is_file()]
    if missing:
        raise _incomplete(version, f"{', '.join(missing)} missing")
    logs = [file.name for file in version.folder.glob("*.wal")]
    if logs:
        raise _incomplete(version, f"{logs[0]} shows that the file was not closed")


def _incomplete(version: Version, why: str) -> BuildError:
    return BuildError(
        "PUBLISH-INCOMPLETE",
        f"{version.folder} is not a complete build of {version.name}: {why}",
        "run the build again; the published version is untouched",
    )


def _prune(home: Path, version: str) -> None:
    """Keep the newest versions; open readers keep what they have open."""
    others = [f for f in (home / "versions").iterdir() if f.name != version]
    newest = sorted(others, key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    for folder in others:
        if folder.name.startswith(".") or folder not in newest[: KEPT_VERSIONS - 1]:
            shutil.rmtree(folder)
