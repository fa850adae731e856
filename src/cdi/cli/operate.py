"""Commands for those who operate an agency: its folder, stopped checks, looks, what must go.

The commands import what they need when they run, since all of it takes two seconds to import.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cdi.agency.code_maps import check_needed_maps, list_empty_maps
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.agency.patterns import check_patterns
from cdi.agency.queries import check_queries
from cdi.console import (
    AgencyArgument,
    AgencyOption,
    NamedAgency,
    choose_agency,
    console,
    say_line,
)
from cdi.errors import CdiError

PANEL = "Operate"
app = typer.Typer()


@app.command("check-agency", rich_help_panel=PANEL)
def check_agency(
    context: typer.Context,
    named: NamedAgency = None,
    agency: AgencyOption = "",
    connect: Annotated[
        bool,
        typer.Option(
            "--connect",
            help="Open each database and portal too, and ask what a run would find there. Without "
            "Airflow, a connection is read from AIRFLOW_CONN_<ID>.",
        ),
    ] = False,
) -> None:
    """Check an agency's folder, and name each mistake by file, key and fix.

    It returns 1 if something is wrong, also if the map of call types or offences has no code. With
    --connect it prints a line for each answer: `fine`, `look` (a person should look at it) or
    `stop` (an extraction would stop; the command then returns 1). No value of a person is printed,
    nor a code that fewer than ten rows have.

    E.g. .venv/bin/cdi check-agency nopd --connect
    """
    loaded = load_agency(choose_agency(context, named, agency))
    check_patterns(loaded)
    check_queries(loaded)
    stopping = _ask_sources(loaded) if connect else 0
    # after the sources, whose answers list the codes
    check_needed_maps(loaded)
    if stopping:
        raise typer.Exit(1)
    say_line(f"{loaded.folder} is valid: {', '.join(loaded.sources)}")
    say_line(f"it is extracted {loaded.cron} ({loaded.timezone})")
    if not connect:
        for name in list_empty_maps(loaded):
            say_line(
                f"look  {name}.csv has no code yet, so each code of the source would be unknown; "
                "--connect, or the first extraction, names them"
            )


def _ask_sources(loaded: Agency) -> int:
    """Print each answer of the sources, and count those that would stop an extraction."""
    from cdi.onboarding.connect import check_sources

    stopping = 0
    for finding in check_sources(loaded):
        say_line(finding.line)
        stopping += finding.level == "stop"
    if stopping:
        say_line(f"{stopping} of these answers would stop an extraction")
    return stopping


@app.command(rich_help_panel=PANEL)
def alerts(
    agency: AgencyArgument,
    at: Annotated[
        datetime | None,
        typer.Option(
            "--at",
            formats=["%Y-%m-%dT%H:%M"],
            help="As if it were this time, the agency's own; default: now.",
        ),
    ] = None,
) -> None:
    """Print the messages that the alert DAG would send now; nothing is sent.

    They hold counts by district and no single log, so the access is not logged.

    E.g. .venv/bin/cdi alerts simulated --at 2017-06-30T22:00
    """
    from cdi.steps.alert import preview_alerts

    loaded = load_agency(agency)
    previewed = preview_alerts(loaded, at and at.replace(tzinfo=loaded.zone))
    if previewed is None:
        say_line(f"no version of {agency} is published yet, so there is nothing to send")
        return
    for connection, messages in previewed:
        for message in messages:
            say_line(f"to {connection}\n{message.subject}\n\n{message.text}\n")
        if not messages:
            say_line(f"to {connection}: nothing now")
    if not loaded.alerts.connections:
        say_line(
            "nobody gets these messages: name Airflow connections in agency.yaml, "
            "alerts: {connections: [...]} (docs/onboarding.md)"
        )


@app.command(rich_help_panel=PANEL)
def release(
    agency: AgencyArgument,
    rule: Annotated[
        str | None,
        typer.Argument(help="The rule that failed; without one, list everything that is stopped."),
    ] = None,
    batch_or_version: Annotated[
        str | None,
        typer.Option("--of", help="The batch or version to approve, if the rule stopped several."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, in words.")] = "",
    by: Annotated[str, typer.Option(help="Staff number of the person who proposes it.")] = "",
    second_person: Annotated[
        str, typer.Option(help="Staff number of the person who confirms it.")
    ] = "",
) -> None:
    """Let two people approve a failed check; without a rule, list what is stopped.

    E.g. .venv/bin/cdi release nopd FILE-07 --by 1207 --second-person 1311 --reason "as agreed"
    """
    from cdi.people.decisions import waive_check
    from cdi.quality.waivers import find_stopped

    loaded = load_agency(agency)
    if rule is None:
        stopped = find_stopped(loaded)
        if not stopped:
            say_line(
                f"no failed check stops a batch or a version of {agency}; when one does, its rule, "
                "what it stopped and how it was broken are listed here"
            )
        for held in stopped:
            never = "" if held.is_releasable else " (never released)"
            say_line(f"{held.rule_id}{never} stopped {held.what}: {held.told}")
            if held.waived_by:
                say_line(f"  approved by {held.waived_by}; {_name_next_run(loaded, held.what)}")
        return
    released = waive_check(loaded, rule, reason, by, second_person, batch_or_version)
    say_line(f"{rule} of {released.what} is approved")
    # each rule that stopped it needs an approval of its own
    left = [
        held.rule_id
        for held in find_stopped(loaded)
        if held.what == released.what and not held.waived_by
    ]
    if left:
        say_line(f"it is still stopped by {', '.join(left)}")
    else:
        say_line(_name_next_run(loaded, released.what))


def _name_next_run(agency: Agency, what: str) -> str:
    """Say how an approved batch (`dataset/id`) or version goes on."""
    dataset, is_batch, _ = what.partition("/")
    if is_batch:
        return f"in the failed run of {agency.agency}__extract clear the task {dataset}.extract"
    return f"start a new run of {agency.agency}__build"


@app.command(rich_help_panel=PANEL)
def verify(
    agency: AgencyArgument,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss", help="Go on without batches that are lost for good; needs --reason."
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why nothing can be restored, in words.")] = "",
) -> None:
    """Compare every byte that is kept of an agency with what was accepted and published.

    Each build does the same with what it reads. E.g. .venv/bin/cdi verify nopd
    """
    from cdi.steps import verify as steps

    loaded = load_agency(agency)
    if accept_loss:
        steps.accept_loss(loaded, reason)
    steps.verify_agency(loaded, say_line)


TargetArgument = Annotated[
    str, typer.Argument(help="The backup: a folder, or a URL that fsspec can write to (s3://...).")
]


@app.command(rich_help_panel=PANEL)
def backup(
    agency: AgencyArgument,
    target: TargetArgument,
    key: Annotated[
        Path,
        typer.Option(
            envvar="CDI_BACKUP_KEY",
            help="File with the backup's key, outside of state and backup; made if it is absent, "
            "but not by --check.",
        ),
    ],
    keep: Annotated[int, typer.Option(min=1, help="How many snapshots are kept.")] = 30,
    move: Annotated[
        bool,
        typer.Option(
            "--move",
            help="The agency goes to another machine: from now on nothing of it runs here.",
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Back nothing up: read the whole backup, say how old it is and what it has, and "
            "return 1 if a snapshot could not be restored.",
        ),
    ] = False,
) -> None:
    """Back up what cannot be made again of an agency; only what is new is copied.

    E.g. .venv/bin/cdi backup nopd /mnt/backup --key /etc/cdi/backup.key
    """
    from cdi.steps.backup import back_up_agency, check_backup

    if check:
        if move:
            raise typer.BadParameter("--check writes nothing, so it cannot go with --move")
        check_backup(agency, target, key, say_line)
        return
    is_new_key = not key.exists()
    done = back_up_agency(load_agency(agency), target, key, keep, say_line, moves=move)
    if is_new_key:
        say_line(f"the key is new: keep {key} apart from the backup, as nothing else opens it")
    say_line(
        f"{done.files:,} files ({done.size / 1e6:,.1f} MB) are in snapshot {done.snapshot}; "
        f"{done.new_files:,} of them were new ({done.new_size / 1e6:,.1f} MB)"
    )
    if done.removed_snapshots:
        say_line(f"{done.removed_snapshots} older snapshots were removed")
    if move:
        say_line(f"{agency} has moved: restore it on the other machine; here its work is refused")


@app.command(rich_help_panel=PANEL)
def restore(
    agency: AgencyArgument,
    target: TargetArgument,
    key: Annotated[Path, typer.Option(envvar="CDI_BACKUP_KEY", help="File with the backup's key.")],
    snapshot: Annotated[
        str | None, typer.Option(help="Name of the snapshot; default: the newest.")
    ] = None,
) -> None:
    """Bring an agency back from a backup into a state folder that has nothing of it.

    E.g. .venv/bin/cdi restore nopd /mnt/backup --key /etc/cdi/backup.key
    """
    from cdi.steps.backup import restore_agency

    name = restore_agency(load_agency(agency), target, key, snapshot, say_line)
    say_line(f"{agency} is back as of snapshot {name}; a build publishes it again")


@app.command(rich_help_panel=PANEL)
def withdraw(
    agency: AgencyArgument,
    reason: Annotated[
        str, typer.Option(help="Why; it is shown to all who read what agencies have sent.")
    ] = "",
    undo: Annotated[
        bool, typer.Option("--undo", help="Send the newest open extract again, and go on sending.")
    ] = False,
) -> None:
    """Take back the open extract that an agency has sent to the place of CDI_OPEN.

    Nothing more is sent until --undo. E.g. .venv/bin/cdi withdraw nopd --reason "counted wrongly"
    """
    from cdi.steps.peers import resume_sending, withdraw_sent_extract

    loaded = load_agency(agency)
    if undo:
        say_line(resume_sending(loaded.agency))
    else:
        withdraw_sent_extract(loaded.agency, reason)
        say_line(f"{agency} has withdrawn its open extract, and sends none until --undo")


@app.command(rich_help_panel=PANEL)
def access(
    agency: AgencyArgument,
) -> None:
    """List who looked at single logs (pages, downloads, commands) and why, oldest first.

    Then prove that no line was changed: each has the hash of the previous line.
    """
    from cdi.publish.access import prove_access_log, read_access_log

    load_agency(agency)
    for entry in read_access_log(agency):
        names = ("at", "who", "version", "what", "reason")
        say_line("  ".join(str(entry[name]) for name in names if name in entry))
    chain = prove_access_log(agency)
    if not chain.chained + chain.older:
        say_line(
            f"nobody has looked at single logs of {agency} yet; access is listed here as soon as a "
            "restricted page or command shows one"
        )
        return
    say_line(
        f"{chain.chained} lines are bound to the previous line and unchanged; "
        f"{chain.older} are older than this proof, {chain.erased} were written over by an erasure"
    )


@app.command(rich_help_panel=PANEL)
def erase(
    agency: AgencyArgument,
    reference: Annotated[
        str, typer.Argument(help="The reference of a call or a crime record, as people type it.")
    ],
    reason: Annotated[
        str | None,
        typer.Option(help="Why. It is kept for good: name the request, never the person or log."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files that hold it, and erase nothing.")
    ] = False,
) -> None:
    """Erase a call or a crime record everywhere and for good; later extractions leave it out.

    E.g. .venv/bin/cdi erase nopd A-12345-22 --reason "request 12 of 2026"
    """
    from cdi.erasure.look import look_for_reference
    from cdi.steps.retain import erase_reference

    loaded = load_agency(agency)
    if dry_run:
        places = look_for_reference(loaded, reference)
        for file, place in places.items():
            say_line(f"{file}: {place}")
        console.print(f"{len(places)} files hold it or its text; nothing was erased")
    elif not reason:
        raise CdiError(
            "ERASE-REASON",
            "no reason was given",
            "give one, e.g. --reason 'request 12 of 2026', or --dry-run to look only",
        )
    else:
        erase_reference(loaded, reference, reason, say_line)


@app.command(rich_help_panel=PANEL)
def retain(
    agency: AgencyArgument,
) -> None:
    """Remove what is older than retention_days in agency.yaml, counted from the newest data."""
    from cdi.steps.retain import remove_expired

    remove_expired(load_agency(agency), say_line)
