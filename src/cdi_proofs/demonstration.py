"""What invented people add to `make run`: an audit, decisions, and four forces to compare with.

Nobody has checked the first version that `make run` publishes. Then two auditors read 400 logs and
know what is true, a registrar decides about some of the worklist and is right in 95% of the cases,
and the agency is run again. Four small forces publish beside it, as a funnel needs five. Each step
is left out if it was done before. All is SIMULATED.
"""

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.audit.draws import load_draw
from cdi.audit.register import Register
from cdi.local.display import show_step
from cdi.local.run import run_agency
from cdi.local.summary import print_summary
from cdi.people.audit import choose_period, draw_period
from cdi.people.decision_file import read_decisions
from cdi.people.open_draws import find_progress
from cdi.report.peers import write_peers
from cdi.variant import Variant
from cdi_proofs.auditors import read_whole_audit
from cdi_proofs.compared import compare_with_truth
from cdi_proofs.published import run_simulated
from cdi_proofs.registrar import find_missed
from cdi_proofs.registrar_desk import decide_all, hand_out, list_open_logs, write_down

# A quarter must be over and settled before it is released, and a nowcast needs 26 weeks.
FEWEST_MONTHS = 7
AUDITORS = ("auditor.one", "auditor.two")  # they can sign in at the trial desk
AUDITED = 400
DECIDED = 60
PEERS = {"Eastmoor": 11, "Highmoor": 12, "Southmoor": 13, "Westmoor": 14}  # each with its seed
PEER_SCENARIO = "small_force"
PROCESSES = 2
STEPS = 4


def demonstrate(console: Console) -> None:
    """Let people work on the published version, publish a second one, and compare peers.

    Args:
        console: Where each step, the second run and what came out are shown.
    """
    console.print("Now invented people go to work, and the agency is run again: some minutes more.")
    agency = load_agency(paths.SIMULATED)
    let_auditors_read(agency, console)
    let_registrar_decide(agency, console)
    console.print(_name_step(3, "the agency is run again, with what people found"))
    run_agency(agency.agency, console)
    page = compare_peers(console)
    print_summary(agency, console, Compare=page)


def let_auditors_read(agency: Agency, console: Console) -> None:
    """Draw an audit of what is settled, and let two auditors read it, unless it was done."""
    register = Register(agency.agency)
    if not register.draws():
        draw_period(agency, choose_period(agency, "frame"), AUDITORS, logs=AUDITED, seed=1)
    progress = {
        line["draw_id"]: find_progress(agency, line["draw_id"]) for line in register.draws()
    }
    # if something is read, real hands are at work
    unread = [draw_id for draw_id, of in progress.items() if of.is_open and not of.read]
    if unread:
        with show_step(console, _name_step(1, f"two auditors read {AUDITED} logs drawn by chance")):
            for draw_id in unread:
                read_whole_audit(agency, load_draw(agency.agency, draw_id))


def let_registrar_decide(agency: Agency, console: Console) -> None:
    """Let a registrar decide about the first logs of the worklist, unless it was done."""
    if read_decisions(agency):
        return
    told = _name_step(2, f"a registrar decides about the first {DECIDED} logs of the worklist")
    with show_step(console, told):
        shown, logs = list_open_logs(agency=agency.agency)
        with compare_with_truth(shown.file, paths.truth()) as con:
            missed = find_missed(con)
        read = hand_out(logs, DECIDED)
        write_down(agency, shown.name, decide_all(read, missed, np.random.default_rng(1)))


def compare_peers(console: Console) -> Path:
    """Publish small forces beside this one, and write the page that compares them.

    Args:
        console: Where the step is shown.

    Returns:
        The page.
    """
    homes = {name: paths.home() / "neighbours" / name for name in PEERS}
    missing = [name for name, home in homes.items() if not _open_folder(home).is_dir()]
    if missing:
        told = _name_step(4, f"{len(PEERS)} small forces publish, to compare with")
        with (
            show_step(console, told),
            ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool,
        ):
            published = pool.map(_publish, missing, [homes[name] for name in missing])
            for name, _ in zip(missing, published, strict=True):
                console.print(f"{name} has published", highlight=False)
    extracts = {name: _open_folder(home) for name, home in homes.items()}
    write_peers({paths.SIMULATED: _open_folder(paths.home()), **extracts})
    return paths.home() / "peers.html"


def _open_folder(home: Path) -> Path:
    return home / "published" / paths.SIMULATED / "current" / "open"


def _publish(name: str, home: Path) -> None:
    """Publish a small force in a state folder of its own, in a process that does nothing else."""
    agencies = home / "agencies"
    folder = agencies / paths.SIMULATED
    shutil.copytree(paths.agencies_folder() / paths.SIMULATED, folder, dirs_exist_ok=True)
    settings = yaml.safe_load((folder / "agency.yaml").read_text(encoding="utf-8"))
    settings["name"] = f"{name} Police (SIMULATED)"
    text = yaml.safe_dump(settings, sort_keys=False)
    (folder / "agency.yaml").write_text(text, encoding="utf-8")
    variant = Variant(PEER_SCENARIO, FEWEST_MONTHS, PEERS[name])
    places = {
        "CDI_PREPARED": str(paths.prepared()),  # what dbt made of the code is the same for all
        "CDI_HOME": str(home),
        "CDI_AGENCIES": str(agencies),
    }
    with paths.environment(**places), variant.selected():
        run_simulated(lambda told: None)


def _name_step(number: int, what: str) -> str:
    return f"Demonstration {number} of {STEPS}: {what}"
