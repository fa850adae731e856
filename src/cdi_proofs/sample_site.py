"""A sample site: the pages of a published simulated version, in a folder for any web server.

Its layout is that of the pages behind Airflow's log-in, so their links hold as they are. The desk
needs a server, so a page says so in its place. Who may see which page does not matter here, as all
people are invented; the first page says that, too.
"""

import shutil
from pathlib import Path

from cdi import paths
from cdi.agency.load import load_agency
from cdi.errors import CdiError
from cdi.files import read_json, read_json_list, remove_folder, write_text
from cdi.publish.parts import PARTS, Part
from cdi.render import render
from cdi.sql import connect, scalar
from cdi_proofs.published import find_published

DOCS = Part("docs", "Documentation", "How it works, in words.", start="index.html")


def make_sample_site(agency: str) -> Path:
    """Write ``<state>/sample-site`` anew from the published version of a simulated agency.

    Args:
        agency: The agency.

    Returns:
        The folder.

    Raises:
        CdiError: SITE-NOT-SIMULATED if anything in it would be of a real agency, SITE-UNPUBLISHED
            if no version is published.
    """
    loaded = load_agency(agency)
    if not loaded.is_simulated:
        raise _refuse(f"{loaded.name} is not a simulated agency")
    version = find_published(agency)
    with connect(version / "recording.duckdb", read_only=True) as con:
        if scalar(con, "select is_simulated from release") is not True:
            raise _refuse(f"the published version of {agency} was made from real data")
    peers = _find_peers()
    site = paths.home() / "sample-site"
    remove_folder(site)
    # The file of all tables is left out: it is many times as large as all pages together.
    parts = {part.path: part for part in (*PARTS, DOCS) if not part.for_managers}
    shown = [part for path, part in parts.items() if _copy(version / path, site / agency / path)]
    if peers:
        _copy(peers, site / "peers.html")
    page = {"agency": agency, "name": loaded.name, "is_simulated": True}
    headline = read_json(version / "figures.json", ["headline"])["headline"]
    index = render(
        "sample_site.html.j2", **page, headline=headline, parts=shown, has_peers=bool(peers)
    )
    write_text(site / "index.html", index)
    for folder, up in (("desk", "../"), (f"desk/{agency}", "../../")):
        (site / folder).mkdir(parents=True)
        write_text(site / folder / "index.html", render("sample_desk.html.j2", **page, up=up))
    _let_everybody_read(site)
    return site


def _copy(source: Path, target: Path) -> bool:
    """Copy a file or folder; returns whether it is there."""
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return source.exists()


def _find_peers() -> Path | None:
    """The page that compares agencies, if there is one; all of them must be simulated."""
    page, figures = (paths.home() / f"peers.{kind}" for kind in ("html", "json"))
    if not (page.is_file() and figures.is_file()):
        return None
    if not all(row["is_simulated"] for row in read_json_list(figures)):
        raise _refuse(f"{page} compares real agencies", "make run writes it anew")
    return page


def _refuse(what: str, fix: str = "make run, and then make sample-site without AGENCY") -> CdiError:
    return CdiError("SITE-NOT-SIMULATED", f"{what}, and real data may not be hosted", fix)


def _let_everybody_read(site: Path) -> None:
    """A web server runs under another account than the person who made the site."""
    site.chmod(0o755)
    for path in site.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
